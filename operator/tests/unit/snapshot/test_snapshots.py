"""A snapshot from its wish to its end: which host, of what, and what it waits for (docs/adr/0050)."""

from __future__ import annotations

import pytest

from quantix_api.conditions import condition_of
from quantix_operator.storagepool.controller import StoragePoolController

from .snapping_world import DISK, SnappingWorld


@pytest.fixture
def world() -> SnappingWorld:
    made = SnappingWorld()
    made.vm("web")
    return made


async def test_the_host_of_a_vm_that_runs_takes_it_of_the_volumes_that_it_has(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    status = world.live("snap")["status"]
    assert (status["host"], status["virtualMachineUID"]) == ("h1", "uid-web")
    assert status["disks"] == [DISK]
    assert world.told("snap") == ("Taking", "Taking", "h1 is taking it. Try: nothing; it goes on by itself.")
    assert condition_of(world.live("snap"), "Reconciling")["status"] == "True"


async def test_what_its_host_says_is_left_alone(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    world.host_says("snap", "Taken", phase="Ready", data="Present")
    await world.pass_all()
    assert world.told("snap")[:2] == ("Ready", "Taken")
    assert condition_of(world.live("snap"), "Reconciling") == {}


async def test_a_vm_that_is_not_there_yet_is_waited_for(world: SnappingWorld) -> None:
    world.snap("snap", vm="later")
    await world.pass_all()
    assert world.told("snap")[:2] == ("Pending", "VirtualMachineNotFound")
    world.vm("later")
    await world.pass_all()
    assert world.live("snap")["status"]["host"] == "h1"


async def test_a_vm_that_is_being_deleted_is_no_vm_to_take(world: SnappingWorld) -> None:
    world.snap("snap")
    world.goes("web")
    await world.pass_all()
    assert world.told("snap")[:2] == ("Pending", "VirtualMachineNotFound")


async def test_a_disk_that_the_vm_does_not_have_is_named(world: SnappingWorld) -> None:
    world.snap("snap", disks=["root", "dta"])
    await world.pass_all()
    assert world.told("snap") == (
        "Pending",
        "DiskMissing",
        "web has no disk dta. Try: qx vm show web lists its disks.",
    )


async def test_a_disk_that_was_never_made_is_waited_for(world: SnappingWorld) -> None:
    world.off("web")
    world.without_data("web")
    world.snap("snap")
    await world.pass_all()
    phase, reason, message = world.told("snap")
    assert (phase, reason) == ("Pending", "DiskMissing")
    assert "has no data yet" in message


async def test_a_disk_that_moves_to_another_pool_is_waited_for(world: SnappingWorld) -> None:
    world.moves_disk("web", "ceph")
    world.snap("snap")
    await world.pass_all()
    assert world.reason("snap") == "Moving"


async def test_a_vm_has_one_snapshot_taken_at_a_time_the_elder_first(world: SnappingWorld) -> None:
    world.snap("second", at="10:00:02")
    world.snap("first", at="10:00:01")
    await world.pass_all()
    assert world.live("first")["status"]["host"] == "h1"
    assert world.told("second")[:2] == ("Pending", "SnapshotRunning")
    world.host_says("first", "Taken", phase="Ready", data="Present")
    await world.pass_all()
    assert world.live("second")["status"]["host"] == "h1"


async def test_a_vm_that_is_being_moved_is_waited_for(world: SnappingWorld) -> None:
    world.ask("move")
    await world.pass_all()
    world.snap("snap")
    await world.pass_all()
    assert world.moving() is not None
    assert world.told("snap")[:2] == ("Pending", "MigrationRunning")


async def test_a_migration_waits_for_a_snapshot(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    world.ask("move")
    await world.pass_all()
    assert world.told("move")[:2] == ("Queued", "SnapshotRunning")
    world.host_says("snap", "SnapshotFailed", phase="Failed", data="Absent")
    await world.pass_all()
    assert world.moving() is not None


async def test_memory_of_a_vm_that_is_off_is_refused(world: SnappingWorld) -> None:
    world.off("web")
    world.snap("snap", memory=True)
    await world.pass_all()
    assert world.told("snap")[:2] == ("Failed", "NotRunning")
    assert condition_of(world.live("snap"), "Stalled")["status"] == "True"
    assert world.events.reasons == ["SnapshotFailed"]
    world.wants("web", powerState="Running")
    world.says("web", assignment={"epoch": 3, "host": "h1"})
    await world.pass_all()
    assert world.told("snap")[:2] == ("Failed", "NotRunning")


async def test_memory_of_a_vm_with_an_encrypted_disk_is_refused(world: SnappingWorld) -> None:
    """What it read of that disk is in its memory, and that is kept in the clear."""
    world.vm("web", disks=[{"name": "root", "size": "10Gi"}, {"name": "safe", "volume": "other-root"}])
    world.vm("other")
    world.encrypted("other-root")
    world.snap("snap", memory=True, disks=["root"])
    await world.pass_all()
    phase, reason, message = world.told("snap")
    assert (phase, reason) == ("Failed", "ConfigRefused")
    assert "Disk safe of web is encrypted" in message
    assert message.endswith("Try: a snapshot without memory.")
    assert world.live("snap")["status"].get("host") is None
    world.snap("without", at="10:00:01", disks=["root"])
    await world.pass_all()
    assert world.live("without")["status"]["host"] == "h1"


async def test_an_encrypted_disk_that_comes_before_memory_is_kept_takes_the_choice_back(
    world: SnappingWorld,
) -> None:
    world.snap("snap", memory=True)
    await world.pass_all()
    assert world.live("snap")["status"]["host"] == "h1"
    world.encrypted("web-root")
    world.host_says("snap", "ConfigRefused", phase="Pending", data="Absent")
    await world.pass_all()
    assert "host" not in world.live("snap")["status"]
    assert world.told("snap")[:2] == ("Failed", "ConfigRefused")


async def test_a_vm_that_is_starting_is_waited_for(world: SnappingWorld) -> None:
    world.says("web", phase="Starting")
    world.snap("snap")
    await world.pass_all()
    assert world.told("snap")[:2] == ("Pending", "Starting")


async def test_a_vm_that_is_off_is_taken_where_its_disks_are(world: SnappingWorld) -> None:
    world.off("web")
    world.says("web-root", host="h2")
    world.says("web", assignment={"epoch": 2, "lastHost": "h2"})
    world.snap("snap")
    await world.pass_all()
    assert world.live("snap")["status"]["host"] == "h2"


async def test_disks_of_a_vm_that_is_off_in_a_shared_pool_are_taken_by_a_host_that_reaches_it(
    world: SnappingWorld,
) -> None:
    world.off("web")
    world.disk_in_ceph("web")
    world.says("h1", pools=[])
    world.snap("snap")
    await world.pass_all()
    assert world.live("snap")["status"]["host"] == "h2"


async def test_without_a_host_that_reaches_the_pool_it_waits(world: SnappingWorld) -> None:
    world.off("web")
    world.disk_in_ceph("web")
    for host in ("h1", "h2"):
        world.says(host, pools=[])
    world.snap("snap")
    await world.pass_all()
    assert world.told("snap")[:2] == ("Pending", "PoolUnreachable")


async def test_disks_that_several_hosts_keep_have_no_one_moment(world: SnappingWorld) -> None:
    world.off("web", disks=[{"name": "root", "size": "10Gi"}, {"name": "more", "volume": "extra"}])
    world.off("other")
    extra = world.live("other-root")
    extra["metadata"] |= {"name": "extra", "uid": "uid-extra", "labels": {}, "annotations": {}}
    extra["status"] |= {
        "host": "h2",
        "attachedTo": [{"uid": "uid-web", "name": "web"}],
        "confirmedHost": "h2",
    }
    world.api.put(extra)
    world.snap("snap")
    await world.pass_all()
    phase, reason, message = world.told("snap")
    assert (phase, reason) == ("Failed", "PoolCannotSnapshot")
    assert "h1, h2" in message


async def test_a_host_that_is_silent_is_named(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    world.lost("h1")
    await world.pass_all()
    assert world.told("snap")[:2] == ("Taking", "Taking")
    assert "It waits for h1, which is silent." in world.told("snap")[2]
    world.snap("later", at="12:00:00")
    await world.pass_all()
    assert world.live("later")["status"].get("host") is None


def lands_on_h2(world: SnappingWorld) -> None:
    """The VM was off, and is on again elsewhere."""
    world.says("web-root", host="h2", confirmedHost="h2")
    world.says(
        "web", assignment={"epoch": 2, "host": "h2"}, runtime={"observedEpoch": 2, "domain": "Present"}
    )


async def test_a_snapshot_that_its_host_has_not_begun_follows_the_vm_to_another(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    world.host_says("snap", "Starting", phase="Pending", data="Absent")
    lands_on_h2(world)
    await world.pass_all()
    assert world.live("snap")["status"]["host"] == "h2"
    assert world.told("snap") == ("Taking", "Taking", "h2 is taking it. Try: nothing; it goes on by itself.")
    writes = len(world.api.writes)
    await world.pass_all()
    assert len(world.api.writes) == writes


async def test_a_snapshot_of_a_vm_on_its_way_says_what_it_waits_for(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    world.host_says("snap", "Starting", phase="Pending", data="Absent")
    lands_on_h2(world)
    world.says("web", phase="Starting")
    await world.pass_all()
    assert "host" not in world.live("snap")["status"]
    assert not world.live("snap")["status"].get("disks")
    assert world.told("snap")[:2] == ("Pending", "Starting")


async def test_a_snapshot_that_was_not_begun_is_of_the_disk_where_that_is_now(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    world.host_says("snap", "DiskMissing", phase="Pending", data="Absent")
    world.disk_in_ceph("web")
    await world.pass_all()
    status = world.live("snap")["status"]
    assert (status["host"], status["disks"]) == ("h1", [{**DISK, "pool": "ceph"}])


async def test_of_a_vm_that_is_off_the_host_that_keeps_its_disks_is_chosen_anew(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    world.says("web-root", host="h2", confirmedHost="h2")
    world.wants("web", powerState="Stopped")
    world.says("web", phase="Stopped", assignment={"epoch": 2, "lastHost": "h2"}, runtime={})
    await world.pass_all()
    assert world.live("snap")["status"]["host"] == "h2"


async def test_a_snapshot_of_which_something_may_be_stored_stays_with_its_host(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    world.host_says("snap", "Taking", phase="Taking", data="Present")
    lands_on_h2(world)
    await world.pass_all()
    assert world.live("snap")["status"]["host"] == "h1"


async def test_a_vm_that_stops_and_starts_where_it_was_changes_nothing(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    writes = len(world.api.writes)
    for host in (None, "h1"):
        world.says("web", phase="Starting", assignment={"epoch": 2, "host": host, "lastHost": "h1"})
        world.learn()
        await world.snapshots.reconcile("snapshots")
    assert len(world.api.writes) == writes


async def test_a_snapshot_of_a_host_that_the_vm_has_left_holds_nothing_up(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    world.host_says("snap", "Taking", phase="Taking", data="Present")
    lands_on_h2(world)
    world.snap("later", at="12:00:00")
    await world.pass_all()
    assert world.live("later")["status"]["host"] == "h2"


async def test_one_that_never_began_goes_at_once(world: SnappingWorld) -> None:
    world.snap("snap", vm="later")
    await world.pass_all()
    world.goes("snap")
    await world.pass_all()
    assert not world.is_there("snap")


async def test_it_goes_once_its_host_says_that_nothing_is_left(world: SnappingWorld) -> None:
    world.kept()
    world.goes("snap")
    await world.pass_all()
    assert world.is_there("snap")
    world.lost("h1")
    await world.pass_all()
    assert world.told("snap")[1] == "Deleting"
    assert "waits for h1, which is silent" in world.told("snap")[2]
    world.host_says("snap", "Deleting", data="Absent")
    await world.pass_all()
    assert not world.is_there("snap")


async def test_a_pool_counts_the_snapshots_in_it(world: SnappingWorld) -> None:
    world.kept()
    world.kept("gone", data="Absent")
    world.learn()
    for pool, count in (("local", 1), ("ceph", 0)):
        await StoragePoolController(world.context, world.objects).reconcile(pool)
        assert world.live(pool)["status"]["snapshots"] == count


async def test_the_vm_may_go_and_the_snapshot_stays(world: SnappingWorld) -> None:
    world.kept()
    del world.api.objects["uid-web"]
    await world.pass_all()
    assert world.told("snap")[:2] == ("Ready", "Taken")


async def test_one_whose_host_was_removed_has_failed_and_holds_nothing_up(world: SnappingWorld) -> None:
    world.off("web")
    world.snap("snap")
    await world.pass_all()
    world.host_says("snap", "Taking", phase="Taking")
    world.removed("h1")
    await world.pass_all()
    assert world.told("snap")[:2] == ("Failed", "SnapshotInterrupted")
    assert "host h1 was removed" in world.told("snap")[2]
    version = world.live("snap")["metadata"]["resourceVersion"]
    world.host("h1")
    await world.pass_all()
    assert world.live("snap")["metadata"]["resourceVersion"] == version, "what is over stays so"


async def test_what_a_removed_host_kept_is_deleted_by_another(world: SnappingWorld) -> None:
    world.kept()
    world.removed("h1")
    await world.pass_all()
    assert world.told("snap")[:2] == ("Ready", "Taken")
    world.goes("snap")
    await world.pass_all()
    status = world.live("snap")["status"]
    assert status["host"] == "h2"
    assert (status["virtualMachineUID"], status["disks"]) == ("uid-web", [DISK])
    world.host_says("snap", "Deleting", data="Absent")
    await world.pass_all()
    assert not world.is_there("snap")


async def test_without_another_host_what_a_removed_one_kept_waits(world: SnappingWorld) -> None:
    world.kept()
    world.removed("h1")
    world.lost("h2")
    world.goes("snap")
    await world.pass_all()
    assert world.told("snap")[1] == "Deleting"
    assert world.is_there("snap")
