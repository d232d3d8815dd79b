"""VMs that are set back to a snapshot: all disks or none, once, and no start before it is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quantix_api.errors import PermanentError, TransientError
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_hostd.claims import release, take
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.firmware_state import FirmwareState, parse_state, render_state
from quantix_hostd.restoring import begin_restore, touch
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.mortality import HostdKilledError, Mortality
from quantix_lab.set_back_disks import claims, held, kept_and_changed, places, ready
from quantix_lab.snapshot_files import disk_file, holds, write
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import HOST, VmHandle
from quantix_lab.waiting import eventually_async


async def test_all_disks_are_as_they_were_and_free(vm: VmHandle, part: SnapshotsPart) -> None:
    restore = part.add_restore("back", await kept_and_changed(vm, part), vm)
    status = await part.until(restore, "Restored")
    assert held(vm) == [True, True]
    assert [(claim.holder, claim.restoring, claim.floor) for claim in claims(vm)] == [(None, "", 0)] * 2
    assert ready(status) == ("True", "Restored")
    assert "finishedAt" in status
    assert part.world.events.reasons[-1] == "RestoreDone"
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    assert vm.root_claim.held_by(HOST, 1)


async def test_only_the_disks_that_are_named_are_set_back(vm: VmHandle, part: SnapshotsPart) -> None:
    restore = part.add_restore("back", await kept_and_changed(vm, part), vm, disks=["data"])
    await part.until(restore, "Restored")
    assert held(vm) == [False, True]


async def test_no_vm_starts_from_a_disk_that_is_being_set_back(vm: VmHandle, part: SnapshotsPart) -> None:
    key = await kept_and_changed(vm, part)
    mortality = Mortality(4)
    dying = SnapshotsPart(part.world, mortality)
    await dying.look_until_dead(part.add_restore("back", key, vm), mortality)
    await dying.restores.stop()
    assert any(claim.restoring for claim in claims(vm))
    await vm.reconcile()
    await vm.look_after(3)
    assert vm.condition("Ready")["reason"] == "RestoreInProgress"
    assert not any(claim.vm_uid == vm.uid for claim in claims(vm))


async def test_a_hostd_killed_anywhere_is_followed_by_one_that_sets_back_all_of_it(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    key = await kept_and_changed(vm, part)
    step, survived = 0, False
    while not survived:
        for disk in ("root", "data"):
            write(disk_file(vm, disk), 9)
        restore = part.add_restore(f"back-{step}", key, vm)
        mortality = Mortality(step)
        dying = SnapshotsPart(part.world, mortality)
        for _ in range(2):
            await dying.look_until_dead(restore, mortality)
        await dying.restores.stop()
        survived = not mortality.struck
        if any(claim.restoring for claim in claims(vm)):
            await vm.look_after(3)
            assert not any(claim.vm_uid == vm.uid for claim in claims(vm)), step
        after = SnapshotsPart(part.world)
        await after.until(restore, "Restored")
        assert held(vm) == [True, True], step
        assert [(claim.holder, claim.restoring) for claim in claims(vm)] == [(None, "")] * 2, step
        await after.restores.stop()
        step += 1
    assert step > 8


async def test_what_a_vm_wrote_after_it_was_set_back_is_not_undone_by_a_hostd_that_comes_late(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    key = await kept_and_changed(vm, part)
    restore = part.add_restore("back", key, vm)
    await part.until(restore, "Restored")
    write(disk_file(vm), 5)
    # it was killed before it could say so
    stored = part.world.api.objects[part.uid_of_restore(restore)]
    stored["status"]["phase"] = "Restoring"
    part.refresh(restore)
    late = SnapshotsPart(part.world)
    await late.until(restore, "Restored")
    assert holds(disk_file(vm), 5)
    await late.restores.stop()


async def test_a_restore_that_an_old_api_asks_for_overwrites_nothing_that_was_written_since(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    key = await kept_and_changed(vm, part)
    restore = part.add_restore("back", key, vm)
    place, claim = places(vm)[1], claims(vm)[1]
    later = release(take(claim, HOST, 7, vm.uid, claim.cluster_uid), HOST, 7)
    part.world.claims.compare_and_set(place, claim, later)
    status = await part.until(restore, "Failed")
    assert ready(status) == ("False", "ClaimStale")
    assert held(vm) == [False, False]
    assert [claim.restoring for claim in claims(vm)] == ["", ""]


async def test_what_was_begun_is_carried_through_whatever_epochs_say(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    key = await kept_and_changed(vm, part)
    restore = part.add_restore("back", key, vm)
    place, claim = places(vm)[1], claims(vm)[1]
    begun = begin_restore(replace(claim, floor=7), HOST, "one that is no more", claim.cluster_uid, epoch=None)
    half = touch(begun, HOST, "one that is no more")
    part.world.claims.compare_and_set(place, claim, half)
    await part.until(restore, "Restored")
    assert held(vm) == [True, True]


async def test_what_is_not_there_any_more_fails_and_changes_nothing(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    key = await kept_and_changed(vm, part)
    (part.world.pool / "snapshots" / f"{part.uid(key)}-data" / "data").unlink()
    status = await part.until(part.add_restore("back", key, vm), "Failed")
    assert ready(status) == ("False", "DataMissing")
    assert held(vm) == [False, False]
    assert [claim.restoring for claim in claims(vm)] == ["", ""]
    assert part.world.events.reasons[-1] == "RestoreFailed"


async def test_a_vm_that_has_its_disks_is_waited_for(vm: VmHandle, part: SnapshotsPart) -> None:
    key = await kept_and_changed(vm, part)
    await vm.reconcile()
    restore = part.add_restore("back", key, vm)

    async def waits() -> bool:
        return ready(await part.look(restore)) == ("False", "VolumeInUse")

    await eventually_async("it to wait", waits)
    assert vm.root_claim.held_by(HOST, 1)


async def test_a_restore_has_the_guest_ended_at_once_and_its_vm_not_started(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    await vm.reconcile()
    hypervisor.guest_obeys = False
    vm.change("status", "restore", value={"uid": "r", "name": "back"})
    for _ in range(4):
        await vm.reconcile()
    assert (vm.status["runtime"]["domain"], hypervisor.found) == ("Absent", {})
    assert vm.status["runtime"]["lastExit"]["reason"] == "Requested"
    assert vm.root_claim.holder is None
    assert part.world.stores[VIRTUAL_MACHINES][vm.key]["spec"].get("powerState", "Running") == "Running"


async def test_what_firmware_remembered_comes_back_as_the_newest(vm: VmHandle, part: SnapshotsPart) -> None:
    vm.change("spec", "firmware", value={"type": "UEFI", "secureBoot": False, "tpm": False})
    states, place = part.world.storage.states, places(vm)[0]
    states.write(place, render_state(FirmwareState(1, 4, b"then", None)))
    key = await kept_and_changed(vm, part)
    states.write(place, render_state(FirmwareState(1, 9, b"now", None)))
    await part.until(part.add_restore("back", key, vm), "Restored")
    content = states.read(place)
    assert content is not None
    assert (parse_state(content).nvram, parse_state(content).sequence) == (b"then", 10)
    assert claims(vm)[0].has_state


async def taken_with_memory(vm: VmHandle, part: SnapshotsPart, **restore: Any) -> str:
    """A snapshot of the guest that runs, which is off then, and set back."""
    await vm.reconcile()
    key = part.add("first", vm, memory=True)
    await part.until(key, "Ready")
    vm.change("spec", "powerState", value="Stopped")
    for _ in range(4):
        await vm.look_after(11)
    assert vm.root_claim.holder is None
    await part.until(part.add_restore("back", key, vm, **restore), "Restored")
    vm.change("spec", "powerState", value="Running")
    vm.change("status", "assignment", value={"host": HOST, "epoch": 2})
    return key


def starts(hypervisor: FakeHypervisor) -> list[str]:
    return [call for call in hypervisor.calls if call.startswith(("restore", "create", "resume"))]


async def test_the_next_start_goes_on_with_the_memory_once(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    await taken_with_memory(vm, part)
    assert all(claim.memory for claim in claims(vm))
    hypervisor.calls.clear()
    await vm.reconcile()
    assert starts(hypervisor) == ["restore memory of the guest", "create", "resume"]
    assert not any(claim.memory for claim in claims(vm))
    hypervisor.calls.clear()
    hypervisor.kill(vm.domain)
    for _ in range(3):
        await vm.look_after(11)
    assert starts(hypervisor) == ["create", "resume"], "it has written since"


async def test_a_guest_that_a_killed_hostd_left_with_its_memory_meets_it_no_second_time(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    await taken_with_memory(vm, part)
    step, world = 0, vm.world
    # of the run before: a hostd that is killed right before it forgets them takes this one for ended so
    world.records.clear_events(vm.uid)
    while step < 40:
        hypervisor.calls.clear()
        world.reconciler = world.new_reconciler(mortal=Mortality(step))
        try:
            await vm.reconcile()
        except HostdKilledError:
            step += 1
        else:
            break
        # whatever it came to: nothing went on while the claims spoke of memory
        if hypervisor.calls.count("resume"):
            assert not any(claim.memory for claim in claims(vm)), step
    world.reconciler = world.new_reconciler()
    for _ in range(3):
        await vm.look_after(11)
    assert hypervisor.found[vm.domain].state is DomainState.RUNNING
    assert not any(claim.memory for claim in claims(vm))


async def test_memory_goes_with_whoever_else_had_a_disk(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    await taken_with_memory(vm, part)
    place, claim = places(vm)[1], claims(vm)[1]
    other = take(claim, HOST, 5, "another VM", claim.cluster_uid)
    part.world.claims.compare_and_set(place, claim, release(other, HOST, 5))
    vm.change("status", "assignment", value={"host": HOST, "epoch": 6})
    hypervisor.calls.clear()
    await vm.reconcile()
    assert starts(hypervisor) == ["create", "resume"]
    assert not any(claim.memory for claim in claims(vm))


async def test_with_memory_of_another_machine_the_guest_boots_and_that_is_told(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    await taken_with_memory(vm, part)
    hypervisor.memory_refusal = PermanentError("ConfigRefused", "Target CPU model does not match source.")
    hypervisor.calls.clear()
    await vm.reconcile()
    assert starts(hypervisor) == ["restore memory of the guest", "create", "resume"]
    assert not any(claim.memory for claim in claims(vm))
    assert "MemoryUnusable" in part.world.events.reasons
    await vm.reconcile()
    assert vm.status["phase"] == "Running"


async def test_where_the_memory_is_lost_the_guest_boots(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    key = await taken_with_memory(vm, part)
    (part.world.pool / "snapshots" / part.uid(key) / "memory").unlink()
    hypervisor.calls.clear()
    await vm.reconcile()
    assert starts(hypervisor) == ["create", "resume"]
    assert not any(claim.memory for claim in claims(vm))
    assert "MemoryUnusable" in part.world.events.reasons


async def test_what_passes_by_itself_keeps_the_memory_for_the_next_try(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    await taken_with_memory(vm, part)
    hypervisor.memory_refusal = TransientError("LibvirtDown", "It is away.")
    hypervisor.calls.clear()
    with pytest.raises(TransientError, match="It is away"):
        await vm.reconcile()
    assert starts(hypervisor) == ["restore memory of the guest"]
    assert all(claim.memory for claim in claims(vm))


async def test_a_vm_starts_after_the_snapshot_that_it_was_set_back_to_was_deleted(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    key = await taken_with_memory(vm, part)
    part.delete(key)
    await part.look(key)
    assert not any(claim.memory for claim in claims(vm))
    hypervisor.calls.clear()
    await vm.reconcile()
    assert starts(hypervisor) == ["create", "resume"]
    assert "MemoryUnusable" not in part.world.events.reasons


async def test_deleting_a_snapshot_forgets_no_memory_of_another(vm: VmHandle, part: SnapshotsPart) -> None:
    await taken_with_memory(vm, part)
    other = part.add("second", vm)
    await part.until(other, "Ready")
    part.delete(other)
    await part.look(other)
    assert all(claim.memory for claim in claims(vm))


async def test_no_memory_goes_on_with_disks_of_which_some_were_not_set_back(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    await taken_with_memory(vm, part, disks=["data"])
    assert not any(claim.memory for claim in claims(vm))
    hypervisor.calls.clear()
    await vm.reconcile()
    assert starts(hypervisor) == ["create", "resume"]


async def test_a_disk_that_it_does_not_hold_keeps_no_guest_from_being_stopped(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    await vm.reconcile()
    place, claim = places(vm)[1], claims(vm)[1]
    left = replace(claim, holder=None, memory=f"{vm.uid}/local/snapshot")
    part.world.claims.compare_and_set(place, claim, left)
    vm.change("spec", "powerState", value="Stopped")
    for _ in range(4):
        await vm.look_after(11)
    assert hypervisor.found == {}
    assert vm.root_claim.holder is None
    assert claims(vm)[1].memory == left.memory
