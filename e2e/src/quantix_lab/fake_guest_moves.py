"""What libvirt makes of a domain that is sent to another host: a part of `fake_hypervisor`.

A guest is on its way until the test says how that ended.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.facts.domain import PAUSED_POST_COPY, DomainSnapshot, DomainState, EventKind
from quantix_hostd.facts.migration import Sending, SendingProgress


class FakeGuestMoves(ABC):
    """The migrations of `Hypervisor`, and how they end. `sendings` are those that go on, by domain. `passes`:
    how often memory was gone through; `switches`: whether one that is to be switched is; `lingers`: whether
    one that is to end goes on yet.
    """

    found: dict[str, Any]
    passes: int
    switches: bool
    lingers: bool

    @cached_property
    def sendings(self) -> dict[str, Sending]:
        return {}

    @cached_property
    def sends(self) -> asyncio.Event:
        """Set once anything is under way."""
        return asyncio.Event()

    @cached_property
    def _ways(self) -> dict[str, asyncio.Future[None]]:
        return {}

    @abstractmethod
    def did(self, call: str) -> None:
        """Note a call; raises what every call raises."""

    @abstractmethod
    def told(self, name: str, kind: EventKind, detail: str) -> None:
        """Tell an event."""

    @abstractmethod
    async def domain(self, name: str) -> DomainSnapshot | None:
        """As the hypervisor has it."""

    async def migratable_xml(self, name: str) -> str:
        found = await self.domain(name)
        if found is None or found.live_xml is None:
            raise TransientError("InternalError", "domain is not running (code 55)")
        return found.live_xml

    async def send_guest(self, name: str, sending: Sending) -> None:
        self.did("send")
        self.sendings[name] = sending
        self._ways[name] = asyncio.get_running_loop().create_future()
        self.sends.set()
        try:
            await self._ways[name]
        finally:
            del self.sendings[name], self._ways[name]

    async def sending_progress(self, name: str) -> SendingProgress | None:
        return SendingProgress(512, 1024, 128, 4096, self.passes) if name in self.sendings else None

    async def switch_sending(self, name: str) -> bool:
        self.did("switch")
        if name in self._ways and self.switches:
            self.told(name, EventKind.SUSPENDED, "MIGRATED")
            self.stand_still(name, PAUSED_POST_COPY)
        return self.switches

    def stand_still(self, name: str, reason: int) -> None:
        """It is the source of a post-copy."""
        self.found[name].state, self.found[name].reason = DomainState.PAUSED, reason

    async def stop_sending(self, name: str) -> None:
        self.did("stop sending")
        if name in self._ways and not self.lingers:
            self.fail(name, "operation aborted: migration out job: canceled by client")

    # what becomes of it

    async def arrive(self, name: str) -> None:
        """It is there, whole and paused, and gone here."""
        self.told(name, EventKind.SUSPENDED, "MIGRATED")
        del self.found[name]
        self.told(name, EventKind.STOPPED, "MIGRATED")
        self._ways[name].set_result(None)
        await _settle()

    def fail(self, name: str, said: str) -> None:
        """libvirt gives up; the guest runs on."""
        self._ways[name].set_exception(as_error(TransientError, "SourceFailed", said=said))

    def cut(self, name: str, target: str) -> None:
        """The libvirt of the target ends; the guest runs on here."""
        self._ways[name].set_exception(as_error(TransientError, "TargetFailed", cut=target, said="the end"))


async def _settle() -> None:
    """Whoever waits has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)
