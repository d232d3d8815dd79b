"""Guests that fill their pool, panic, use up memory, flood their console or reboot for ever, on real QEMU.

Their systems are boot sectors, which do it within a second.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import VOLUMES
from quantix_hostd.facts.domain import DomainEvent, DomainState
from quantix_hostd.virtualmachine.console import ConsoleData, ConsoleViewer
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.memory_group import memory_group
from quantix_lab.small_host import ENOUGH_BYTES, FAILING, MIB, POOL_BYTES, PressedGuests, small_host
from quantix_lab.vm_world import VmHandle
from quantix_lab.waiting import eventually_async

# where the guest that fills it ends: beyond the pool, in sectors
END = 8 * MIB // 512

_SLOW_S = 60.0

# fs/ext4/ext4.h: _IOR('X', 125, __u32)
EXT4_IOC_SHUTDOWN = 0x8004587D

# of a log, and of all of them: virtlogd.conf
LOG_BYTES, LOGS = 2 * MIB, 4


@pytest.fixture(scope="module")
def pressed_host() -> Iterator[LibvirtHost]:
    with small_host() as host:
        yield host


@pytest.fixture
async def bench(pressed_host: LibvirtHost) -> AsyncIterator[PressedGuests]:
    async with libvirt_world(pressed_host) as (world, client):
        yield PressedGuests(world, pressed_host, client)


def resize(directory: Path, size_bytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size_bytes}", directory], check=True)


async def paused(bench: PressedGuests, vm: VmHandle) -> None:
    async def stands_still() -> bool:
        return await bench.state(vm) is DomainState.PAUSED

    await eventually_async("QEMU to pause the guest", stands_still, _SLOW_S, 0.1)


async def test_a_guest_that_fills_its_pool_waits_for_room_and_loses_nothing(bench: PressedGuests) -> None:
    vm = bench.boot("filler", "writer", END=END)
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    await paused(bench, vm)
    await vm.reconcile()
    assert (vm.status["phase"], vm.condition("Ready")["reason"]) == ("Paused", "PoolFull")
    assert vm.condition("Ready")["message"].startswith("Pool local is full; filler is paused")
    assert bench.world.events.reasons == ["Started", "StorageIOError"]
    written = len(bench.world.api.writes)
    await bench.restart_all()
    for _ in range(3):
        await vm.look_after(11)
    assert bench.world.records.load(vm.uid).resumed_s == 0, "nobody resumes it while the pool is full"
    assert len(bench.world.api.writes) == written
    resize(bench.host.layout.local_pool, ENOUGH_BYTES)
    await vm.look_after(11)
    assert vm.status["phase"] == "Paused"
    await vm.look_after(2.1)
    assert (vm.status["phase"], vm.condition("Ready")["reason"]) == ("Running", "Running")
    await eventually_async("the last write", lambda: bench.said(vm).endswith(b"D"), _SLOW_S)
    assert b"E" not in bench.said(vm).partition(b".")[2], "the guest never hears of the write that waited"
    vm.change("spec", "powerState", value="Stopped")
    await vm.reconcile()
    assert filled(bench.data(vm), END) == {0xA5}
    vm.delete()
    bench.data(vm).unlink()
    resize(bench.host.layout.local_pool, POOL_BYTES)


def filled(disk: Path, end: int) -> set[int]:
    """The bytes that stand on a disk from sector 64 to `end`."""
    raw = disk.with_suffix(".raw")
    try:
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, raw], check=True)
        return set(raw.read_bytes()[64 * 512 : end * 512])
    finally:
        raw.unlink()


async def test_a_guest_whose_disk_fails_is_tried_every_10_s_and_ends_when_it_shall(
    bench: PressedGuests,
) -> None:
    vm = bench.boot("unlucky", "writer", END=END)
    failing = bench.host.layout.local_pool / "volumes" / FAILING
    shutil.copytree(bench.data(vm).parent, failing, dirs_exist_ok=True)
    bench.world.stores[VOLUMES]["default/unlucky-root"]["status"]["handle"] = FAILING
    await vm.reconcile()
    await eventually_async("the first write", lambda: b"." in bench.said(vm), _SLOW_S)
    let_fail(failing)
    await paused(bench, vm)
    await vm.reconcile()
    await paused(bench, vm)
    await vm.look_after(3)
    assert (vm.status["phase"], vm.condition("Ready")["reason"]) == ("Paused", "StorageIOError")
    assert vm.condition("Ready")["message"].startswith("Disk root cannot be read or written, so the VM is")
    written = len(bench.world.api.writes)
    tried_s = bench.world.records.load(vm.uid).resumed_s
    await vm.look_after(11)
    await paused(bench, vm)
    await vm.look_after(3)
    assert bench.world.records.load(vm.uid).resumed_s > tried_s
    assert len(bench.world.api.writes) == written
    assert bench.world.events.reasons == ["Started", "StorageIOError"]
    vm.change("spec", "powerState", value="Stopped")
    with pytest.raises(TransientError):
        # its claim lies on the file system that is gone, and is freed when that is back
        await vm.reconcile()
    assert bench.host.qemu_pids(vm.domain) == []


def let_fail(file_system: Path) -> None:
    """Let an ext4 that is mounted answer every read and write with EIO from now on."""
    descriptor = os.open(file_system, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, (2).to_bytes(4, "little"))
    finally:
        os.close(descriptor)


async def test_a_guest_that_panics_again_and_again_waits_longer_each_time_and_its_words_stay(
    bench: PressedGuests,
) -> None:
    vm = bench.boot("panics", "panic")
    waits = []
    await vm.reconcile()
    # nobody reads this one: a guest that its console holds up never reaches its panic
    deaf = bench.world.consoles.open(vm.uid)
    assert deaf is not None
    for _ in range(2):
        bench.world.woken.clear()
        await panicked(bench, vm)
        viewer = bench.world.consoles.open(vm.uid)
        waits.append(await vm.reconcile() or 0.0)
        assert vm.status["runtime"]["lastExit"]["reason"] == "Crashed"
        if vm.status["phase"] == "Failed":
            assert vm.condition("Ready")["reason"] == "GuestPanicked"
            await vm.look_after(waits[-1] + 0.1)
        assert viewer is not None
        assert b"P" in await lately(viewer)
    assert 1 < waits[1] <= 5, "less what the look itself takes"
    assert bench.said(vm).count(b"P") >= 2
    assert bench.world.events.reasons.count("GuestPanicked") == 2


async def panicked(bench: PressedGuests, vm: VmHandle) -> None:
    async def stopped() -> bool:
        return await bench.state(vm) is DomainState.CRASHED

    await eventually_async("the panic", stopped, interval_s=0.1)


async def lately(viewer: ConsoleViewer) -> bytes:
    """What a viewer is shown first."""
    async with asyncio.timeout(5):
        while not isinstance(message := await viewer.next_message(), ConsoleData):
            continue
    viewer.close()
    return message.data


async def test_a_qemu_that_has_no_memory_left_is_told_as_that_and_starts_again(bench: PressedGuests) -> None:
    vm = bench.boot("eater", "eater")
    vm.change("spec", "ha", value={"priority": 40})
    await vm.reconcile()
    (pid,) = bench.host.qemu_pids(vm.domain)
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "180"
    # a guest is known by its process once that was seen
    await vm.reconcile()
    await eventually_async("the guest", lambda: b"W" in bench.said(vm))
    viewer = bench.world.consoles.open(vm.uid)
    assert viewer is not None
    bench.world.woken.clear()
    with memory_group(limit_bytes=32 * MIB) as group:
        group.take(pid)
        assert await viewer.write(b"x")
        await eventually_async("the end of QEMU", lambda: bench.host.qemu_pids(vm.domain) == [])
    await bench.woken(vm)
    await vm.look_after(2)
    assert bench.host.qemu_pids(vm.domain) not in ([], [pid])
    assert vm.status["runtime"]["lastExit"]["reason"] == "Killed"
    assert "The kernel of h1 ended QEMU, since no memory was left" in bench.world.events.texts[1]


async def test_a_flooded_console_holds_up_neither_its_guest_nor_another_nor_fills_memory_or_disk(
    bench: PressedGuests,
) -> None:
    await flood(bench, seconds=2.0)


@pytest.mark.soak
async def test_a_console_flooded_for_20_s_stays_bounded(bench: PressedGuests) -> None:
    await flood(bench, seconds=20.0)


async def flood(bench: PressedGuests, seconds: float) -> None:
    loud, quiet = bench.boot("loud", "flood"), bench.boot("quiet", "eater")
    for vm in (loud, quiet):
        await vm.reconcile()
    deaf = [bench.world.consoles.open(loud.uid) for _ in range(50)]
    before_bytes, before_cpu_s = resident_bytes(), time.process_time()
    leaving = bench.world.consoles.open(loud.uid)
    assert leaving is not None
    began = time.monotonic()
    heard = 0
    while time.monotonic() - began < seconds:
        async with asyncio.timeout(5):
            message = await leaving.next_message()
        heard += len(message.data) if isinstance(message, ConsoleData) else 0
    assert heard > 10_000
    assert time.process_time() - before_cpu_s < 0.9 * (time.monotonic() - began)
    leaving.close()
    size = log_bytes(bench, loud)
    await eventually_async("more of the guest's words", lambda: log_bytes(bench, loud) != size)
    assert log_bytes(bench, loud) <= LOG_BYTES * LOGS + MIB
    # fifty viewers that do not read lose data, each beyond 1 MiB
    assert resident_bytes() - before_bytes < 50 * 2 * MIB
    assert resident_bytes(bench.host.daemon_pid("virtlogd")) < 64 * MIB
    viewer = bench.world.consoles.open(quiet.uid)
    assert viewer is not None
    assert b"W" in await lately(viewer)
    loud.change("spec", "powerState", value="Stopped")
    await loud.reconcile()
    assert loud.status["runtime"]["domain"] == "Absent"
    assert all(viewer is not None for viewer in deaf)


def log_bytes(bench: PressedGuests, vm: VmHandle) -> int:
    return sum(path.stat().st_size for path in bench.host.layout.vm_log(vm.uid).iterdir())


def resident_bytes(pid: int | str = "self") -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_a_guest_that_reboots_for_ever_is_not_written_and_told_once(
    bench: PressedGuests, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = bench.boot("reboots", "reboot")
    events: list[DomainEvent] = []
    reconciler = bench.world.reconciler
    remember = reconciler.on_libvirt_event

    def count(event: DomainEvent) -> None:
        events.append(event)
        remember(event)

    # of one reset, SeaBIOS makes several: it tries one way after another
    monkeypatch.setattr(reconciler, "on_libvirt_event", count)
    await vm.reconcile()
    written, looks = len(bench.world.api.writes), 0
    while bench.said(vm).count(b"R") < 8:
        await bench.woken(vm)
        await vm.reconcile()
        looks += 1
    assert len(bench.world.api.writes) == written
    assert bench.world.events.reasons == ["Started", "GuestResets"]
    assert vm.status["phase"] == "Running"
    assert looks <= len(events), "nothing but an event wakes it"
