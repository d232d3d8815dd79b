"""A stop comes while a guest stands between two files: it goes on only once the storage says which counts."""

from __future__ import annotations

from contextlib import suppress

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import VolumePlace
from quantix_hostd.facts.domain import DomainState
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.moved_disks import claim_if_there, want_pool
from quantix_lab.silent_pools import Hang
from quantix_lab.vm_world import VmHandle


class HangsAfterTheSwitch(FakeHypervisor):
    """The pool that the disk comes from falls silent as QEMU turns to the copy, once there is a `hang`."""

    hang: Hang | None = None

    async def switch_to_copy(self, name: str, target: str) -> None:
        await super().switch_to_copy(name, target)
        if self.hang is not None:
            self.hang.begin(self.hang.world.pool)


@pytest.fixture
def hypervisor() -> FakeHypervisor:
    return HangsAfterTheSwitch()


@pytest.fixture
async def copied(running: VmHandle, hypervisor: HangsAfterTheSwitch, told: None) -> VolumePlace:
    """Where the copy lies, which is whole and not switched to yet."""
    hypervisor.copies_at_once = False
    running.world.add_pool("fast")
    new = want_pool(running, "fast")
    await running.reconcile()
    hypervisor.copy_is_whole(running.domain, "vda")
    return new


@pytest.fixture
async def between(
    running: VmHandle, hypervisor: HangsAfterTheSwitch, copied: VolumePlace, hang: Hang
) -> VolumePlace:
    """QEMU is on the copy, no claim says so, and the pool that would is silent."""
    hypervisor.hang = hang
    await look(running)
    assert hypervisor.calls == ["copy vda", "suspend", "switch vda"]
    hypervisor.calls.clear()
    return copied


async def look(vm: VmHandle, after_s: float = 0.0) -> None:
    with suppress(TransientError):
        await vm.look_after(after_s)
    vm.world.pull()


def state(vm: VmHandle, hypervisor: FakeHypervisor) -> DomainState | None:
    return hypervisor.found[vm.domain].state if vm.domain in hypervisor.found else None


@pytest.mark.parametrize("how", ["stopped", "deleted", "restarted", "host"])
async def test_no_stop_wakes_it(
    running: VmHandle, hypervisor: HangsAfterTheSwitch, between: VolumePlace, how: str
) -> None:
    if how == "stopped":
        running.change("spec", "powerState", value="Stopped")
    elif how == "deleted":
        running.delete()
    elif how == "restarted":
        running.ask_restart()
    else:
        await running.world.reconciler.shut_down_guests()
    for _ in range(3):
        await look(running, 1)
    assert (hypervisor.calls, state(running, hypervisor)) == ([], DomainState.PAUSED)
    await look(running, 60)
    assert "resume" not in hypervisor.calls
    assert hypervisor.calls[0] == "destroy", "it has written nothing since: the old file is as good"


async def test_what_it_stands_on_becomes_the_volume_before_it_is_asked_to_end(
    running: VmHandle, hypervisor: HangsAfterTheSwitch, between: VolumePlace, hang: Hang
) -> None:
    running.change("spec", "powerState", value="Stopped")
    await look(running, 50)
    await hang.end()
    hypervisor.guest_obeys = False
    await look(running)
    assert hypervisor.calls == ["resume", "shutdown"]
    assert running.root_claim.moved
    claim = running.world.claims.read(between)
    assert claim is not None
    assert not claim.partial
    assert running.world.records.load(running.uid).places == (between,)
    await look(running, 50)
    assert "destroy" not in hypervisor.calls, "all its time is its own"
    await look(running, 20)
    assert "destroy" in hypervisor.calls


async def test_a_guest_that_is_to_end_at_once_is_given_the_file_that_it_is_on_first(
    running: VmHandle, hypervisor: HangsAfterTheSwitch, between: VolumePlace, hang: Hang
) -> None:
    await hang.end()
    running.ask_restart("Force")
    await look(running)
    assert hypervisor.calls[0] == "destroy"
    assert running.root_claim.moved


async def test_it_ends_in_time_although_nothing_can_be_written_down(
    running: VmHandle, hypervisor: HangsAfterTheSwitch, between: VolumePlace, hang: Hang
) -> None:
    await hang.end()
    hang.answers.clear()
    hang.begin(running.world.pool, "compare_and_set")
    running.change("spec", "powerState", value="Stopped")
    await look(running)
    assert hypervisor.calls == []
    await look(running, 61)
    assert hypervisor.calls[:1] == ["destroy"]


async def test_a_switch_that_may_come_late_is_given_up_before_it_is_asked_to_end(
    running: VmHandle, hypervisor: HangsAfterTheSwitch, copied: VolumePlace
) -> None:
    """Else it would go on, and find itself on a file that counts for nothing."""
    hypervisor.refuses_switch = True
    await look(running)
    assert state(running, hypervisor) is DomainState.PAUSED
    hypervisor.calls.clear()
    hypervisor.guest_obeys = False
    running.change("spec", "powerState", value="Stopped")
    await look(running)
    assert hypervisor.calls == ["drop vda", "resume", "shutdown"]


async def test_one_without_a_vm_is_not_woken_either(
    running: VmHandle, hypervisor: HangsAfterTheSwitch, between: VolumePlace, hang: Hang
) -> None:
    await hang.end()
    source = running.root_place
    running.world.remove_by_force(running)
    await running.world.reconciler.end_orphan(running.uid)
    await running.world.reconciler.reconcile(running.uid)
    assert hypervisor.calls == []
    assert (found := claim_if_there(running, between)) is not None
    assert found.partial
    running.world.skipped_s += 61
    await running.world.reconciler.reconcile(running.uid)
    assert hypervisor.calls[0] == "destroy"
    claim = running.world.claims.read(source)
    assert claim is not None
    assert (claim.moved, claim.holder) == (False, None), "what it wrote lies there, all of it"


async def test_one_without_a_vm_is_not_woken_while_its_claims_cannot_be_read(
    running: VmHandle, hypervisor: HangsAfterTheSwitch, between: VolumePlace, hang: Hang
) -> None:
    hang.begin(between.directory)
    running.world.remove_by_force(running)
    await running.world.reconciler.end_orphan(running.uid)
    await running.world.reconciler.reconcile(running.uid)
    assert hypervisor.calls == []


async def test_one_without_a_vm_that_a_user_paused_is_woken_to_end(
    running: VmHandle, hypervisor: HangsAfterTheSwitch, told: None
) -> None:
    running.change("spec", "powerState", value="Paused")
    await look(running)
    hypervisor.calls.clear()
    running.world.remove_by_force(running)
    await running.world.reconciler.end_orphan(running.uid)
    await running.world.reconciler.reconcile(running.uid)
    assert hypervisor.calls[:2] == ["resume", "shutdown"]
