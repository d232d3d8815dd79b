"""The room that snapshots, restores and memory need: nothing is begun without it, and it stays theirs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api.errors import TransientError, WaitingError
from quantix_api.layout import Layout
from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import PoolDir, Space
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.rbd_import import create_blank
from quantix_hostd.clients.state_store import StateObjects
from quantix_hostd.snapshot import storage
from quantix_hostd.snapshot.beginning import Beginning, Begun
from quantix_hostd.snapshot.controller import SnapshotController
from quantix_hostd.snapshot.kept import Kept
from quantix_hostd.snapshot.observed import GuestSeen, SnapshotObserved
from quantix_hostd.snapshot.restores import RestoreController
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_hostd.snapshot_place import SnapshotPlace
from quantix_hostd.transfer.room import HostFiles, Room
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.images_in_memory import pool_in_memory
from quantix_lab.set_back_disks import kept_and_changed
from quantix_lab.snapshot_files import disk_file, left_of_snapshots
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle
from quantix_lab.waiting import eventually_async

from .test_taking import reason

MIB = 1 << 20
LAST_BYTES = 10 * MIB
"""Of a file system of 200 MiB these are never filled."""


def leave_free(monkeypatch: pytest.MonkeyPatch, free_bytes: int, kind: type = PoolDir) -> None:
    """So much may be filled of all pools."""
    monkeypatch.setattr(kind, "space", lambda _: Space(200 * MIB, LAST_BYTES + free_bytes))


@dataclass(frozen=True)
class Slow(SnapshotStorage):
    """Copies of idle disks go on once `go_on` is set."""

    began: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def keep_idle(
        self, pool: Pool, volume: VolumePlace, uid: str, disk: str, goes_on: Callable[[], bool]
    ) -> bool:
        self._wait()
        return super().keep_idle(pool, volume, uid, disk, goes_on)

    def put_back(
        self, pool: Pool, disk: SnapshotPlace, volume: VolumePlace, goes_on: Callable[[], bool]
    ) -> None:
        self._wait()
        super().put_back(pool, disk, volume, goes_on)

    def _wait(self) -> None:
        self.began.set()
        assert self.go_on.wait(30)


def slowed(part: SnapshotsPart) -> Slow:
    slow = Slow(part.storage.layout, part.storage.qemu_img, part.storage.states)
    part.tools = replace(part.tools, storage=slow)
    part.controller = SnapshotController(part.tools, part.world.woken.append)
    part.restores = RestoreController(part.tools, part.world.woken.append)
    return slow


async def is_free(part: SnapshotsPart, size_bytes: int) -> bool:
    """Whether another transfer is promised so much."""
    pool = await part.tools.pools.pool("local")
    with part.tools.room.share(pool, None, size_bytes) as share:
        try:
            await part.tools.room.promise(share, size_bytes)
        except TransientError:
            return False
        return True


async def test_memory_that_has_no_room_is_waited_for_and_the_guest_runs_on(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_free(monkeypatch, 180 * MIB)
    await part.until(part.add("disks", running), "Ready")
    hypervisor.moments.clear()
    key = part.add("memory", running, memory=True)
    status: dict[str, Any] = {}

    async def waits() -> bool:
        status.update(await part.look(key))
        return reason(status) == "PoolFull"

    await eventually_async("it to wait", waits)
    assert status["phase"] == "Pending"
    assert hypervisor.moments == []
    assert not [name for name in left_of_snapshots(part) if part.uid(key) in name]
    monkeypatch.undo()
    await part.until(key, "Ready")


async def test_memory_on_its_way_into_ceph_takes_room_of_the_host_and_of_the_pool(
    part: SnapshotsPart, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pool = pool_in_memory(monkeypatch, tmp_path)[0]
    kept = Kept("s1", "default/s1", "vm", "web-1", "moment", True, (), memory=True)
    seen = SnapshotObserved(cast(Any, None), "h1", guest=GuestSeen(True, memory_bytes=100 * MIB))
    monkeypatch.setattr(Begun, "home", pool)
    leave_free(monkeypatch, 200 * MIB, PoolRbd)
    leave_free(monkeypatch, 200 * MIB, HostFiles)
    begun, beginning = Begun(kept, seen, {}), Beginning(part.tools)
    async with beginning.promised(begun) as promised:
        on_host, in_ceph = promised.memory
        assert on_host.pool == HostFiles(part.world.layout.data / "snapshots", "h1")
        assert on_host.outstanding_bytes > 100 * MIB
        promised.end_moment()
        assert (on_host.outstanding_bytes, in_ceph.outstanding_bytes > 100 * MIB) == (0, True)
    for full in (HostFiles, PoolRbd):
        leave_free(monkeypatch, 99 * MIB, full)
        with pytest.raises(WaitingError) as waits:
            async with beginning.promised(begun):
                pytest.fail("it is begun")
        assert waits.value.reason == "PoolFull"
        if full is HostFiles:
            said = (
                f"The file system of {part.world.layout.data}/snapshots on h1 has no room for this snapshot."
            )
            assert waits.value.message == said
        leave_free(monkeypatch, 200 * MIB, full)


async def test_memory_is_fetched_from_ceph_only_where_the_host_has_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pool = pool_in_memory(monkeypatch, tmp_path)[0]
    kept_in = SnapshotStorage(Layout(tmp_path), cast(QemuImg, None), cast(StateObjects, None))
    create_blank(pool, pool.memory_name("s1"), 20 * MIB)
    fetched: list[object] = []

    async def convert(_: object, target: object, timeout_s: float) -> None:
        fetched.append(target)

    monkeypatch.setattr(storage, "convert", convert)
    leave_free(monkeypatch, 19 * MIB, HostFiles)
    with pytest.raises(WaitingError, match="no room for the guest's memory"):
        await kept_in.fetch_memory(pool, "s1", Room())
    assert (fetched, kept_in.memory_file(pool, "s1").exists()) == ([], False)
    leave_free(monkeypatch, 20 * MIB, HostFiles)
    await kept_in.fetch_memory(pool, "s1", Room())
    assert len(fetched) == 1


def test_room_of_a_directory_that_is_not_there_yet_is_that_of_where_it_will_be(tmp_path: Path) -> None:
    here, there = HostFiles(tmp_path, "h1").space(), HostFiles(tmp_path / "a" / "b", "h1").space()
    assert there.capacity_bytes == here.capacity_bytes > 0
    assert not (tmp_path / "a").exists()


async def test_what_an_idle_snapshot_still_has_to_write_is_not_free(
    vm: VmHandle, part: SnapshotsPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = slowed(part)
    leave_free(monkeypatch, 180 * MIB)
    key = part.add("first", vm)

    async def began() -> bool:
        await part.look(key)
        return slow.began.is_set()

    await eventually_async("the first copy", began)
    # the first is looked at in steps of 64 MiB
    left = 116 * MIB - disk_file(vm, "data").stat().st_blocks * 512
    assert (await is_free(part, left), await is_free(part, left + 1)) == (True, False)
    slow.go_on.set()
    await part.until(key, "Ready")
    assert await is_free(part, 180 * MIB)


async def test_what_a_restore_still_has_to_write_is_not_free(
    vm: VmHandle, part: SnapshotsPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await kept_and_changed(vm, part)
    slow = slowed(part)
    files = (part.world.pool / "snapshots" / f"{part.uid(key)}-root" / "data",)
    needed = sum(path.stat().st_blocks * 512 for path in files)
    leave_free(monkeypatch, needed + MIB)
    restore = part.add_restore("back", key, vm)
    await part.look(restore)
    await eventually_async("the first copy", slow.began.is_set)
    assert (await is_free(part, MIB), await is_free(part, MIB + 1)) == (True, False)
    slow.go_on.set()
    await part.until(restore, "Restored")
    assert await is_free(part, MIB + needed)
