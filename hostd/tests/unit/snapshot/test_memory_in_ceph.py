"""The memory of a guest goes into Ceph by way of a file of the host, of which nothing is left in the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.qemu_rbd import DiskFileEnd, End, RbdImage
from quantix_hostd.clients.state_store import StateObjects
from quantix_hostd.snapshot import storage
from quantix_hostd.snapshot.kept import Kept, KeptDisk
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_hostd.transfer.room import Room
from quantix_lab.images_in_memory import Images, pool_in_memory
from quantix_lab.mortality import Mortality
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle, VmWorld

KILLED = "192.0.2.1:0/2718"


class Copies:
    """qemu-img, which may fail."""

    def __init__(self, images: Images) -> None:
        self.images, self.fails = images, False

    async def __call__(self, source: End, target: End, timeout_s: float) -> None:
        if self.fails:
            raise TransientError("CommandFailed", "A program ended with code 1.")
        if isinstance(source, DiskFileEnd) and isinstance(target, RbdImage):
            self.images[target.name].content = source.path.read_bytes()
        elif isinstance(source, RbdImage) and isinstance(target, DiskFileEnd):
            target.path.write_bytes(self.images[source.name].content)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PoolRbd:
    return pool_in_memory(monkeypatch, tmp_path)[0]


@pytest.fixture
def copies(pool: PoolRbd, monkeypatch: pytest.MonkeyPatch) -> Copies:
    ceph: Any = pool.ceph
    made = Copies(ceph.images)
    monkeypatch.setattr(storage, "convert", made)
    return made


@pytest.fixture
def kept_in(tmp_path: Path) -> SnapshotStorage:
    return SnapshotStorage(Layout(tmp_path), cast(QemuImg, None), cast(StateObjects, None))


def written(kept_in: SnapshotStorage, pool: PoolRbd, uid: str) -> Path:
    """What QEMU writes the memory to."""
    kept_in.begin_rest(pool, uid)
    path = kept_in.memory_file(pool, uid)
    path.write_bytes(b"what the guest knows")
    return path


async def test_it_can_be_kept_again_until_it_is_written_down_that_it_is(
    kept_in: SnapshotStorage, pool: PoolRbd, copies: Copies
) -> None:
    path = written(kept_in, pool, "s1")
    for _ in ("the first", "by a hostd after one that was killed"):
        await kept_in.keep_memory(pool, "s1")
    assert copies.images["memory.s1"].content == b"what the guest knows"
    kept_in.forget_memory(pool, "s1")
    assert not path.exists()


async def test_what_a_killed_program_has_open_still_is_shut_out(
    kept_in: SnapshotStorage, pool: PoolRbd, copies: Copies
) -> None:
    written(kept_in, pool, "s1")
    await kept_in.keep_memory(pool, "s1")
    copies.images["memory.s1"].watchers.append(KILLED)
    await kept_in.keep_memory(pool, "s1")
    assert copies.images["memory.s1"].watchers == []
    copies.images["memory.s1"].watchers.append(KILLED)
    assert kept_in.remove_rest(pool, "s1")
    assert copies.images.shut_out == [KILLED, KILLED]
    assert "memory.s1" not in copies.images


async def test_its_file_goes_after_the_snapshot_is_said_to_be_taken(
    running: VmHandle, part: SnapshotsPart
) -> None:
    calls: list[str] = []

    class Heard(Mortality):
        def count(self, name: str) -> None:
            calls.append(name)

    heard = SnapshotsPart(part.world, Heard(0))
    await heard.until(heard.add("first", running, memory=True), "Ready")
    await heard.controller.stop()
    ours = [name for name in calls if name in ("keep_memory", "save", "forget_memory")]
    assert ours[-3:] == ["keep_memory", "save", "forget_memory"]


@pytest.mark.parametrize("fails", [False, True])
async def test_what_was_fetched_goes_whether_it_came_whole_or_not(
    kept_in: SnapshotStorage, pool: PoolRbd, copies: Copies, fails: bool
) -> None:
    written(kept_in, pool, "s1")
    await kept_in.keep_memory(pool, "s1")
    kept_in.forget_memory(pool, "s1")
    copies.fails = fails
    try:
        async with kept_in.memory(pool, "s1", Room()) as path:
            assert path.read_bytes() == b"what the guest knows"
    except TransientError:
        assert fails
    assert not kept_in.memory_file(pool, "s1").exists()


async def test_what_a_killed_hostd_left_goes_but_for_what_is_gone_on_with(
    world: VmWorld, part: SnapshotsPart
) -> None:
    directory = world.layout.data / "snapshots"
    disks = (KeptDisk("root", "web-1-root", "v1", "fast", 1 << 20, in_ceph=True),)
    first = Kept("s1", "default/s1", "vm", "web-1", "moment", True, disks, memory=True)
    for kept in (first, replace(first, uid="s2", step="copying"), replace(first, uid="s3", step="taken")):
        world.kept.save(kept)
    for uid in ("fetched", "s1", "s2", "s3"):
        (directory / f"{uid}.memory").write_bytes(b"what a guest knows")
    await part.controller.tidy()
    assert {path.stem for path in directory.glob("*.memory")} == {"s1", "s2"}
    assert len(world.kept.all()) == 3
