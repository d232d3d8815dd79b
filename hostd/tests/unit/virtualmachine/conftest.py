"""A host with a fake hypervisor; claims, records and disks are real files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_hostd.claims import VolumePlace
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.silent_pools import Hang, hanging
from quantix_lab.vm_world import VmHandle, VmWorld


@pytest.fixture
def hypervisor() -> FakeHypervisor:
    return FakeHypervisor()


@pytest.fixture
def world(tmp_path: Path, hypervisor: FakeHypervisor) -> VmWorld:
    world = VmWorld(Layout(tmp_path), hypervisor, hypervisor, kernel_log=hypervisor)
    hypervisor.on_event = lambda event: world.reconciler.on_libvirt_event(event)
    return world


@pytest.fixture
async def vm(world: VmWorld) -> AsyncIterator[VmHandle]:
    yield world.add_vm("web-1", disks={"root": world.add_volume("web-1-root")})
    await world.consoles.close()


@pytest.fixture
async def running(vm: VmHandle, hypervisor: FakeHypervisor) -> VmHandle:
    await vm.reconcile()
    hypervisor.calls.clear()
    vm.world.api.writes.clear()
    return vm


@pytest.fixture
def data(world: VmWorld) -> VolumePlace:
    """A volume that no VM has."""
    volume = world.add_volume("data")
    return VolumePlace(world.pool, volume["metadata"]["uid"])


@pytest.fixture
def hang(world: VmWorld) -> Iterator[Hang]:
    with hanging(world) as found:
        yield found


@pytest.fixture
def told(world: VmWorld) -> None:
    """What passes is told at once."""
    world.reconciler = world.new_reconciler(quiet_s=0.0)
