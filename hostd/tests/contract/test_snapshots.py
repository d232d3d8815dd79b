"""Snapshots of guests on real libvirt and QEMU, whose disks lie in directories: what they keep is what the
guest had written at one moment, whatever it writes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle, VmWorld
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import install, lost, numbers


@dataclass
class Bench:
    world: VmWorld
    host: LibvirtHost
    vm: VmHandle
    part: SnapshotsPart

    def kept(self, key: str, disk: str = "root") -> Path:
        """The file of a disk in the snapshot."""
        return self.world.pool / "snapshots" / f"{self.part.uid(key)}-{disk}" / "data"

    @property
    def newest(self) -> int:
        return max(numbers(self.vm.root_place.data))

    async def writes_on(self) -> None:
        before = self.newest
        await eventually_async("it writes on", lambda: self.newest > before, timeout_s=60)


@pytest.fixture
async def bench(libvirt_host: LibvirtHost) -> AsyncIterator[Bench]:
    async with libvirt_world(libvirt_host) as (world, _):
        disks = {"root": world.add_volume("busy-root"), "data": world.add_volume("busy-data")}
        vm = world.add_vm("busy", disks=disks, gracePeriodSeconds=0)
        install(vm.root_place.data)
        await vm.reconcile()
        await eventually_async("it writes", lambda: max(numbers(vm.root_place.data)) > 100, timeout_s=120)
        part = SnapshotsPart(world)
        yield Bench(world, libvirt_host, vm, part)
        await part.controller.stop()


async def test_a_snapshot_of_a_guest_that_writes_keeps_one_moment_and_the_guest_goes_on(bench: Bench) -> None:
    (pid,) = bench.host.qemu_pids(bench.vm.domain)
    before = bench.newest
    key = bench.part.add("first", bench.vm)
    status = await bench.part.until(key, "Ready")
    found = numbers(bench.kept(key))
    assert lost(found) == set()
    assert before <= max(found)
    await bench.writes_on()
    assert numbers(bench.kept(key)) == found, "what is kept does not change"
    assert bench.host.qemu_pids(bench.vm.domain) == [pid]
    assert status["data"] == "Present"
    assert {disk["name"] for disk in status["disks"]} == {"root", "data"}
    assert status["config"]["disks"][0]["name"] == "root"
    quiesced = next(item for item in status["conditions"] if item["type"] == "Quiesced")
    assert (quiesced["status"], quiesced["reason"]) == ("False", "NoAgent")

    bench.part.delete(key)
    status = await bench.part.look(key)
    assert status["data"] == "Absent"
    assert list((bench.world.pool / "snapshots").iterdir()) == []
