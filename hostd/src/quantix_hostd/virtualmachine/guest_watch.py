"""Asks the agents of this host's guests, again and again, beside everything else that is done for the VMs.

The reconciler says at each look which guest runs and whether it holds its agent's channel; what the agent
said last is there without waiting. A guest that does not answer costs nobody else much: few are asked at a
time, each for a bounded time, and of those fewer that were slow (`ask_turns`). `assembly` runs it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from quantix_api.errors import PermanentError, QuantixError
from quantix_client.clock import Clock, SystemClock
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
from quantix_hostd.virtualmachine.ask_turns import Waiting, next_asked, pace_after, rest_s

log = structlog.get_logger(__name__)

_LOOK_S = 1.0
_REMEMBERED_S = 600.0
_HURRY_AGAIN_S = 10.0


class GuestAgents(Protocol):
    """What is asked of the agents; a part of `clients.hypervisor.Hypervisor`."""

    async def guest_report(self, name: str) -> GuestReport: ...

    async def set_guest_time(self, name: str) -> None: ...


@dataclass(eq=False)
class _Guest:
    """`due_s`: when it is asked next. `behind`: it stood still, and its clock was not set since. `hurried_s`:
    when it was asked before its time last, for its agent's coming or going.
    """

    state: AgentState
    open: bool
    running: bool
    due_s: float
    behind: bool = False
    hurried_s: float = -math.inf


class GuestWatch:
    """All guests of this host. `changed` is called with the UID of a VM of whose agent there is news."""

    def __init__(
        self,
        agents: GuestAgents,
        changed: Callable[[str], None],
        clock: Clock | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._agents = agents
        self._changed = changed
        self._clock = clock or SystemClock()
        self._wall = wall
        self._guests: dict[str, _Guest] = {}
        self._asked: set[str] = set()
        # by UID: how long its agent takes of late, and when that was noted
        self._paces: dict[str, tuple[float, float]] = {}
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
            now_s = self._clock.monotonic()
            guest = self._guests[uid] = _Guest(AgentState(now_s, self._wall()), False, running, now_s)
        if channel_open and not guest.open:
            self._hurry(guest)
        guest.open, guest.running = channel_open, running
        self._news.set()

    def resumed(self, uid: str) -> None:
        """The guest stood still and goes on: its clock is behind. Nothing where no agent is there."""
        guest = self._guests.get(uid)
        if guest is not None and guest.open:
            guest.behind, guest.due_s = True, self._clock.monotonic()

    def channel_changed(self, uid: str) -> None:
        """An agent came or went, perhaps one for the other: it is asked soon."""
        guest = self._guests.get(uid)
        if guest is not None:
            self._hurry(guest)

    def _hurry(self, guest: _Guest) -> None:
        """Ask before its time, but seldom: a guest may open and close the channel a thousand times a second,
        and be called otherwise each time.
        """
        at_s = max(self._clock.monotonic(), guest.hurried_s + _HURRY_AGAIN_S)
        if at_s < guest.due_s:
            guest.due_s = guest.hurried_s = at_s

    def forget(self, uid: str) -> None:
        """The guest has ended."""
        self._guests.pop(uid, None)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._news.clear()
                for uid, guest in self._due():
                    self._asked.add(uid)
                    group.create_task(self.ask(uid, guest), name=f"agent of {uid}")
                try:
                    async with asyncio.timeout(_LOOK_S):
                        await self._news.wait()
                except TimeoutError:
                    continue

    def _due(self) -> list[tuple[str, _Guest]]:
        """Those whose turn it is. An agent whose channel is closed is missed without a question."""
        now_s = self._clock.monotonic()
        due = {
            uid: guest
            for uid, guest in self._guests.items()
            if guest.running and uid not in self._asked and guest.due_s <= now_s
        }
        for uid, guest in due.items():
            if not guest.open:
                self._learn(uid, guest, missed(guest.state, now_s), "its channel is closed")
        waiting = [Waiting(uid, guest.due_s, self._pace_s(uid)) for uid, guest in due.items() if guest.open]
        turns = next_asked(waiting, [self._pace_s(uid) for uid in self._asked])
        return [(uid, due[uid]) for uid in turns]

    async def ask(self, uid: str, guest: _Guest) -> None:
        """Ask one agent once, and let the next have its turn."""
        began_s = self._clock.monotonic()
        try:
            state, said = await self._answer(uid, guest)
        finally:
            self._asked.discard(uid)
            self._news.set()
        took_s = self._clock.monotonic() - began_s
        self._note_pace(uid, took_s)
        self._learn(uid, guest, state, said, took_s)

    async def _answer(self, uid: str, guest: _Guest) -> tuple[AgentState, str]:
        """What is known after a question, and what was in its way."""
        try:
            if guest.behind:
                await self._agents.set_guest_time(domain_name(uid))
                guest.behind = False
            report = await self._agents.guest_report(domain_name(uid))
        except PermanentError as error:
            return refused(self._clock.monotonic(), self._wall()), error.message
        except QuantixError as error:
            return missed(guest.state, self._clock.monotonic()), error.message
        return answered(guest.state, report, self._clock.monotonic(), self._wall()), ""

    def _learn(self, uid: str, guest: _Guest, state: AgentState, said: str, took_s: float = 0.0) -> None:
        """What is learnt counts for the guest that was asked."""
        guest.due_s = self._clock.monotonic() + max(next_ask_s(state), rest_s(took_s))
        before, guest.state = guest.state, state
        if self._guests.get(uid) is guest and _told(before) != _told(state):
            if said:
                log.info("agent does not answer", uid=uid, said=said)
            self._changed(uid)

    def _pace_s(self, uid: str) -> float:
        return self._paces.get(uid, (0.0, 0.0))[0]

    def _note_pace(self, uid: str, took_s: float) -> None:
        """Kept for a while beyond the guest's end: one that starts again is as slow as before."""
        now_s = self._clock.monotonic()
        self._paces[uid] = (pace_after(self._pace_s(uid), took_s), now_s)
        for other, (_, noted_s) in list(self._paces.items()):
            if other not in self._guests and now_s - noted_s > _REMEMBERED_S:
                del self._paces[other]


def _told(state: AgentState) -> tuple[object, ...]:
    """What of it stands in a status."""
    return state.report, state.known, state.refuses, state.silent
