"""A restore from its wish to its end: what keeps the VM off, and what it waits for (docs/adr/0050)."""

from __future__ import annotations

import pytest

from quantix_api import VirtualMachine
from quantix_api.conditions import condition_of
from quantix_api.resources import VIRTUAL_MACHINE_RESTORES
from quantix_operator.restore import controller as restores
from quantix_operator.virtualmachine.observed import Observed
from quantix_operator.virtualmachine.status import judge

from ..migration.moving_world import FINALIZER
from ..snapshot.snapping_world import DISK, SnappingWorld


@pytest.fixture
def world() -> SnappingWorld:
    """A VM that is off, and a snapshot of it."""
    made = SnappingWorld()
    made.off("web")
    made.kept()
    return made


@pytest.fixture
def running() -> SnappingWorld:
    """A VM that runs, and a snapshot of it."""
    made = SnappingWorld()
    made.vm("web")
    made.kept()
    return made


AT = "2026-11-01T11:00:00Z"


def holder(world: SnappingWorld) -> object:
    return world.live("web")["status"].get("restore")


async def test_the_vm_is_held_off_before_its_host_may_act(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    status = world.live("back")["status"]
    assert (status["host"], status["virtualMachineUID"], status["snapshotUID"]) == (
        "h1",
        "uid-web",
        "uid-snap",
    )
    assert status["disks"] == [DISK]
    assert holder(world) == {"uid": "uid-back", "name": "back"}
    assert world.told("back")[:2] == ("Restoring", "Restoring")
    order = [sorted(status) for _, status in world.api.writes]
    assert order.index(["assignment", "conditions", "restore"]) < order.index(
        ["disks", "epoch", "host", "snapshotUID", "virtualMachineUID"]
    )


async def test_it_says_which_epoch_of_the_vm_it_knows(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    assert world.live("back")["status"]["epoch"] == 2


async def test_an_epoch_that_its_host_found_in_the_claims_counts(world: SnappingWorld) -> None:
    world.says("web", runtime={"domain": "Absent", "observedEpoch": 2, "claimEpoch": 9})
    world.set_back("back")
    await world.pass_all()
    assert world.live("back")["status"]["epoch"] == 9


async def test_nothing_starts_the_vm_until_it_is_over(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    world.wants("web", powerState="Running")
    await world.pass_all()
    assert "host" not in world.assignment()
    world.host_says("back", "Restored", phase="Restored")
    await world.pass_all()
    assert holder(world) is None
    assert world.assignment()["host"] == "h1"


async def test_it_waits_until_the_vm_is_off(running: SnappingWorld) -> None:
    running.set_back("back")
    await running.pass_all()
    assert running.told("back") == (
        "Pending",
        "WaitingForStop",
        "It waits until web is off. Try: qx vm stop web; it then goes on by itself.",
    )
    assert holder(running) is None


async def test_by_force_its_host_is_told_to_switch_it_off_and_it_gets_no_host_again(
    running: SnappingWorld,
) -> None:
    running.set_back("back", stop="Force")
    await running.pass_all()
    assert holder(running) == {"uid": "uid-back", "name": "back"}
    assert running.assignment()["host"] == "h1"
    assert "h1 has switched web off" in running.told("back")[2]
    running.says(
        "web",
        phase="Stopped",
        runtime={"observedEpoch": 1, "domain": "Absent", "lastExit": {"reason": "Killed", "at": AT}},
    )
    await running.pass_all()
    assert running.assignment() == {"epoch": 2, "lastHost": "h1"}
    assert running.live("back")["status"]["host"] == "h1"
    assert running.live("web")["spec"]["powerState"] == "Running"
    running.host_says("back", "Restored", phase="Restored")
    await running.pass_all()
    assert running.assignment() == {"epoch": 3, "host": "h1"}


async def test_a_second_restore_waits_for_the_first(world: SnappingWorld) -> None:
    world.set_back("second", at="11:00:02")
    world.set_back("first", at="11:00:01")
    await world.pass_all()
    assert world.live("first")["status"]["host"] == "h1"
    assert world.told("second")[:2] == ("Pending", "RestoreInProgress")
    world.host_says("first", "Restored", phase="Restored")
    await world.pass_all()
    assert world.live("second")["status"]["host"] == "h1"


async def test_no_snapshot_begins_meanwhile(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    world.snap("another", at="12:00:00")
    await world.pass_all()
    assert world.told("another")[:2] == ("Pending", "RestoreInProgress")


async def test_it_waits_for_a_snapshot_that_is_being_taken(world: SnappingWorld) -> None:
    world.snap("another", at="09:30:00")
    await world.pass_all()
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Pending", "SnapshotRunning")


async def test_it_waits_for_a_migration_and_none_begins(running: SnappingWorld) -> None:
    running.ask("move")
    await running.pass_all()
    running.set_back("back", stop="Force")
    await running.pass_all()
    assert running.told("back")[:2] == ("Pending", "MigrationRunning")
    assert holder(running) is None


async def test_what_is_set_back_is_not_moved(running: SnappingWorld) -> None:
    running.set_back("back", stop="Force")
    await running.pass_all()
    running.ask("move")
    await running.pass_all()
    assert running.told("move")[:2] == ("Failed", "NotRunning")


async def test_a_snapshot_that_is_not_there_is_waited_for(world: SnappingWorld) -> None:
    world.set_back("back", snapshot="later")
    await world.pass_all()
    assert world.told("back")[:2] == ("Pending", "SnapshotNotFound")


async def test_a_snapshot_that_goes_is_none(world: SnappingWorld) -> None:
    world.goes("snap")
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Pending", "SnapshotNotFound")


async def test_a_snapshot_that_is_not_ready_is_waited_for_unless_it_failed(world: SnappingWorld) -> None:
    world.host_says("snap", "Taking", phase="Taking")
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Pending", "SnapshotNotReady")
    world.host_says("snap", "SnapshotFailed", phase="Failed", data="Absent")
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "SnapshotNotReady")
    assert world.events.reasons == ["RestoreFailed"]


async def test_a_vm_that_is_not_there_is_waited_for(world: SnappingWorld) -> None:
    world.set_back("back", vm="later")
    await world.pass_all()
    assert world.told("back")[:2] == ("Pending", "VirtualMachineNotFound")


async def test_a_snapshot_of_another_vm_is_refused(world: SnappingWorld) -> None:
    world.off("other")
    world.set_back("back", vm="other")
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "VirtualMachineNotFound")
    assert "is of VM web, not of other" in world.told("back")[2]


async def test_a_snapshot_of_a_vm_that_was_deleted_is_no_snapshot_of_its_namesake(
    world: SnappingWorld,
) -> None:
    world.host_says("snap", phase="Ready", virtualMachineUID="uid-of-before")
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "VirtualMachineNotFound")
    assert "qx volume create" in world.told("back")[2]


async def test_a_disk_that_the_snapshot_does_not_have_is_refused(world: SnappingWorld) -> None:
    world.set_back("back", disks=["data"])
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "DiskMissing")


async def test_a_disk_that_the_vm_has_no_more_is_named(world: SnappingWorld) -> None:
    world.wants("web", disks=[{"name": "other", "size": "1Gi"}])
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "DiskMissing")


async def test_another_volume_under_the_disks_name_is_not_overwritten(world: SnappingWorld) -> None:
    world.host_says("snap", phase="Ready", disks=[{**DISK, "volumeUID": "uid-of-before"}])
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "DiskMissing")
    assert "is not volume web-root any more" in world.told("back")[2]


async def test_a_disk_on_another_host_is_named_with_both(world: SnappingWorld) -> None:
    world.says("web-root", host="h2", confirmedHost="h2")
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "DiskMissing")
    assert "Disk root is on h2 now, and snapshot snap keeps it on h1." in world.told("back")[2]


async def test_a_disk_in_another_pool_is_named_with_both(world: SnappingWorld) -> None:
    world.disk_in_ceph("web")
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "DiskMissing")
    assert "qx volume move web-root --pool local" in world.told("back")[2]


async def test_a_disk_that_moves_is_waited_for(world: SnappingWorld) -> None:
    world.moves_disk("web", "ceph")
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Pending", "Moving")


async def test_disks_in_a_shared_pool_are_set_back_by_any_host_that_reaches_it(world: SnappingWorld) -> None:
    world.disk_in_ceph("web")
    world.host_says("snap", phase="Ready", disks=[{**DISK, "pool": "ceph"}])
    world.lost("h1")
    world.set_back("back")
    await world.pass_all()
    assert world.live("back")["status"]["host"] == "h2"


async def test_without_a_host_that_reaches_the_pool_it_waits(world: SnappingWorld) -> None:
    world.disk_in_ceph("web")
    world.host_says("snap", phase="Ready", disks=[{**DISK, "pool": "ceph"}])
    for host in ("h1", "h2"):
        world.says(host, pools=[])
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Pending", "PoolUnreachable")
    assert holder(world) is None


async def test_the_one_host_that_has_the_disks_is_waited_for(world: SnappingWorld) -> None:
    world.lost("h1")
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Pending", "Restoring")
    assert "h1, which is silent" in world.told("back")[2]
    assert holder(world) is None


async def test_a_host_that_falls_silent_meanwhile_keeps_the_vm_off(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    world.host_says("back", "Restoring", phase="Restoring")
    world.lost("h1")
    world.goes("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Restoring", "Restoring")
    assert holder(world) is not None
    assert world.is_there("back")


async def test_memory_goes_on_only_in_the_machine_that_it_was_in(world: SnappingWorld) -> None:
    snapshot = world.live("snap")
    snapshot["spec"]["memory"] = True
    world.api.put(snapshot)
    world.wants("web", cpu={"cores": 4})
    world.set_back("back")
    world.set_back("disks", memory="Never", at="11:00:01")
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "MemoryUnusable")
    assert "spec.cpu.cores differ" in world.told("back")[2]
    assert world.live("disks")["status"]["host"] == "h1"


async def test_where_spec_is_another_is_told_once_and_spec_is_left_alone(world: SnappingWorld) -> None:
    world.wants("web", cpu={"cores": 4}, disks=[{"name": "root", "size": "20Gi"}])
    before = world.live("web")["spec"]
    world.set_back("back")
    await world.pass_all()
    world.host_says("back", "Restored", phase="Restored")
    await world.pass_all()
    assert world.live("back")["status"]["differences"] == ["spec.cpu.cores", "spec.disks[root].size"]
    assert world.live("web")["spec"] == before
    world.wants("web", os="Windows")
    await world.pass_all()
    assert world.live("back")["status"]["differences"] == ["spec.cpu.cores", "spec.disks[root].size"]


async def test_one_that_failed_lets_the_vm_go(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    world.host_says("back", "RestoreFailed", phase="Failed")
    await world.pass_all()
    assert holder(world) is None
    assert world.told("back")[:2] == ("Failed", "RestoreFailed")


async def test_one_that_never_began_goes_at_once_and_lets_go(running: SnappingWorld) -> None:
    running.set_back("back", stop="Force")
    await running.pass_all()
    running.goes("back")
    await running.pass_all()
    assert not running.is_there("back")
    assert holder(running) is None


async def test_one_that_is_over_goes(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    world.host_says("back", "Restored", phase="Restored")
    await world.pass_all()
    world.goes("back")
    await world.pass_all()
    assert not world.is_there("back")


async def test_what_a_restored_api_forgot_of_the_vm_is_said_again(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    vm = world.live("web")
    vm["metadata"].pop("managedFields")
    del vm["status"]["restore"]
    world.api.put(vm)
    await world.pass_all()
    assert holder(world) == {"uid": "uid-back", "name": "back"}


async def test_the_vm_says_what_holds_it_off(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    live = world.live("web")
    verdict = judge(Observed(VirtualMachine.parse(live), live, None), None, None)
    assert verdict is not None
    assert (verdict.phase, verdict.ready.reason) == ("Stopped", "RestoreInProgress")
    assert "back" in verdict.ready.message
    assert condition_of(world.live("web"), "Scheduled")["reason"] == "NotWanted"


async def test_one_without_its_finalizer_gets_it_before_the_vm_names_it(running: SnappingWorld) -> None:
    restore = running.set_back("back", stop="Force")
    restore["metadata"]["finalizers"] = []
    running.api.put(restore)
    await running.pass_all()
    assert holder(running) == {"uid": "uid-back", "name": "back"}
    assert running.live("back")["metadata"]["finalizers"] == [FINALIZER]


async def test_a_restore_that_is_gone_holds_no_vm_off(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    del world.api.objects["uid-back"]
    world.restart()
    await world.pass_all()
    assert holder(world) is None


async def test_a_restore_that_was_not_heard_of_yet_holds_its_vm_off(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    world.learn()
    world.cache.remove(VIRTUAL_MACHINE_RESTORES, world.live("back"))
    await world.restores.reconcile(restores.KEY)
    assert holder(world) == {"uid": "uid-back", "name": "back"}


async def test_a_key_as_long_as_anybody_likes_ends_no_restore(world: SnappingWorld) -> None:
    world.wants("web", placement={"hostSelector": {"k" * 300: "v"}})
    world.kept("long")
    world.wants("web", placement={})
    world.set_back("back", snapshot="long")
    await world.pass_all()
    world.host_says("back", "Restored", phase="Restored")
    await world.pass_all()
    assert world.live("back")["status"]["differences"] == ["spec.placement.hostSelector"]
    assert holder(world) is None


UNREADABLE = {"cpu": "many", "memory": [1]}


async def test_a_config_that_nobody_can_read_keeps_no_restore_waiting(world: SnappingWorld) -> None:
    world.kept("odd", config=UNREADABLE)
    world.set_back("first", snapshot="odd", at="11:00:01")
    world.off("other")
    world.set_back("second", vm="other", at="11:00:02")
    await world.pass_all()
    assert world.told("second")[:2] == ("Failed", "VirtualMachineNotFound")
    world.host_says("first", "Restored", phase="Restored")
    await world.pass_all()
    assert world.live("first")["status"]["differences"] == ["spec"]
    assert holder(world) is None


async def test_memory_of_a_config_that_nobody_can_read_is_refused(world: SnappingWorld) -> None:
    snapshot = world.kept("odd", config=UNREADABLE)
    snapshot["spec"]["memory"] = True
    world.api.put(snapshot)
    world.set_back("back", snapshot="odd")
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "MemoryUnusable")
    assert "qx snapshot restore odd --no-memory" in world.told("back")[2]


def in_ceph(world: SnappingWorld) -> None:
    """The disk of the VM that runs on h1, and what is kept of it."""
    world.disk_in_ceph("web")
    world.host_says("snap", phase="Ready", disks=[{**DISK, "pool": "ceph"}])


def only_h1_reaches_it_and_is_cordoned(world: SnappingWorld) -> None:
    world.says("h2", pools=[])
    world.wants("h1", unschedulable=True)


async def test_force_switches_nothing_off_before_there_is_a_host_to_set_it_back(
    running: SnappingWorld,
) -> None:
    in_ceph(running)
    only_h1_reaches_it_and_is_cordoned(running)
    running.set_back("back", stop="Force")
    await running.pass_all()
    assert holder(running) is None
    assert running.told("back")[:2] == ("Pending", "PoolUnreachable")
    running.wants("h1", unschedulable=False)
    await running.pass_all()
    assert holder(running) == {"uid": "uid-back", "name": "back"}
    assert running.told("back")[:2] == ("Pending", "WaitingForStop")


async def test_a_vm_that_was_not_switched_off_yet_is_let_go_when_there_is_no_host_any_more(
    running: SnappingWorld,
) -> None:
    in_ceph(running)
    running.set_back("back", stop="Force")
    await running.pass_all()
    assert holder(running) is not None
    only_h1_reaches_it_and_is_cordoned(running)
    await running.pass_all()
    assert holder(running) is None


async def test_force_waits_for_the_silent_host_of_the_disks_and_leaves_the_vm_alone(
    running: SnappingWorld,
) -> None:
    running.lost("h1")
    running.set_back("back", stop="Force")
    await running.pass_all()
    assert holder(running) is None
    assert "h1, which is silent" in running.told("back")[2]


async def test_force_of_disks_that_others_reach_waits_for_the_silent_host_of_the_vm(
    running: SnappingWorld,
) -> None:
    in_ceph(running)
    running.lost("h1")
    running.set_back("back", stop="Force")
    await running.pass_all()
    assert holder(running) == {"uid": "uid-back", "name": "back"}
    assert "h1, which is silent" in running.told("back")[2]


async def test_a_host_that_was_removed_ends_the_restore_and_the_vm_goes_on(world: SnappingWorld) -> None:
    in_ceph(world)
    world.set_back("back")
    await world.pass_all()
    world.host_says("back", "Restoring", phase="Restoring")
    world.wants("web", powerState="Running")
    world.removed("h1")
    await world.pass_all()
    assert world.told("back")[:2] == ("Failed", "RestoreFailed")
    assert "Host h1 was removed before" in world.told("back")[2]
    assert condition_of(world.live("back"), "Stalled")["status"] == "True"
    assert "RestoreFailed" in world.events.reasons
    assert holder(world) is None
    assert world.assignment()["host"] == "h2"
    version = world.live("back")["metadata"]["resourceVersion"]
    world.host("h1")
    await world.pass_all()
    assert world.live("back")["metadata"]["resourceVersion"] == version, "what is over stays so"
    world.goes("back")
    await world.pass_all()
    assert not world.is_there("back")


async def test_what_a_host_said_before_it_was_removed_counts(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    world.host_says("back", "Restored", phase="Restored")
    world.removed("h1")
    await world.pass_all()
    assert world.told("back")[:2] == ("Restored", "Restored")
    assert holder(world) is None


async def test_a_host_that_no_model_reads_is_silent_and_not_removed(world: SnappingWorld) -> None:
    world.set_back("back")
    await world.pass_all()
    world.wants("h1", maintenance="later schema")
    await world.pass_all()
    assert world.told("back")[:2] == ("Restoring", "Restoring")
    assert holder(world) is not None


async def test_no_plug_is_pulled_for_a_disk_that_is_elsewhere_nor_later_when_it_is_back(
    running: SnappingWorld,
) -> None:
    running.says("web-root", host="h2", confirmedHost="h2")
    running.set_back("back", stop="Force")
    await running.pass_all()
    assert running.told("back")[:2] == ("Failed", "DiskMissing")
    running.says("web-root", host="h1", confirmedHost="h1")
    await running.pass_all()
    assert running.told("back")[:2] == ("Failed", "DiskMissing")
    assert holder(running) is None
    assert running.assignment()["host"] == "h1"


async def test_a_disk_of_which_a_restored_api_does_not_know_where_it_is_is_waited_for(
    world: SnappingWorld,
) -> None:
    volume = world.live("web-root")
    pool = volume["status"].pop("pool")
    world.api.put(volume)
    world.set_back("back")
    await world.pass_all()
    assert world.told("back")[:2] == ("Pending", "DiskMissing")
    world.says("web-root", pool=pool)
    await world.pass_all()
    assert world.live("back")["status"]["host"] == "h1"


async def test_a_disk_that_migrates_with_its_vm_is_judged_where_it_arrives(running: SnappingWorld) -> None:
    running.ask("move")
    await running.pass_all()
    running.says("web-root", host="h2", confirmedHost="h2")
    running.set_back("back", stop="Force")
    await running.pass_all()
    assert running.told("back")[:2] == ("Pending", "MigrationRunning")


async def test_one_whose_vm_is_being_deleted_has_failed(running: SnappingWorld) -> None:
    running.set_back("back", snapshot="later")
    await running.pass_all()
    running.goes("web")
    await running.pass_all()
    assert running.told("back")[:2] == ("Failed", "VirtualMachineNotFound")
    assert "VM web was deleted before its disks were set back." in running.told("back")[2]


async def test_a_vm_that_is_deleted_as_it_is_switched_off_is_let_go(running: SnappingWorld) -> None:
    running.set_back("back", stop="Force")
    await running.pass_all()
    assert holder(running) is not None
    running.goes("web")
    await running.pass_all()
    assert running.told("back")[:2] == ("Failed", "VirtualMachineNotFound")
    assert holder(running) is None
