"""A pool that has no room for what comes in: said, nothing left half, and done once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quantix_api import Image, Volume
from quantix_api.errors import TransientError
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.sandbox import Sandbox
from quantix_hostd.image.wanted import wanted_of
from quantix_hostd.transfer.receive import Incoming
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.receiving import Receiving
from quantix_hostd.transfer.room import Room
from quantix_hostd.transfer.seen import TransferSeen
from quantix_hostd.volume.copying import Copying
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.recipe import Base, Recipe
from quantix_hostd.volume.storage import StorageByKind
from quantix_lab.disk_pools import IMAGES, pool_at
from quantix_lab.lent_volumes import lending_at
from quantix_lab.waiting import eventually_async

_MIB = 1 << 20
_POOL_BYTES = 32 * _MIB
_DISK = b"\0" * 510 + b"\x55\xaa" + os.urandom(8 * _MIB - 512)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[PoolDir]:
    """A file system of 32 MiB."""
    place = tmp_path / "pool"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_POOL_BYTES}", "tmpfs", place], check=True)
    made = pool_at(place, "small")
    yield made
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def image() -> Image:
    about = {"name": "disk", "namespace": "default", "uid": "0a1b2c"}
    return Image.model_validate({"metadata": about, "spec": {"upload": {}}})


def guests_take(pool: PoolDir, left_bytes: int) -> Path:
    """Fill the pool as guests do, but for so much."""
    filler = pool.path / "guests"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, pool.space().available_bytes - left_bytes)
    return filler


async def pieces(between: Callable[[], object] = lambda: None) -> AsyncIterator[bytes]:
    """The disk in two halves, and what happens between them."""
    yield _DISK[: 4 * _MIB]
    between()
    yield _DISK[4 * _MIB :]


async def sent(pool: PoolDir, image: Image, chunks: AsyncIterator[bytes]) -> TransferSeen[Received]:
    """How an upload of the disk ends."""
    receiving = Receiving("image", QemuImg(Sandbox(IMAGES)), Room(), lambda _: None)
    transfer = receiving.take(pool, wanted_of(image), Incoming(chunks, len(_DISK), resumable=True))
    assert transfer.task is not None
    await transfer.task
    return transfer.seen()


def refuses_for_want_of_room(found: TransferSeen[Any]) -> None:
    assert isinstance(found.error, TransientError)
    assert found.error.reason == "PoolFull"
    assert found.retry_in_s is not None, "it is tried again by itself"


async def test_an_image_without_room_is_refused_before_a_byte_and_kept_once_there_is(
    pool: PoolDir, image: Image
) -> None:
    filler = guests_take(pool, 6 * _MIB)
    refuses_for_want_of_room(await sent(pool, image, pieces()))
    assert list(pool.images.iterdir()) == []
    filler.unlink()
    assert (await sent(pool, image, pieces())).error is None
    assert pool.image("0a1b2c").read_bytes() == _DISK


async def test_an_image_whose_room_guests_take_meanwhile_leaves_what_it_had_to_them(
    pool: PoolDir, image: Image
) -> None:
    taken: list[Path] = []
    refuses_for_want_of_room(await sent(pool, image, pieces(lambda: taken.append(guests_take(pool, 4096)))))
    assert list(pool.images.iterdir()) == [], "a part that cannot grow is of use to nobody"
    assert pool.space().available_bytes > 4 * _MIB
    taken[0].unlink()
    assert (await sent(pool, image, pieces())).error is None


async def test_a_full_copy_without_room_leaves_nothing_and_is_made_once_there_is(
    pool: PoolDir, image: Image, tmp_path: Path
) -> None:
    assert (await sent(pool, image, pieces())).error is None
    filler = guests_take(pool, 6 * _MIB)
    claims, ended = LocalClaimStore(), list[str]()
    maker = DiskFileMaker(QemuImg(Sandbox(IMAGES)), claims, "cluster-1")
    lending = lending_at(tmp_path, claims, lambda _: None)
    copying = Copying(StorageByKind(maker), Room(), lending, ended.append)
    volume = Volume.model_validate(
        {"metadata": {"name": "v", "namespace": "default", "uid": "v"}, "spec": {}}
    )
    recipe = Recipe("v", 0, Base("0a1b2c", "raw", len(_DISK)), full_copy=True)
    copying.begin(pool, volume, recipe, lambda: True)
    await eventually_async("the end of the first", lambda: len(ended) == 1)
    seen = copying.seen(volume)
    assert seen is not None
    refuses_for_want_of_room(seen)
    assert list(pool.volumes.iterdir()) == []
    filler.unlink()
    copying.begin(pool, volume, recipe, lambda: True)
    await eventually_async("the end of the second", lambda: len(ended) == 2)
    assert [entry.name for entry in pool.volumes.iterdir()] == ["v"]
    await copying.stop()
