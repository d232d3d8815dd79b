"""Pools of a VM's world that do not answer: calls to their claims wait until a test lets them go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from quantix_api.errors import TransientError
from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_lab.vm_world import VmWorld


@dataclass
class Hang:
    """Pools that hang at calls of these names, and the calls that were begun there meanwhile."""

    world: VmWorld
    pools: set[Path] = field(default_factory=set)
    calls: set[str] = field(default_factory=lambda: {"read", "compare_and_set"})
    begun: list[str] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def begin(self, pool: Path, *calls: str) -> None:
        """From here on, at all calls where none are named."""
        self.pools.add(pool)
        self.calls = set(calls) or self.calls
        self.world.pools.threads._patience_s = 0.3

    async def end(self) -> None:
        """All are answered now, and are heard."""
        self.world.pools.threads._patience_s = 10.0
        self.answers.set()
        while self.pools:
            try:
                await self.world.tools.ask(next(iter(self.pools)), lambda: None)
            except TransientError:
                await asyncio.sleep(0.01)
            else:
                self.pools.pop()


@contextmanager
def hanging(world: VmWorld) -> Iterator[Hang]:
    """Pools hang once they are told to; at the end all calls go on."""
    hang = Hang(world)

    def slow(name: str, call: Any) -> Any:
        def waits(self: LocalClaimStore, place: VolumePlace, *rest: Any, **named: Any) -> Any:
            if place.pool in hang.pools and name in hang.calls:
                hang.begun.append(name)
                hang.answers.wait(20)
            return call(self, place, *rest, **named)

        return waits

    ways = {name: slow(name, getattr(LocalClaimStore, name)) for name in ("read", "compare_and_set")}
    try:
        with patch.multiple(LocalClaimStore, **ways):
            yield hang
    finally:
        hang.answers.set()


def in_another_pool(world: VmWorld, name: str) -> VolumePlace:
    """Where a new volume of this name lies, in the pool `fast`."""
    volume = world.add_volume(name)
    place = VolumePlace(world.add_pool("fast"), volume["metadata"]["uid"])
    place.data.parent.parent.mkdir(parents=True)
    VolumePlace(world.pool, place.handle).data.parent.rename(place.data.parent)
    volume["status"]["pool"] = "fast"
    return place
