"""What is left of a snapshot that failed is removed, and its guest goes on, whatever does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from quantix_api.errors import TransientError
from quantix_api.resources import VIRTUAL_MACHINE_SNAPSHOTS
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.facts.moment import CopyStep, DisksCopy, Moment, MomentTaken
from quantix_hostd.snapshot.kept import Kept, KeptDisk
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.snapshot_files import left_of_snapshots
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle
from quantix_lab.waiting import eventually_async

HANGS = TransientError("InternalError", "The agent does not answer.")


class Removal:
    """Of what is kept of disks: it fails while `silent`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, silent: str = "") -> None:
        self.silent, self.asked, remove = silent, 0, SnapshotStorage.remove

        def maybe(storage: SnapshotStorage, pool: Any, uid: str, disk: str, volume_uid: str) -> bool:
            self.asked += 1
            if self.silent and uid.startswith(self.silent):
                raise TransientError("PoolUnreachable", "The pool does not answer.")
            return remove(storage, pool, uid, disk, volume_uid)

        monkeypatch.setattr(SnapshotStorage, "remove", maybe)


async def test_one_that_failed_stays_so_where_undoing_it_has_to_be_tried_again(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hypervisor.copy_said = DisksCopy(CopyStep.FAILED, said="Input/output error")
    key = part.add("first", running)
    removal = Removal(monkeypatch, part.uid(key))

    async def is_asked() -> bool:
        await part.look(key)
        return removal.asked > 0

    await eventually_async("undoing it", is_asked)
    hypervisor.copy_said = DisksCopy(CopyStep.DONE)
    for _ in range(3):
        await part.look(key)
    after = await part.killed()
    await after.look(key)
    removal.silent = ""
    status = await after.until(key, "Failed")
    ready = next(item for item in status["conditions"] if item["type"] == "Ready")
    assert "Input/output error" in ready["message"]
    assert hypervisor.calls.count("moment") == 1
    await after.look(key)
    assert left_of_snapshots(after) == []


async def test_a_guest_is_thawed_before_a_pool_that_does_not_answer_is_asked(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hypervisor.copy_said = DisksCopy(CopyStep.FAILED, said="Input/output error")
    hypervisor.open_agent_channel(running.domain)
    hypervisor.thaw_fails = HANGS
    key = part.add("first", running)
    removal = Removal(monkeypatch, part.uid(key))

    async def is_asked() -> bool:
        await part.look(key)
        return removal.asked > 0

    await eventually_async("undoing it", is_asked)
    hypervisor.thaw_fails = None
    await part.look(key)
    assert [kept.frozen for kept in part.world.kept.all()] == [False]


async def test_an_agent_that_hangs_keeps_none_that_must_be_quiesced_from_failing(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    hypervisor.agent_freezes, hypervisor.thaw_fails = "FreezeTimedOut", HANGS
    hypervisor.open_agent_channel(running.domain)
    key = part.add("first", running, quiesce="Required")
    await part.until(key, "Failed")
    await part.look(key)
    assert left_of_snapshots(part) == [f"{part.uid(key)}.json"]
    assert [kept.frozen for kept in part.world.kept.all()] == [True]
    hypervisor.thaw_fails = None
    await part.look(key)
    assert part.world.kept.all() == ()


async def test_one_that_is_deleted_is_removed_once_its_guest_is_thawed(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    hypervisor.thaw_fails = HANGS
    hypervisor.open_agent_channel(running.domain)
    key = part.add("first", running)
    await part.until(key, "Ready")
    part.delete(key)
    hypervisor.calls.clear()
    await part.look(key)
    assert "thaw" in hypervisor.calls
    assert "stop copying" not in hypervisor.calls, "another one may be taken by now"
    hypervisor.thaw_fails = None
    await part.look(key)
    assert (left_of_snapshots(part), part.world.kept.all()) == ([], ())


async def test_one_that_is_left_holds_up_no_other(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hypervisor.copy_said = DisksCopy(CopyStep.RUNNING)
    key = part.add("first", running)
    await part.look(key)
    await part.look(key)
    await eventually_async("the moment", lambda: bool(hypervisor.moments))
    (kept,) = part.world.kept.all()
    await part.controller.stop()
    for uid in ("a-left", "z-left"):
        part.world.kept.save(replace(kept, uid=uid, key=f"default/{uid}"))
    del part.world.stores[VIRTUAL_MACHINE_SNAPSHOTS][key]
    part.world.kept.forget(kept.uid)
    removal = Removal(monkeypatch, "a-left")

    async def no_time(_seconds: float) -> None:
        if [kept.uid for kept in part.world.kept.all()] == ["a-left"]:
            removal.silent = ""
        assert removal.asked < 100
        await asyncio.sleep(0.01)

    monkeypatch.setattr(part.world, "sleep", no_time)
    await SnapshotsPart(part.world).controller.resume_left()
    assert part.world.kept.all() == ()


async def test_a_guest_that_was_not_thawed_at_once_is_while_its_disks_are_copied(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copy_said = DisksCopy(CopyStep.RUNNING)
    hypervisor.thaw_fails = HANGS
    hypervisor.open_agent_channel(running.domain)
    key = part.add("first", running)
    await part.look(key)
    await part.look(key)
    await eventually_async("thawing it", lambda: "thaw" in hypervisor.calls)
    assert [(kept.step, kept.frozen) for kept in part.world.kept.all()] == [("copying", True)]
    hypervisor.thaw_fails = None
    await eventually_async("it to be", lambda: not part.world.kept.all()[0].frozen)
    assert part.world.kept.all()[0].step == "copying"
    hypervisor.copy_said = DisksCopy(CopyStep.DONE)
    await part.until(key, "Ready")
    assert hypervisor.calls.count("thaw") == 2


async def test_one_that_is_deleted_in_its_moment_is_undone_after_it(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = hypervisor.calls

    async def slow(_name: str, _moment: Moment, _keep: Callable[[], None]) -> MomentTaken:
        calls.append("stands still")
        await asyncio.sleep(0.3)
        calls.append("goes on")
        return MomentTaken("Frozen", frozen=False)

    monkeypatch.setattr(hypervisor, "take_moment", slow)
    key = part.add("first", running)
    await part.look(key)
    await part.look(key)
    await eventually_async("the moment", lambda: "stands still" in calls)
    part.delete(key)
    await part.look(key)
    assert calls.index("goes on") < calls.index("stop copying")
    assert left_of_snapshots(part) == []


async def test_only_who_undoes_a_moment_has_its_guest_go_on(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    hypervisor.dies_in_the_moment = True
    key = part.add("first", running)
    await part.look(key)
    await part.look(key)
    await eventually_async("the moment", lambda: bool(hypervisor.moments))
    after = await part.killed()
    await running.reconcile()
    assert hypervisor.found[running.domain].state is DomainState.PAUSED, "QEMU may copy still"
    hypervisor.dies_in_the_moment = False
    hypervisor.calls.clear()
    await after.until(key, "Ready")
    assert hypervisor.calls.index("stop copying") < hypervisor.calls.index("resume")
    assert hypervisor.found[running.domain].state is DomainState.RUNNING


async def left_of_one_that_is_gone(vm: VmHandle, part: SnapshotsPart, pool: str) -> SnapshotsPart:
    """A hostd after one that was killed as it took a snapshot, which is no more; one disk was in `pool`."""
    key = part.add("first", vm)
    await part.until(key, "Ready")
    status = part.world.api.objects[part.uid(key)]["status"]
    disks = tuple(
        KeptDisk(disk["name"], disk["volume"], disk["volumeUID"], disk["pool"], 1 << 20)
        for disk in status["disks"]
    )
    disks = (disks[0], replace(disks[1], pool=pool))
    part.world.kept.save(Kept(part.uid(key), key, vm.uid, "web-1", "moment", False, disks))
    del part.world.stores[VIRTUAL_MACHINE_SNAPSHOTS][key]
    return SnapshotsPart(part.world)


async def test_what_is_left_goes_though_one_of_its_pools_was_deleted(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    after = await left_of_one_that_is_gone(vm, part, "deleted")
    await asyncio.wait_for(after.controller.resume_left(), 5)
    assert part.world.kept.all() == ()
    assert [name.rpartition("-")[2] for name in left_of_snapshots(part)] == ["data"], "nobody knows where"


async def test_what_stays_is_tried_less_and_less_often_and_told_once(
    vm: VmHandle, part: SnapshotsPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = await left_of_one_that_is_gone(vm, part, "local")
    removal, waits = Removal(monkeypatch, part.world.kept.all()[0].uid), list[float]()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 9:
            removal.silent = ""

    monkeypatch.setattr(part.world, "sleep", wait)
    with capture_logs() as logs:
        await after.controller.resume_left()
    assert waits == [5, 10, 20, 40, 60, 60, 60, 60, 60]
    assert len([entry for entry in logs if entry["event"] == "what is left of a snapshot stays"]) == 1
    assert left_of_snapshots(part) == []
