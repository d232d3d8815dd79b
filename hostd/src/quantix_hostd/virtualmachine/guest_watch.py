"""Asks the agents of this host's guests, again and again, beside everything else that is done for the VMs.

The reconciler says at each look which guest runs and whether it holds its agent's channel; what the agent
said last is there without waiting. A guest that does not answer costs nobody else anything: few are asked at
a time, each for a bounded time. `assembly` runs it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from quantix_api.errors import PermanentError, QuantixError
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.facts.guest import GuestReport
from quantix_hostd.virtualmachine.agent_state import (
    NOT_SEEN,
    AgentState,
    answered,
    missed,
    next_ask_s,
    refused,
)

log = structlog.get_logger(__name__)

_AT_ONCE = 4
_LOOK_S = 1.0


class GuestAgents(Protocol):
    """What is asked of the agents; a part of `clients.hypervisor.Hypervisor`."""

    async def guest_report(self, name: str) -> GuestReport: ...

    async def set_guest_time(self, name: str) -> None: ...


@dataclass(eq=False)
class _Guest:
    """`due_s`: when it is asked next. `behind`: it stood still, and its clock was not set since."""

    state: AgentState
    open: bool
    running: bool
    due_s: float
    asked: bool = False
    behind: bool = False


class GuestWatch:
    """All guests of this host. `changed` is called with the UID of a VM of whose agent there is news."""

    def __init__(
        self, agents: GuestAgents, changed: Callable[[str], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._agents = agents
        self._changed = changed
        self._clock = clock
        self._guests: dict[str, _Guest] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._news = asyncio.Event()

    def state(self, uid: str) -> AgentState:
        """What is known of the agent of this VM's guest."""
        guest = self._guests.get(uid)
        return guest.state if guest is not None else NOT_SEEN

    def see(self, uid: str, *, channel_open: bool, running: bool) -> None:
        """A look found this guest: whether it holds its agent's channel, and is not paused."""
        guest = self._guests.get(uid)
        if guest is None:
            if not channel_open:
                return
            now_s = self._clock()
            guest = self._guests[uid] = _Guest(AgentState(now_s), False, running, now_s)
        if channel_open and not guest.open:
            guest.due_s = self._clock()
        guest.open, guest.running = channel_open, running
        self._news.set()

    def resumed(self, uid: str) -> None:
        """The guest stood still and goes on: its clock is behind. Nothing where no agent is there."""
        guest = self._guests.get(uid)
        if guest is not None and guest.open:
            guest.behind, guest.due_s = True, self._clock()

    def channel_changed(self, uid: str) -> None:
        """An agent came or went, perhaps one for the other: it is asked soon."""
        guest = self._guests.get(uid)
        if guest is not None:
            guest.due_s = self._clock()

    def forget(self, uid: str) -> None:
        """The guest has ended."""
        self._guests.pop(uid, None)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for uid, guest in self._due():
                    guest.asked = True
                    group.create_task(self.ask(uid, guest), name=f"agent of {uid}")
                self._news.clear()
                try:
                    async with asyncio.timeout(_LOOK_S):
                        await self._news.wait()
                except TimeoutError:
                    continue

    def _due(self) -> list[tuple[str, _Guest]]:
        now_s = self._clock()
        return [
            (uid, guest)
            for uid, guest in self._guests.items()
            if guest.running and not guest.asked and guest.due_s <= now_s
        ]

    async def ask(self, uid: str, guest: _Guest) -> None:
        """Ask one agent once, when it is its turn; what is learnt counts for the guest that was asked."""
        try:
            state, said = await self._answer(uid, guest)
        finally:
            guest.asked = False
        guest.due_s = self._clock() + next_ask_s(state)
        before, guest.state = guest.state, state
        if self._guests.get(uid) is guest and _told(before) != _told(state):
            if said:
                log.info("agent does not answer", uid=uid, said=said)
            self._changed(uid)

    async def _answer(self, uid: str, guest: _Guest) -> tuple[AgentState, str]:
        """What is known after a question, and what was in its way."""
        if not guest.open:
            return missed(guest.state, self._clock()), "its channel is closed"
        try:
            async with self._turns:
                if guest.behind:
                    await self._agents.set_guest_time(domain_name(uid))
                    guest.behind = False
                report = await self._agents.guest_report(domain_name(uid))
        except PermanentError as error:
            return refused(self._clock()), error.message
        except QuantixError as error:
            return missed(guest.state, self._clock()), error.message
        return answered(guest.state, report, self._clock()), ""


def _told(state: AgentState) -> tuple[object, ...]:
    """What of it stands in a status."""
    return state.report, state.known, state.refuses, state.silent
