"""Disks that are made in Ceph and not wanted in the end: no thread outlives them, and nothing is left."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import ClaimStore
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_hostd.clients.qemu_rbd import End, RbdImage
from quantix_hostd.clients.rbd_import import RbdImport
from quantix_hostd.clients.state_store import StateObjects
from quantix_hostd.copy_bounds import CopyBounds
from quantix_hostd.volume import rbd_disk
from quantix_hostd.volume.rbd_disk import RbdDiskMaker
from quantix_hostd.volume.recipe import Base, Origin, Recipe
from quantix_lab.images_in_memory import Images, Stored, pool_in_memory
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.waiting import eventually_async

MIB = 1 << 20
DRAFT = "new.h1.v1"
KILLED = "192.0.2.1:0/2718"
FULL = Recipe("v1", MIB, Base("debian", "raw", MIB), full_copy=True)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PoolRbd:
    return pool_in_memory(monkeypatch, tmp_path)[0]


@pytest.fixture
def images(pool: PoolRbd) -> Images:
    ceph: Any = pool.ceph
    found: Images = ceph.images
    found["image.debian"] = Stored()
    found["image.debian"].snapshots["base"] = b""
    return found


@pytest.fixture
def disks(pool: PoolRbd) -> RbdDiskMaker:
    importer, claims, states = cast(RbdImport, None), cast(ClaimStore, None), cast(StateObjects, None)
    return RbdDiskMaker(importer, claims, states, "cluster-1", lambda _: pool)


async def test_a_copy_that_is_cancelled_ends_before_its_image_is_removed(
    disks: RbdDiskMaker, pool: PoolRbd, images: Images
) -> None:
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        time.sleep(0.01)

    images.on_flatten = step
    making = asyncio.create_task(disks.make(pool, FULL))
    await eventually_async("the copy", lambda: steps > 0)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    ended = steps
    assert set(images) == {"image.debian"}
    await asyncio.sleep(0.05)
    assert steps == ended < 500
    assert set(images) == {"image.debian"}


async def test_a_disk_that_begins_to_be_made_as_it_is_cancelled_is_not_left(
    disks: RbdDiskMaker, pool: PoolRbd, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(pool: PoolRbd, name: str, size_bytes: int) -> None:
        time.sleep(0.1)
        images[name] = Stored(size_bytes)

    monkeypatch.setattr(rbd_disk, "create_blank", late)
    making = asyncio.create_task(disks.make(pool, Recipe("v1", MIB)))
    await asyncio.sleep(0.05)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    await asyncio.sleep(0.1)
    assert DRAFT not in images


async def test_what_a_killed_program_has_open_still_is_shut_out_and_removed(
    pool: PoolRbd, images: Images
) -> None:
    def left() -> None:
        images[DRAFT] = Stored()
        images[DRAFT].watchers.append(KILLED)

    left()
    assert pool.remove_draft("v1")
    left()
    assert pool.sweep_drafts() == 1
    assert DRAFT not in images
    assert images.shut_out == [KILLED, KILLED]
    images["v1"] = Stored()
    images["v1"].watchers.append(KILLED)
    with pytest.raises(TransientError):
        pool.remove_volume("v1")
    assert images.shut_out == [KILLED, KILLED], "a volume may be a guest's"


async def test_a_volume_is_copied_without_a_trace_on_it(
    disks: RbdDiskMaker, pool: PoolRbd, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot of it for the copy would stay where hostd is killed."""
    copied: list[tuple[End, End]] = []
    pool_full: Any = pool
    monkeypatch.setattr(type(pool_full), "full", lambda _: "")

    async def convert(source: End, target: End, _: float) -> None:
        copied.append((source, target))

    monkeypatch.setattr(rbd_disk, "convert", convert)
    images["v0"] = Stored(2 * MIB)
    origin = Origin("default/data", "v0", pool.place("v0"), 2 * MIB)
    assert not await disks.make(pool, Recipe("v1", 0, origin=origin), lambda: False)
    access = pool.known_access()
    assert copied == [(RbdImage(access, "v0"), RbdImage(access, DRAFT))]
    assert not [call for call in images.calls if call.startswith("create ")]
    assert set(images) == {"image.debian", "v0"}


async def test_what_is_on_its_way_into_ceph_is_a_draft_of_this_host(pool: PoolRbd, tmp_path: Path) -> None:
    """The next hostd removes it, where one is killed meanwhile."""
    staging = PoolDir("fast", tmp_path / "staging", FileOwner.current(), "h1")
    staging.prepare(create=True)
    sent = staging.image("debian")
    sent.write_bytes(b"no disk")
    made: list[Path] = []

    class Fails(QemuImg):
        async def create(self, disk: Disk, size_bytes: int) -> None:
            made.append(disk.path)
            disk.path.write_bytes(b"half of it")

        async def copy(self, source: Disk, target: Disk, bounds: CopyBounds) -> None:
            raise TransientError("CommandFailed", "A program ended with code 1.")

    filling = RbdImport(Fails(OpenSandbox()), None).fill(
        replace(pool, staging=staging), DRAFT, Disk(staging.path, sent, "qcow2"), MIB
    )
    with pytest.raises(TransientError):
        await filling
    (half,) = made
    assert not half.exists()
    half.write_bytes(b"of one that was killed")
    assert staging.sweep_drafts() == 1
    assert [path.name for path in staging.path.rglob("*") if path.is_file()] == ["debian"]


def test_drafts_of_a_host_whose_name_only_begins_alike_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pool, images = pool_in_memory(monkeypatch, tmp_path)
    images |= {name: Stored(MIB) for name in (DRAFT, "new.h1.example.v1", "new.h10.v1")}
    assert pool.sweep_drafts() == 1
    assert sorted(images) == ["new.h1.example.v1", "new.h10.v1"]
