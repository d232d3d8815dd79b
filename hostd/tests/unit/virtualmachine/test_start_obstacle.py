"""A VM whose pool QEMU's user can no longer get to waits in the pool's own words, and starts once it can."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from quantix_api.resources import IMAGES
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle, VmWorld

SRV = Path("/srv")


@dataclass
class Way:
    """Bars the way to everything below `shut`, until that is None; it says that /srv does."""

    shut: Path | None = None
    user: str = "libvirt-qemu"
    asked: int = 0

    async def first_barred(self, *paths: Path) -> Path | None:
        self.asked += 1
        return next((SRV for path in paths if self.shut and path.is_relative_to(self.shut)), None)


@pytest.fixture
def way(world: VmWorld) -> Way:
    way = Way()
    world.pools = replace(world.pools, way_in=way)
    return way


async def test_a_vm_that_is_to_start_says_what_bars_the_way_to_its_disk(
    vm: VmHandle, hypervisor: FakeHypervisor, way: Way
) -> None:
    way.shut = vm.world.pool
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0.0)
    again_s = await vm.reconcile()
    assert hypervisor.calls == [], "libvirt would say that it cannot read a file"
    ready = vm.condition("Ready")
    assert (vm.status["phase"], ready["reason"]) == ("Starting", "PoolUnreachable")
    assert ready["message"] == (
        "h1 runs no VM from pool local: libvirt-qemu, the user of QEMU, may not enter /srv. "
        "Try: chmod o+x /srv on h1; or qx pool delete local, and create it elsewhere."
    )
    assert again_s is not None
    assert again_s <= 5.0
    way.shut = None
    await vm.reconcile()
    assert vm.status["phase"] == "Running"


async def test_a_guest_that_runs_goes_on_and_waits_once_it_has_ended(
    running: VmHandle, hypervisor: FakeHypervisor, way: Way
) -> None:
    way.shut = running.world.pool
    await running.reconcile()
    assert (running.status["phase"], running.condition("Ready")["status"]) == ("Running", "True")
    assert way.asked == 0
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    running.ask_restart()
    await running.reconcile()
    await running.look_after(6)
    assert running.condition("Ready")["reason"] == "PoolUnreachable"


async def test_a_vm_that_is_off_is_not_looked_at_for_it(running: VmHandle, way: Way) -> None:
    running.change("spec", "powerState", value="Stopped")
    await running.look_after(6)
    assert running.status["phase"] == "Stopped"
    assert way.asked == 0


async def test_a_medium_counts_as_a_disk_does(world: VmWorld, hypervisor: FakeHypervisor, way: Way) -> None:
    way.shut = world.add_pool("isos")
    status = {"data": "Present", "format": "ISO", "virtualSize": "1Mi", "checksum": f"sha256:{'0' * 64}"}
    world.put(IMAGES, "setup", "default", spec={"pool": "isos"}, status=status)
    vm = world.add_vm("web-1", cdroms=[{"name": "cd", "image": "setup"}])
    await vm.reconcile()
    assert hypervisor.calls == []
