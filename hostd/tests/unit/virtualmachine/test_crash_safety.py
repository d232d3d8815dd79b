"""hostd may die at any moment: the next one finishes the work, and never starts a second QEMU."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.mortality import HostdKilledError, Mortality
from quantix_lab.vm_world import HOST, VmWorld


@pytest.mark.parametrize("wanted", ["Running", "Stopped"])
async def test_hostd_killed_before_any_effect_converges_to_one_qemu_or_none(
    tmp_path: Path, wanted: str
) -> None:
    step = 0
    while await _survives_death_before(step, tmp_path / str(step), wanted):
        step += 1
    assert step > 5


async def _survives_death_before(step: int, root: Path, wanted: str) -> bool:
    """Kill hostd before its effect number `step` and go on with a new one; False: it had fewer."""
    hypervisor = FakeHypervisor()
    world = VmWorld(Layout(root), hypervisor, hypervisor)
    hypervisor.on_event = lambda event: world.reconciler.on_libvirt_event(event)
    vm = world.add_vm("web-1", disks={"root": world.add_volume("web-1-root")})
    if wanted == "Stopped":
        await vm.reconcile()
        vm.change("spec", "powerState", value="Stopped")
    world.reconciler = world.new_reconciler(mortal=Mortality(step))
    killed = False
    try:
        await vm.reconcile()
    except HostdKilledError:
        killed = True
    world.reconciler = world.new_reconciler()
    for _ in range(3):
        await vm.look_after(11)
    if wanted == "Running":
        assert vm.status["phase"] == "Running", step
        assert vm.root_claim.held_by(HOST, 1)
        assert hypervisor.calls.count("create") == 1, step
    else:
        assert vm.status["runtime"]["domain"] == "Absent", step
        assert hypervisor.found == {}
        assert vm.root_claim.holder is None
        assert vm.root_claim.floor == 1
    await world.consoles.close()
    return killed
