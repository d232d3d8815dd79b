"""A host with a fake hypervisor and the room of snapshots; claims, records and disks are real files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.snapshots_part import SnapshotsPart
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
    disks = {"root": world.add_volume("web-1-root"), "data": world.add_volume("web-1-data")}
    yield world.add_vm("web-1", disks=disks)
    await world.consoles.close()


@pytest.fixture
async def running(vm: VmHandle) -> VmHandle:
    await vm.reconcile()
    return vm


@pytest.fixture
async def part(world: VmWorld) -> AsyncIterator[SnapshotsPart]:
    part = SnapshotsPart(world)
    yield part
    await part.controller.stop()
    await part.restores.stop()
