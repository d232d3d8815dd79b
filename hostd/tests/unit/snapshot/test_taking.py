"""Snapshots of guests that run, and of VMs that are off: what is kept, and what becomes of what fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from quantix_api.errors import TransientError
from quantix_api.message_table_phrases import SNAPSHOT_GUEST_ENDED, SNAPSHOT_TOO_LARGE, SNAPSHOT_UNKNOWN
from quantix_api.resources import VOLUMES
from quantix_hostd.claims import ClaimRefusedError, Holder, VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.facts.moment import CopyStep, DisksCopy
from quantix_hostd.moves import leave
from quantix_hostd.snapshot import taking
from quantix_hostd.snapshot.beginning import Beginning
from quantix_hostd.snapshot.controller import SnapshotController
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.snapshot_files import disk_file, holds, kept_file, left_of_snapshots, write
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import HOST, VmHandle
from quantix_lab.waiting import eventually_async


def reason(status: dict[str, object], kind: str = "Ready") -> str:
    conditions = status["conditions"]
    assert isinstance(conditions, list)
    return str(next(item["reason"] for item in conditions if item["type"] == kind))


async def is_copied(part: SnapshotsPart, key: str) -> bool:
    """Whether its moment has passed, and QEMU copies the disks."""
    await part.look(key)
    return [kept.step for kept in part.world.kept.all() if kept.key == key] == ["copying"]


async def being_kept(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor, name: str = "first"
) -> str:
    """A snapshot whose disks QEMU copies, until it is told otherwise."""
    hypervisor.copy_said = DisksCopy(CopyStep.RUNNING)
    key = part.add(name, vm)
    await part.until(key, "Taking")
    await eventually_async("its moment", lambda: is_copied(part, key))
    hypervisor.calls.clear()
    return key


async def test_what_a_running_guest_holds_is_kept_and_said(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    write(disk_file(running), 7)
    key = part.add("first", running)
    status = await part.until(key, "Ready")
    write(disk_file(running), 9)
    assert holds(kept_file(part, key), 7)
    assert (status["data"], reason(status), reason(status, "Quiesced")) == ("Present", "Taken", "Frozen")
    sizes = {disk["name"]: (disk["handle"], disk["size"]) for disk in status["disks"]}
    assert sizes == {name: (f"{part.uid(key)}/{name}", "64Mi") for name in ("root", "data")}
    assert status["config"]["disks"][0]["name"] == "root"
    assert "takenAt" in status
    await part.look(key)
    assert part.world.kept.all() == ()
    (moment,) = hypervisor.moments
    assert (moment.still, moment.memory, len(moment.disks)) == (False, "", 2)


async def test_it_is_said_that_something_is_about_to_be_stored_before_anything_is(
    running: VmHandle, part: SnapshotsPart
) -> None:
    key = part.add("first", running)
    status = await part.look(key)
    assert (status["data"], status["phase"], left_of_snapshots(part)) == ("Present", "Taking", [])


@pytest.mark.parametrize("refused", ["NoAgent", "FreezeFailed", "FreezeTimedOut"])
async def test_without_its_agent_a_guest_is_kept_unquiesced_and_where_that_is_required_not_at_all(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor, refused: str
) -> None:
    hypervisor.agent_freezes = refused
    status = await part.until(part.add("first", running), "Ready")
    assert reason(status, "Quiesced") == refused
    assert part.world.events.reasons[-1] == "SnapshotTaken"
    key = part.add("second", running, quiesce="Required")
    status = await part.until(key, "Failed")
    assert (reason(status), reason(status, "Stalled"), status["data"]) == (
        "QuiesceRequired",
        "QuiesceRequired",
        "Absent",
    )
    await part.look(key)
    assert not [name for name in left_of_snapshots(part) if part.uid(key) in name]


async def test_one_that_fails_leaves_nothing_and_is_not_tried_again(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copy_said = DisksCopy(CopyStep.FAILED, said="Input/output error")
    key = part.add("first", running)
    status = await part.until(key, "Failed")
    assert (reason(status), status["data"]) == ("SnapshotFailed", "Absent")
    ready = next(item for item in status["conditions"] if item["type"] == "Ready")
    assert "Input/output error" in ready["message"]
    await part.look(key)
    assert left_of_snapshots(part) == []
    assert hypervisor.calls.count("moment") == 1
    assert part.world.events.reasons[-1] == "SnapshotFailed"


async def test_a_pool_that_fills_up_and_a_guest_that_ends_are_told(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copy_said = DisksCopy(CopyStep.FAILED, said="No space left on device")
    assert reason(await part.until(part.add("full", running), "Failed")) == "PoolFull"
    for name, ended, why in (("unknown", False, SNAPSHOT_UNKNOWN), ("ended", True, SNAPSHOT_GUEST_ENDED)):
        key = await being_kept(running, part, hypervisor, name)
        if ended:
            hypervisor.kill(running.domain)
        hypervisor.copy_said = DisksCopy(CopyStep.NONE)
        status = await part.until(key, "Failed")
        assert reason(status) == "SnapshotInterrupted"
        assert why in next(item["message"] for item in status["conditions"] if item["type"] == "Ready")


async def test_file_systems_that_did_not_thaw_are_thawed_until_they_do(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    hypervisor.thaw_fails = TransientError("InternalError", "The agent does not answer.")
    hypervisor.open_agent_channel(running.domain)
    key = part.add("first", running)
    await part.until(key, "Ready")
    await part.look(key)
    await part.look(key)
    assert [kept.frozen for kept in part.world.kept.all()] == [True]
    hypervisor.thaw_fails = None
    await part.look(key)
    assert part.world.kept.all() == ()


async def test_one_at_a_time_and_none_of_a_vm_that_leaves_or_of_a_disk_that_moves(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copy_said = DisksCopy(CopyStep.RUNNING)
    first, second = part.add("first", running), part.add("second", running)
    await part.until(first, "Taking")
    await part.look(first)
    await part.look(second)
    assert reason(await part.look(second)) == "SnapshotRunning"
    hypervisor.copy_said = DisksCopy(CopyStep.DONE)
    await part.until(first, "Ready")
    running.change("status", "migration", value={"uid": "m", "sourceHost": "h1", "targetHost": "h2"})
    assert reason(await part.look(second)) == "MigrationRunning"
    del part.world.api.objects[running.uid]["status"]["migration"]
    claim = part.world.claims.read(running.root_place)
    assert claim is not None
    part.world.claims.compare_and_set(running.root_place, claim, leave(claim, "fast"))
    assert reason(await part.look(second)) == "Moving"


@dataclass(frozen=True)
class Slow(SnapshotStorage):
    """Keeps no disk before it may."""

    begun: threading.Event = field(default_factory=threading.Event)
    may: threading.Event = field(default_factory=threading.Event)

    def keep_idle(
        self, pool: Pool, volume: VolumePlace, uid: str, disk: str, goes_on: Callable[[], bool]
    ) -> bool:
        self.begun.set()
        self.may.wait(60)
        return super().keep_idle(pool, volume, uid, disk, goes_on)


async def test_a_vm_that_is_off_is_kept_while_its_claims_keep_it_from_starting(
    vm: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    storage = Slow(part.storage.layout, part.storage.qemu_img, part.storage.states)
    tools = replace(part.tools, storage=storage)
    part.controller = SnapshotController(tools, part.world.woken.append)
    write(disk_file(vm, "data"), 5)
    key = part.add("first", vm)
    await part.until(key, "Taking")
    await part.look(key)
    assert await asyncio.to_thread(storage.begun.wait, 60)
    assert vm.root_claim.held_by(HOST, 0)
    with pytest.raises(ClaimRefusedError):
        await vm.reconcile()
    assert vm.root_claim.held_by(HOST, 0)
    assert hypervisor.found == {}
    storage.may.set()
    status = await part.until(key, "Ready")
    assert holds(kept_file(part, key, "data"), 5)
    assert reason(status, "Quiesced") == "NotAsked"
    assert vm.root_claim.holder is None
    assert vm.root_claim.floor == 0


async def test_a_vm_that_is_off_has_no_memory_to_keep(vm: VmHandle, part: SnapshotsPart) -> None:
    key = part.add("first", vm, memory=True)
    assert reason(await part.look(key)) == "NotRunning"
    assert left_of_snapshots(part) == []


async def test_a_disk_in_use_of_a_vm_that_is_off_is_waited_for(vm: VmHandle, part: SnapshotsPart) -> None:
    place, claim = vm.root_place, vm.root_claim
    held = replace(claim, holder=Holder("h2", 3))
    part.world.claims.compare_and_set(place, claim, held)
    assert reason(await part.look(part.add("first", vm))) == "Starting"


async def test_memory_is_asked_for_at_the_moment_and_the_guest_stands_still(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    write(disk_file(running), 7)
    key = part.add("first", running, memory=True)
    status = await part.until(key, "Ready")
    assert status["memoryHandle"] == f"{part.uid(key)}/memory"
    memory = part.world.pool / "snapshots" / part.uid(key) / "memory"
    assert memory.read_bytes() == b"memory of the guest"
    (moment,) = hypervisor.moments
    assert (moment.still, moment.disks) == (True, ())
    assert holds(kept_file(part, key), 7)


async def test_disks_that_take_too_long_hold_no_guest_up_for_ever(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"{taking.STILL_S:.0f} s" in SNAPSHOT_TOO_LARGE
    monkeypatch.setattr(taking, "STILL_S", 0.0)
    write(disk_file(running), 7)
    key = part.add("first", running, memory=True)
    status = await part.until(key, "Failed")
    assert reason(status) == "SnapshotFailed"
    ready = next(item for item in status["conditions"] if item["type"] == "Ready")
    assert SNAPSHOT_TOO_LARGE in ready["message"]
    await part.look(key)
    assert left_of_snapshots(part) == []
    assert hypervisor.found[running.domain].state is DomainState.RUNNING


async def test_firmware_that_writes_at_that_very_moment_fails_it(
    running: VmHandle, part: SnapshotsPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, after, phase in (("still", b"then", "Ready"), ("changed", b"now", "Failed")):
        contents = iter([b"then", after])
        monkeypatch.setattr(Beginning, "state", lambda *_, contents=contents: next(contents))
        status = await part.until(part.add(name, running), phase)
        assert reason(status) == {"Ready": "Taken", "Failed": "SnapshotFailed"}[phase]
        if phase == "Ready":
            kept = part.storage.state(await part.world.pools.pool("local"), part.uid(f"default/{name}"))
            assert kept == b"then"


async def test_a_deleted_one_goes_once_nothing_is_to_be_made_of_it(
    running: VmHandle, part: SnapshotsPart
) -> None:
    key = part.add("first", running)
    await part.until(key, "Ready")
    source = {"snapshot": {"name": "first", "disk": "root"}}
    clone = part.world.put(VOLUMES, "clone", "default", spec={"source": source}, status={})
    part.world.api.put(clone)
    lost = part.world.put(VOLUMES, "lost", "default", status={})
    lost["spec"] = {"source": {"snapshot": {"name": "first", "disk": "none of its disks"}}}
    part.world.api.put(lost)
    part.delete(key)
    status = await part.look(key)
    assert (reason(status), status["data"]) == ("InUse", "Present")
    assert holds(kept_file(part, key), 0)
    clone["status"] = {"data": "Present"}
    part.world.api.put(clone)
    status = await part.look(key)
    assert (reason(status), status["data"], left_of_snapshots(part)) == ("Deleting", "Absent", [])


async def test_one_that_is_deleted_while_it_is_taken_leaves_nothing(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    hypervisor.copy_said = DisksCopy(CopyStep.RUNNING)
    key = part.add("first", running)
    await part.until(key, "Taking")
    await part.look(key)
    part.delete(key)
    status = await part.look(key)
    assert (status["data"], left_of_snapshots(part)) == ("Absent", [])
    assert "stop copying" in hypervisor.calls


@pytest.mark.parametrize("off", [True, False])
async def test_a_volume_of_another_vm_with_that_name_is_not_kept(
    vm: VmHandle, part: SnapshotsPart, off: bool
) -> None:
    if not off:
        await vm.reconcile()
    key = part.add("first", vm)
    other = part.world.add_volume("web-1-root")
    part.world.api.objects = {
        uid: item for uid, item in part.world.api.objects.items() if item["metadata"]["name"] != "web-1-root"
    }
    part.world.api.put(other)
    assert reason(await part.look(key)) == "DiskMissing"
    assert left_of_snapshots(part) == []
