"""What the QEMU guest agents in the guests do: a part of `fake_hypervisor`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from xml.etree import ElementTree

from quantix_api.errors import QuantixError, TransientError
from quantix_hostd.domainxml.spec import GUEST_AGENT_CHANNEL
from quantix_hostd.facts.domain import EventKind
from quantix_hostd.facts.guest import GuestReport


class FakeAgents(ABC):
    """`agent_says` is what every agent answers, or raises."""

    agent_says: GuestReport | QuantixError

    @abstractmethod
    def did(self, call: str) -> None:
        """Note a call; raises what every call raises."""

    @abstractmethod
    def live(self, name: str) -> AbstractContextManager[ElementTree.Element]:
        """The live XML of a running domain, to be changed."""

    @abstractmethod
    def told(self, name: str, kind: EventKind, detail: str) -> None:
        """An event of the domain."""

    async def guest_report(self, name: str) -> GuestReport:
        self.did("ask agent")
        return self._agent(name)

    async def set_guest_time(self, name: str) -> None:
        self.did("set time")
        self._agent(name)

    def open_agent_channel(self, name: str, *, open: bool = True) -> None:
        """The agent in the guest opens its channel, or lets it go."""
        word = "connected" if open else "disconnected"
        with self.live(name) as root:
            for target in root.iterfind(f"devices/channel/target[@name='{GUEST_AGENT_CHANNEL}']"):
                target.set("state", word)
        self.told(name, EventKind.AGENT, word.upper())

    def _agent(self, name: str) -> GuestReport:
        with self.live(name) as root:
            channel = root.find("devices/channel/target[@state='connected']")
        if channel is None:
            raise TransientError("InternalError", "QEMU guest agent is not connected (code 86)")
        if isinstance(self.agent_says, QuantixError):
            raise self.agent_says
        return self.agent_says
