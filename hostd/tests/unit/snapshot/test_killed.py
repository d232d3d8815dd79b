"""hostd may die at any moment while it takes a snapshot: the guest goes on, the next hostd takes it, or what
is left of it goes with it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_api.resources import VIRTUAL_MACHINE_SNAPSHOTS
from quantix_hostd.facts.domain import DomainState
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.mortality import Mortality
from quantix_lab.snapshot_files import disk_file, holds, kept_file, left_of_snapshots, write
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle, VmWorld
from quantix_lab.waiting import eventually_async


@pytest.mark.parametrize("runs", [True, False])
async def test_hostd_killed_before_any_effect_leaves_a_guest_that_runs_and_a_snapshot_that_is_taken(
    tmp_path: Path, runs: bool
) -> None:
    step = 0
    while await _dies_before(step, tmp_path / str(step), runs=runs):
        step += 1
    assert step > 8


async def _dies_before(step: int, root: Path, *, runs: bool) -> bool:
    """Kill hostd before its effect number `step`, and go on with a new one; False: it had fewer."""
    hypervisor = FakeHypervisor()
    world = VmWorld(Layout(root), hypervisor, hypervisor)
    hypervisor.on_event = lambda event: world.reconciler.on_libvirt_event(event)
    vm = world.add_vm("web-1", disks={"root": world.add_volume("web-1-root")})
    if runs:
        await vm.reconcile()
    write(disk_file(vm), 7)
    mortality = Mortality(step)
    dying = SnapshotsPart(world, mortality)
    key = dying.add("first", vm)
    for _ in range(4):
        await dying.look_until_dead(key, mortality)
    await dying.controller.stop()
    world.reconciler = world.new_reconciler()
    after = SnapshotsPart(world)
    await after.controller.resume_left()
    status = await after.until(key, "Ready")
    await after.look(key)
    assert holds(kept_file(after, key), 7), step
    assert (status["data"], world.kept.all()) == ("Present", ()), step
    if runs:
        assert hypervisor.found[vm.domain].state is DomainState.RUNNING, step
    else:
        assert vm.root_claim.holder is None, step
    await after.controller.stop()
    await world.consoles.close()
    return mortality.struck


async def test_a_guest_left_standing_still_for_a_snapshot_that_is_gone_goes_on_and_nothing_is_left(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    hypervisor.dies_in_the_moment = True
    hypervisor.open_agent_channel(running.domain)
    key = part.add("first", running)
    await part.look(key)
    await part.look(key)
    await eventually_async("the moment", lambda: bool(hypervisor.moments))
    await part.controller.stop()
    assert hypervisor.found[running.domain].state is DomainState.PAUSED
    del part.world.stores[VIRTUAL_MACHINE_SNAPSHOTS][key]
    running.world.reconciler = running.world.new_reconciler()
    after = SnapshotsPart(running.world)
    await after.controller.resume_left()
    assert hypervisor.found[running.domain].state is DomainState.RUNNING
    assert hypervisor.calls[-1] == "thaw"
    assert left_of_snapshots(after) == []
