"""A guest that leaves its host, for tests of the source: what it leaves for, and what is kept of that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from quantix_api.layout import Layout
from quantix_hostd.migration.leaving import LeavingRecord
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.fake_target import MigrationHandle
from quantix_lab.vm_world import VmHandle, VmWorld

OTHER_HOST = {
    "metadata": {"name": "h2", "uid": "h2"},
    "spec": {},
    "status": {"addresses": {"api": "192.0.2.2:9443"}},
}


@contextmanager
def short_world(hypervisor: FakeHypervisor) -> Iterator[VmWorld]:
    """In a directory whose name leaves room for sockets."""
    with TemporaryDirectory(prefix="qx") as root:
        world = VmWorld(Layout(Path(root)), hypervisor, hypervisor, kernel_log=hypervisor)
        hypervisor.on_event = lambda event: world.reconciler.on_libvirt_event(event)
        yield world


async def look(vm: VmHandle, migration: MigrationHandle) -> None:
    """One look of the source, and what its caches see of it."""
    await vm.world.reconciler.reconcile(vm.uid)
    if migration.uid in vm.world.migrations:
        migration.pull()


def sender(vm: VmHandle) -> FakeHypervisor:
    assert isinstance(vm.world.hypervisor, FakeHypervisor)
    return vm.world.hypervisor


def kept(vm: VmHandle) -> LeavingRecord:
    leaving = vm.world.records.load(vm.uid).leaving
    assert leaving is not None
    return leaving
