"""A running guest's disk goes to another pool: the steps, what goes wrong, and every death on the way."""

from __future__ import annotations

import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import STORAGE_POOLS
from quantix_api.times import render_epoch_time
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_hostd.facts.domain import DomainState
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.moved_disks import changed, claim_if_there, want_pool
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle

MIB = 1 << 20


def opened(vm: VmHandle, hypervisor: FakeHypervisor) -> bool:
    return str(vm.root_place.data) in (hypervisor.found[vm.domain].live_xml or "")


def ready(vm: VmHandle) -> tuple[str, str]:
    found = vm.condition("Ready")
    return found["status"], found["reason"]


@pytest.fixture
def fast(running: VmHandle) -> VolumePlace:
    """Where the root volume lies once it was moved."""
    running.world.add_pool("fast")
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    return want_pool(running, "fast")


async def test_the_guest_goes_on_from_the_other_pool_and_stands_still_only_for_the_switch(
    running: VmHandle, fast: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    await running.reconcile()
    assert hypervisor.calls == ["copy vda", "suspend", "switch vda", "resume"]
    old, new = claim_if_there(running, running.root_place), claim_if_there(running, fast)
    assert old == Claim(0, None, running.uid, CLUSTER, moving_to="fast", moved=True)
    assert new == Claim(0, Holder(HOST, 1), running.uid, CLUSTER, moved_from="local")
    assert running.world.records.load(running.uid).places == (fast,)
    assert ready(running) == ("True", "Running")
    assert [disk["name"] for disk in running.status["runtime"]["disks"]] == ["root"]
    hypervisor.calls.clear()
    await running.reconcile()
    assert hypervisor.calls == []
    assert "RestartRequired" not in {item["type"] for item in running.status["conditions"]}


async def test_what_lies_where_the_copy_would_is_told_and_stays(
    running: VmHandle, fast: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    fast.data.parent.mkdir(parents=True)
    fast.data.write_bytes(b"of somebody")
    await running.reconcile()
    assert hypervisor.calls == []
    assert fast.data.read_bytes() == b"of somebody"
    assert ready(running) == ("False", "Moving")
    assert "is there already, and is no copy of it" in running.condition("Ready")["message"]


async def test_a_copy_under_way_is_told_with_how_far_it_has_come(
    running: VmHandle, fast: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copies_at_once = False
    again_s = await running.reconcile()
    assert again_s == pytest.approx(1.0)
    assert ready(running) == ("False", "Moving")
    assert running.status["phase"] == "Running"
    told = running.world.live_moves.seen(running.root_place.handle)
    assert told is not None
    assert told.progress is not None
    assert told.progress.percent == 25
    assert "default/web-1-root" in running.world.woken
    new = claim_if_there(running, fast)
    assert new is not None
    assert (new.partial, new.holder) == (True, Holder(HOST, 1))
    hypervisor.copy_is_whole(running.domain, "vda")
    await running.reconcile()
    assert ready(running) == ("True", "Running")
    assert running.world.live_moves.seen(running.root_place.handle) is None


async def test_a_pool_that_was_not_granted_moves_nothing(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.world.add_pool("fast")
    want_pool(running, "fast", granted=False)
    await running.reconcile()
    assert hypervisor.calls == []
    assert ready(running) == ("True", "Running")


async def test_the_reason_of_a_refusal_is_told_while_the_guest_runs_on(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    want_pool(running, "gone", granted=False)
    volume = changed(running.world)
    refusal = {"type": "MoveGranted", "status": "False", "reason": "PoolNotFound", "message": "No pool gone."}
    volume["status"]["conditions"] = [refusal | {"observedGeneration": volume["metadata"]["generation"]}]
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    await running.reconcile()
    assert ready(running) == ("False", "PoolNotFound")
    assert (running.status["phase"], hypervisor.calls) == ("Running", [])


async def test_setting_the_pool_back_ends_the_copy_and_leaves_the_volume_as_it_was(
    running: VmHandle, fast: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copies_at_once = False
    await running.reconcile()
    want_pool(running, "local", granted=False)
    await running.reconcile()
    assert "drop vda" in hypervisor.calls
    assert opened(running, hypervisor)
    assert ready(running) == ("True", "Running")
    new, old = claim_if_there(running, fast), claim_if_there(running, running.root_place)
    assert new is not None
    assert (new.partial, new.holder) == (True, None), "for the volume's own part to remove"
    assert old is not None
    assert (old.holder, old.moved) == (Holder(HOST, 1), False)
    hypervisor.calls.clear()
    await running.reconcile()
    assert hypervisor.calls == []


async def test_a_copy_that_qemu_ends_is_begun_again_later(
    running: VmHandle, fast: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copies_at_once = False
    await running.reconcile()
    hypervisor.copy_fails(running.domain, "vda")
    await running.reconcile()
    assert ready(running) == ("False", "Moving")
    at = render_epoch_time(running.world.wall_s() + 10)
    assert f"next try is at {at[:15]}" in running.condition("Ready")["message"]
    await running.look_after(5)
    assert hypervisor.calls.count("copy vda") == 1
    await running.look_after(6)
    assert hypervisor.calls.count("copy vda") == 2
    told = running.world.live_moves.seen(running.root_place.handle)
    assert told is not None
    assert told.error is None
    assert opened(running, hypervisor)


async def test_a_guest_goes_on_where_it_was_when_qemu_does_not_take_the_copy(
    running: VmHandle, fast: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    hypervisor.refuses_switch = True
    with pytest.raises(TransientError):
        await running.reconcile()
    assert hypervisor.found[running.domain].state is DomainState.PAUSED
    await running.reconcile()
    assert hypervisor.found[running.domain].state is DomainState.RUNNING
    assert opened(running, hypervisor)
    hypervisor.refuses_switch = False
    await running.look_after(11)
    assert not opened(running, hypervisor)


async def test_a_volume_that_is_copied_grows_afterwards(
    running: VmHandle, fast: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copies_at_once = False
    await running.reconcile()
    volume = changed(running.world)
    volume["metadata"]["labels"] = {"quantix.io/virtual-machine-uid": running.uid}
    volume["spec"]["size"] = "128Mi"
    hypervisor.calls.clear()
    await running.reconcile()
    assert hypervisor.calls == []


async def test_a_guest_that_ends_while_it_is_copied_starts_from_where_it_was(
    running: VmHandle, fast: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copies_at_once = False
    await running.reconcile()
    hypervisor.kill(running.domain)
    await running.reconcile()
    await running.look_after(11)
    assert opened(running, hypervisor)
    assert running.status["phase"] == "Running"
    assert hypervisor.calls.count("copy vda") == 2, "and is copied from the beginning"


async def test_a_stop_gives_back_the_volume_and_leaves_the_copy_to_the_volumes_part(
    running: VmHandle, fast: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copies_at_once = False
    await running.reconcile()
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    assert running.status["runtime"]["domain"] == "Absent"
    old, new = claim_if_there(running, running.root_place), claim_if_there(running, fast)
    assert old is not None
    assert (old.holder, old.floor) == (None, 1)
    assert new is not None
    assert new.partial


async def test_a_guest_on_a_copy_that_cannot_be_looked_at_stands_still_until_it_can(
    running: VmHandle, fast: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    """Neither claim says yet that the copy is the volume: what the guest wrote to it would be lost."""
    world = running.world
    hypervisor.copies_at_once = False
    await running.reconcile()
    await world.hypervisor.suspend(running.domain)
    hypervisor.copy_is_whole(running.domain, "vda")
    await world.hypervisor.switch_to_copy(running.domain, "vda")
    pool = world.stores[STORAGE_POOLS].pop("fast")
    hypervisor.calls.clear()
    await running.look_after(60)
    assert (hypervisor.calls, ready(running)) == ([], ("False", "PoolNotFound"))
    assert hypervisor.found[running.domain].state is DomainState.PAUSED
    world.stores[STORAGE_POOLS]["fast"] = pool
    await running.look_after(2)
    new = claim_if_there(running, fast)
    assert new is not None
    assert (new.partial, hypervisor.calls) == (False, ["resume"])
