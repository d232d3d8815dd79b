"""A disk goes to another pool while its guest, on real libvirt and QEMU, writes to it without a pause."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quantix_api.resources import VOLUMES
from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_hostd.domainxml.render import render_copy
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.storage import StorageByKind
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.vm_world import CLUSTER, VmHandle, VmWorld
from quantix_lab.volumes_part import VolumesPart
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import TURNS, install, lost, numbers

KEY = "default/busy-root"


@contextlib.asynccontextmanager
async def writing_guest(host: LibvirtHost, passphrase: str = "") -> AsyncIterator[VmHandle]:
    """A guest that writes, to an encrypted disk where there is a passphrase, and a second pool."""
    async with libvirt_world(host) as (world, _):
        world.add_pool("fast")
        vm = world.add_vm("busy", disks={"root": world.add_volume("busy-root")}, gracePeriodSeconds=0)
        if passphrase:
            await encrypt(world, vm.root_place, passphrase)
        install(vm.root_place.data, passphrase)
        await vm.reconcile()

        def writes() -> bool:
            return max(numbers(vm.root_place.data, passphrase)) > TURNS

        await eventually_async("it writes", writes, timeout_s=120, interval_s=0.2)
        yield vm


async def encrypt(world: VmWorld, place: VolumePlace, passphrase: str) -> None:
    """Make the volume an encrypted one, and its Secret."""
    qemu_img = QemuImg(OpenSandbox(), unlock_ms=1)
    world.live_moves.maker = StorageByKind(DiskFileMaker(qemu_img, world.claims, CLUSTER))
    place.data.unlink()
    await qemu_img.create(Disk(place.directory, place.data, passphrase=passphrase), 64 << 20)
    place.data.chmod(0o666)
    world.stores[VOLUMES][KEY]["spec"]["encryption"] = {"secretRef": {"name": "disk-key"}}
    data = {"passphrase": base64.b64encode(passphrase.encode()).decode()}
    metadata = {"name": "disk-key", "namespace": "default", "uid": "uid-of-the-secret"}
    world.api.put({"metadata": metadata, "data": data})


@pytest.fixture
async def busy(libvirt_host: LibvirtHost) -> AsyncIterator[VmHandle]:
    async with writing_guest(libvirt_host) as vm:
        yield vm


def want(vm: VmHandle, pool: str) -> Path:
    """Spec wants it there; where it will lie."""
    volume = vm.world.stores[VOLUMES][KEY]
    volume["spec"]["pool"] = volume["status"]["movingTo"] = pool
    path = vm.world.pool if pool == "local" else vm.world.layout.data / "pools" / pool
    return path / "volumes" / vm.root_place.handle / "data"


async def until_moved(vm: VmHandle, pool: str) -> None:
    part = VolumesPart(vm.world)

    async def moved() -> bool:
        await vm.reconcile()
        status = await part.look(KEY)
        return status["pool"] == pool and not vm.root_place.data.exists()

    await eventually_async(f"it is in {pool}", moved, timeout_s=120, interval_s=0.1)


async def test_no_write_is_lost_when_a_busy_guest_moves_and_when_its_qemu_dies_on_the_way(
    busy: VmHandle, libvirt_host: LibvirtHost
) -> None:
    pid = libvirt_host.qemu_pids(busy.domain)
    data = want(busy, "fast")
    before = max(numbers(busy.root_place.data))
    await until_moved(busy, "fast")
    assert libvirt_host.qemu_pids(busy.domain) == pid, "the same QEMU"
    reached = max(numbers(data))
    assert reached > before
    await eventually_async("it writes on", lambda: max(numbers(data)) > reached + 20, 60, 0.2)
    await busy.world.hypervisor.suspend(busy.domain)
    assert lost(numbers(data)) == set()

    await busy.world.hypervisor.resume(busy.domain)
    back = want(busy, "local")
    await busy.reconcile()
    os.kill(pid[0], signal.SIGKILL)
    await eventually_async("QEMU is gone", lambda: libvirt_host.qemu_pids(busy.domain) == [])
    claim = busy.world.claims.read(VolumePlace(busy.world.layout.data / "pools/fast", busy.root_place.handle))
    assert claim is not None
    assert lost(numbers(back if claim.moved else data)) == set(), "the claim tells which file is right"


@pytest.mark.parametrize("copies", [12, pytest.param(60, marks=pytest.mark.soak)])
async def test_a_guest_that_writes_outlives_copies_that_begin_and_are_given_up(
    busy: VmHandle, libvirt_host: LibvirtHost, copies: int
) -> None:
    hypervisor, pid = busy.world.hypervisor, libvirt_host.qemu_pids(busy.domain)
    copy = busy.root_place.data.with_name("copy")
    qemu_img = QemuImg(OpenSandbox())
    for _ in range(copies):
        await qemu_img.create(Disk(busy.root_place.directory, copy), 64 << 20)
        copy.chmod(0o666)
        await hypervisor.copy_disk(busy.domain, "vda", render_copy(str(copy)), 0)
        await hypervisor.drop_copy(busy.domain, "vda")
        copy.unlink()
    assert libvirt_host.qemu_pids(busy.domain) == pid
    reached = max(numbers(busy.root_place.data))
    await eventually_async("it writes on", lambda: max(numbers(busy.root_place.data)) > reached, 60, 0.2)


async def test_an_encrypted_disk_moves_under_a_guest_that_writes_and_opens_as_before(
    libvirt_host: LibvirtHost,
) -> None:
    key = "correct horse, and no other"
    async with writing_guest(libvirt_host, key) as vm:
        (pid,) = libvirt_host.qemu_pids(vm.domain)
        data, before = want(vm, "fast"), max(numbers(vm.root_place.data, key))
        await until_moved(vm, "fast")
        reached = max(numbers(data, key))
        assert reached > before
        await eventually_async("it writes on", lambda: max(numbers(data, key)) > reached + 20, 60, 0.2)
        await vm.world.hypervisor.suspend(vm.domain)
        assert lost(numbers(data, key)) == set()
        assert libvirt_host.qemu_pids(vm.domain) == [pid]
        told = [Path(f"/proc/{pid}/cmdline").read_bytes().decode(), str(vm.status)]
        assert not [text for text in told if key in text]
