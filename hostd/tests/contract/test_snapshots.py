"""Snapshots of guests on real libvirt and QEMU, whose disks lie in directories: what they keep is what the
guest had written at one moment, whatever it writes on.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import HOST, VmHandle, VmWorld
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import TURNS, install, lost, numbers


@dataclass
class Bench:
    world: VmWorld
    host: LibvirtHost
    vm: VmHandle
    part: SnapshotsPart

    def kept(self, key: str, disk: str = "root") -> Path:
        """The file of a disk in the snapshot."""
        return self.world.pool / "snapshots" / f"{self.part.uid(key)}-{disk}" / "data"

    def left_of(self, key: str) -> list[str]:
        """What there is of the snapshot in its pool, whole or not."""
        names = [path.name for path in (self.world.pool / "snapshots").iterdir()]
        return [name for name in names if self.part.uid(key) in name]

    @property
    def newest(self) -> int:
        return max(numbers(self.vm.root_place.data))

    async def stops(self) -> None:
        self.vm.change("spec", "powerState", value="Stopped")

        async def off() -> bool:
            await self.vm.reconcile()
            return bool(self.vm.status["phase"] == "Stopped")

        await eventually_async("its end", off, timeout_s=60, interval_s=0.1)

    async def writes_on(self) -> None:
        before = self.newest
        await eventually_async("it writes on", lambda: self.newest > before, timeout_s=60, interval_s=0.2)


def fill(data: Path, mib: int) -> None:
    """So much is in the disk that copying it takes a while."""
    write = ["qemu-io", "-f", "qcow2", "-c", f"write -q -P 3 0 {mib}M", str(data)]
    subprocess.run(write, check=True, capture_output=True)


@pytest.fixture
async def bench(libvirt_host: LibvirtHost) -> AsyncIterator[Bench]:
    async with libvirt_world(libvirt_host) as (world, _):
        disks = {"root": world.add_volume("busy-root"), "data": world.add_volume("busy-data", "1024Mi")}
        fill(world.pool / "volumes" / disks["data"]["metadata"]["uid"] / "data", 300)
        vm = world.add_vm("busy", disks=disks, gracePeriodSeconds=0)
        install(vm.root_place.data)
        await vm.reconcile()

        def writes() -> bool:
            return max(numbers(vm.root_place.data)) > TURNS

        await eventually_async("it writes", writes, timeout_s=120, interval_s=0.2)
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
    assert bench.left_of(key) == []


async def test_a_vm_is_as_it_was_at_the_moment_after_a_restore(bench: Bench) -> None:
    key = bench.part.add("first", bench.vm)
    await bench.part.until(key, "Ready")
    found = numbers(bench.kept(key))
    await bench.writes_on()
    await bench.stops()
    assert bench.newest > max(found)
    restore = bench.part.add_restore("back", key, bench.vm)
    await bench.part.until(restore, "Restored")
    assert numbers(bench.vm.root_place.data) == found
    bench.vm.change("spec", "powerState", value="Running")
    bench.vm.change("status", "assignment", value={"host": HOST, "epoch": 2})
    await bench.vm.reconcile()
    assert bench.vm.status["phase"] == "Running"
    await bench.writes_on()
    assert numbers(bench.kept(key)) == found


async def test_what_qemu_copies_is_gone_on_with_when_hostd_and_libvirtd_are_killed_meanwhile(
    bench: Bench,
) -> None:
    key = bench.part.add("first", bench.vm)
    await bench.part.look(key)
    await bench.part.look(key)
    await eventually_async(
        "it to be copied", lambda: any(kept.step == "copying" for kept in bench.world.kept.all())
    )
    part = await bench.part.killed()
    bench.host.restart_libvirtd()
    await eventually_async("the connection", lambda: bench.world.hypervisor.connected)
    await part.controller.resume_left()
    status = await part.until(key, "Ready")
    assert lost(numbers(bench.kept(key))) == set()
    assert status["data"] == "Present"
    await bench.writes_on()
    await part.controller.stop()


async def test_a_guest_that_dies_while_its_disks_are_copied_fails_the_snapshot_and_leaves_nothing(
    bench: Bench,
) -> None:
    key = bench.part.add("first", bench.vm)
    await bench.part.look(key)
    await bench.part.look(key)
    await eventually_async(
        "it to be copied", lambda: any(kept.step == "copying" for kept in bench.world.kept.all())
    )
    (pid,) = bench.host.qemu_pids(bench.vm.domain)
    os.kill(pid, signal.SIGKILL)
    status = await bench.part.until(key, "Failed")
    reasons = {item["type"]: item["reason"] for item in status["conditions"]}
    assert reasons["Ready"] in ("SnapshotInterrupted", "SnapshotFailed")
    assert status["data"] == "Absent"
    assert bench.left_of(key) == []


async def test_memory_and_disks_of_one_moment_are_kept_while_the_guest_stands_still(bench: Bench) -> None:
    (pid,) = bench.host.qemu_pids(bench.vm.domain)
    key = bench.part.add("first", bench.vm, memory=True)
    await bench.part.until(key, "Ready")
    memory = bench.world.pool / "snapshots" / bench.part.uid(key) / "memory"
    assert memory.read_bytes().startswith(b"LibvirtQemudSave")
    assert lost(numbers(bench.kept(key))) == set()
    await bench.writes_on()
    assert bench.host.qemu_pids(bench.vm.domain) == [pid]


@pytest.mark.soak
async def test_many_snapshots_of_a_busy_guest_in_a_row_do_it_no_harm(bench: Bench) -> None:
    """QEMU 7.2 dies where it copies disks that it has let go of, as it does when it saves the memory."""
    (pid,) = bench.host.qemu_pids(bench.vm.domain)
    for number in range(6):
        key = bench.part.add(f"s{number}", bench.vm, memory=number % 2 == 0)
        await bench.part.until(key, "Ready")
        assert lost(numbers(bench.kept(key))) == set()
        bench.part.delete(key)
        await bench.part.look(key)
    assert bench.host.qemu_pids(bench.vm.domain) == [pid]
    await bench.writes_on()
