"""The hostd of another host, as the source of a migration sees it, and the migration that names it."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from quantix_api.errors import QuantixError
from quantix_api.resources import VIRTUAL_MACHINE_MIGRATIONS
from quantix_hostd.clients.libvirt_relay import Pieces, Send
from quantix_hostd.migration.departures import Departures
from quantix_hostd.migration.meter import SendingEnd
from quantix_hostd.migration.outgoing import OutgoingMoves

if TYPE_CHECKING:
    from quantix_lab.vm_world import VmHandle, VmWorld

Manifest = dict[str, Any]


async def no_trust() -> ssl.SSLContext:
    """Nobody is asked."""
    raise AssertionError("no connection is made")


def departures_of(world: VmWorld, guard: Callable[[Any], Any]) -> Departures:
    """Of guests that leave this host; what was under way before is forgotten, as it is with hostd."""
    hypervisor = guard(world.hypervisor)
    return Departures(
        host=world.name,
        api=guard(world.api),
        migrations=world.migrations,
        hypervisor=hypervisor,
        outgoing=OutgoingMoves(hypervisor, world.layout, world.woken.append, world, _Uncounted()),
        trust=no_trust,
        ready=lambda: True,
        clock=world,
        source_towards=lambda address: world.target.source_towards(address),
        pool=lambda name: None,
        wall=lambda: world.wall_s(),
        reach=lambda host, address, trust: world.target,
    )


class _Uncounted:
    """Counts nothing."""

    def note(self, end: SendingEnd) -> None:
        return None


class FakeTarget:
    """`told` are the hand-overs that it heard of, as (migration, epoch), `switched` what is
    about to be; `way` is the address that the source has towards it, "" for none.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.switched: list[tuple[str, int]] = []
        self.deaf: QuantixError | None = None
        self.way = "192.0.2.1"

    async def source_towards(self, address: str) -> str:
        """The address that packets to it have."""
        return self.way

    async def connect_libvirt(
        self, migration: str, sender: str
    ) -> tuple[Pieces, Send, Callable[[], Awaitable[None]]]:
        """Nobody speaks by it here."""
        raise AssertionError("libvirt is not real")

    async def switching(self, migration: str, epoch: int) -> None:
        if self.deaf is not None:
            raise self.deaf
        self.switched.append((migration, epoch))

    async def handed_over(self, migration: str, epoch: int) -> None:
        if self.deaf is not None:
            raise self.deaf
        self.told.append((migration, epoch))


class MigrationHandle:
    """A migration that the operator let begin: of this VM, from h1 to h2."""

    def __init__(self, vm: VmHandle) -> None:
        self._world = vm.world
        self.uid = str(uuid.uuid4())
        metadata = {
            "name": f"move-{self.uid[:4]}",
            "namespace": "default",
            "uid": self.uid,
            "creationTimestamp": f"2026-01-01T00:00:{len(vm.world.migrations):02}Z",
        }
        status = {"virtualMachineUID": vm.uid, "sourceHost": "h1", "targetHost": "h2"}
        manifest = {
            "apiVersion": VIRTUAL_MACHINE_MIGRATIONS.api_version,
            "kind": VIRTUAL_MACHINE_MIGRATIONS.kind,
            "metadata": metadata,
            "spec": {"virtualMachine": vm.key.partition("/")[2]},
            "status": status,
        }
        self._world.migrations[self.uid] = self._world.api.put(manifest)

    @property
    def status(self) -> Manifest:
        """As the source wrote it."""
        status: Manifest = self._world.api.objects[self.uid]["status"]
        return status

    @property
    def source(self) -> Manifest:
        """What the source said."""
        said: Manifest = self.status.get("source") or {}
        return said

    def change(self, part: str, **members: Any) -> None:
        """As its writer would; `part` is "spec", "status" or "target"."""
        manifest = self._world.api.objects[self.uid]
        there = manifest["status"].setdefault("target", {}) if part == "target" else manifest[part]
        there |= members
        self._world.migrations[self.uid] = self._world.api.put(manifest)

    def pull(self) -> None:
        """The source sees what it wrote."""
        self._world.migrations[self.uid] = self._world.api.objects[self.uid]

    def remove(self) -> None:
        """By force."""
        del self._world.migrations[self.uid], self._world.api.objects[self.uid]
