"""A guest that comes to a host: the world of its target, and what the API tells there. For unit tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from quantix_api.layout import Layout
from quantix_api.resources import VIRTUAL_MACHINE_MIGRATIONS
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.migration.coming import IncomingMove
from quantix_hostd.migration.incoming import IncomingMoves
from quantix_hostd.migration.target_xml import target_xml
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmWorld

OURS = Holder("h1", 2)


@dataclass
class Arrival:
    """The world of a target (it is called h1, as every world is), and what the API tells there."""

    world: VmWorld
    hypervisor: FakeHypervisor
    uid: str
    place: VolumePlace
    migrations: dict[str, Any]
    machines: dict[str, Any]
    half: str
    mine: set[str] = field(default_factory=set)
    closing: bool = False
    kernel_lets: bool = True

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As with hostd."""
        self.moves = IncomingMoves(
            self.world.tools,
            self.migrations,
            self.machines,
            mine=lambda uid: uid in self.mine,
            known=lambda: True,
            closing=lambda: self.closing,
            look_again=self.world.woken.append,
            post_copy=lambda: self.kernel_lets,
        )

    @property
    def told(self) -> dict[str, Any]:
        """What this host said of the migration."""
        said: dict[str, Any] = self.world.api.objects["m1"]["status"].get("target", {})
        return said

    @property
    def claim(self) -> Claim:
        claim = self.world.claims.read(self.place)
        assert claim is not None
        return claim

    def state(self) -> DomainState | None:
        found = self.hypervisor.found.get(f"qx-{self.uid}")
        return found.state if found is not None else None

    async def look(self) -> None:
        await self.moves.reconcile(self.uid)
        self.pull()

    def pull(self) -> None:
        if "m1" in self.migrations:
            self.migrations["m1"] = self.world.api.objects["m1"]

    def source_says(self, **said: Any) -> None:
        manifest = self.world.api.objects["m1"]
        manifest["status"]["source"] = said
        self.migrations["m1"] = self.world.api.put(manifest)

    async def arrive(self) -> None:
        """All of it is here, paused."""
        await self.hypervisor.define(self.half)
        await self.hypervisor.create_paused(f"qx-{self.uid}")

    @property
    def move(self) -> IncomingMove:
        move = self.moves.move("m1") or self.moves.half("m1")
        assert move is not None
        return move

    async def hand_over(self) -> None:
        await self.moves.handed_over(self.move, 2)
        self.pull()

    def name_us(self) -> None:
        """The source hands the claim over, as it does in a pool that both hosts reach."""
        claim = self.claim
        named = replace(claim, holder=OURS, partial=False)
        self.world.claims.compare_and_set(self.place, claim, named)

    def is_now(self, state: DomainState, reason: int) -> None:
        """As libvirt has it."""
        domain = self.hypervisor.found[f"qx-{self.uid}"]
        domain.state, domain.reason = state, reason


@asynccontextmanager
async def arriving() -> AsyncIterator[Arrival]:
    """Until the end of the block; nothing of it is there yet."""
    with TemporaryDirectory(prefix="qx") as there, TemporaryDirectory(prefix="qx") as here:
        sender = FakeHypervisor()
        source = VmWorld(Layout(Path(there)), sender, sender, kernel_log=sender)
        volume = source.add_volume("web-1-root")
        vm = source.add_vm("web-1", disks={"root": volume})
        await vm.reconcile()
        live = sender.found[vm.domain].live_xml or ""
        hypervisor = FakeHypervisor()
        world = VmWorld(Layout(Path(here)), hypervisor, hypervisor, kernel_log=hypervisor)
        world.pool.mkdir(parents=True)
        world.api.put(volume)
        named = {"uid": "m1", "name": "move", "sourceHost": "h0", "targetHost": "h1"}
        source.api.objects[vm.uid]["status"]["migration"] = named
        manifest = {
            "metadata": {
                "name": "move",
                "namespace": "default",
                "uid": "m1",
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "apiVersion": VIRTUAL_MACHINE_MIGRATIONS.api_version,
            "kind": VIRTUAL_MACHINE_MIGRATIONS.kind,
            "spec": {"virtualMachine": "web-1"},
            "status": {"virtualMachineUID": vm.uid, "sourceHost": "h0", "targetHost": "h1"},
        }
        yield Arrival(
            world,
            hypervisor,
            vm.uid,
            VolumePlace(world.pool, volume["metadata"]["uid"]),
            {"m1": world.api.put(manifest)},
            {"default/web-1": source.api.objects[vm.uid]},
            target_xml(live, 2, ("vda",)).replace(there, here),
        )
        for each in (source, world):
            await each.consoles.close()
