"""What libvirt makes of a running domain that is kept as it is at one moment: a part of `fake_hypervisor`.

Disks are real files, and copied at once; when that is told is the test's to say.
"""

from __future__ import annotations

import asyncio
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from quantix_api.errors import PermanentError, QuantixError
from quantix_api.message_table_phrases import UNQUIESCED
from quantix_api.messages import as_error
from quantix_hostd.facts.moment import CopyStep, DisksCopy, Moment, MomentTaken

Element = ElementTree.Element


class FakeGuestMoments(ABC):
    """The moments of `Hypervisor`. `agent_freezes`: how asking it to ends; `thaw_fails`: so does thawing."""

    agent_freezes: str = "Frozen"
    thaw_fails: QuantixError | None = None
    copy_said: DisksCopy = DisksCopy(CopyStep.DONE)
    memory_refusal: QuantixError | None = None
    dies_in_the_moment: bool = False
    """hostd is killed while the guest stands still."""

    @cached_property
    def moments(self) -> list[Moment]:
        return []

    @abstractmethod
    def did(self, call: str) -> None:
        """Note a call; raises what every call raises."""

    @abstractmethod
    def live(self, name: str) -> AbstractContextManager[Element]:
        """The live XML of a running domain, to be changed."""

    @abstractmethod
    async def suspend(self, name: str) -> None:
        """As the hypervisor does it."""

    @abstractmethod
    async def resume(self, name: str) -> None:
        """As the hypervisor does it."""

    async def take_moment(self, name: str, moment: Moment, keep: Callable[[], None]) -> MomentTaken:
        self.did("moment")
        self.moments.append(moment)
        quiesced = "NotAsked" if moment.quiesce == "Never" else self.agent_freezes
        if moment.quiesce == "Required" and quiesced != "Frozen":
            raise as_error(PermanentError, "QuiesceRequired", why=UNQUIESCED[quiesced])
        await self.suspend(name)
        if moment.memory:
            Path(moment.memory).write_bytes(b"memory of the guest")
        with self.live(name) as root:
            for disk in moment.disks:
                source = root.find(f"devices/disk/target[@dev='{disk.target}']/../source")
                assert source is not None
                shutil.copyfile(source.get("file", ""), disk.path)
        if self.dies_in_the_moment:
            raise asyncio.CancelledError
        try:
            await asyncio.to_thread(keep)
        finally:
            await self.resume(name)
        return MomentTaken(quiesced, frozen=self.thaw_fails is not None and quiesced == "Frozen")

    @abstractmethod
    async def create_paused(self, name: str) -> None:
        """As the hypervisor does it."""

    async def restore_paused(self, name: str, path: str, xml: str) -> None:
        self.did(f"restore {Path(path).read_text()}")
        if self.memory_refusal is not None:
            raise self.memory_refusal
        await self.create_paused(name)

    async def disks_copy(self, name: str) -> DisksCopy:
        return self.copy_said

    async def stop_disks_copy(self, name: str) -> None:
        self.did("stop copying")

    async def thaw(self, name: str) -> None:
        self.did("thaw")
        if self.thaw_fails is not None:
            raise self.thaw_fails
