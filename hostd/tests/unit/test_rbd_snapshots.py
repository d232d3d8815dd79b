"""Snapshots of volumes in Ceph whose volume left the pool, and maybe came back, on RBD images in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from quantix_hostd.clients import pool_rbd, rbd_calls, rbd_snapshots
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.rbd_snapshots import (
    has_snapshot,
    remove_snapshot,
    snapshot_bytes,
    snapshot_image,
    take_snapshot,
)

_IDS = count(0x1A)


class ImageNotFoundError(Exception):
    """As librbd raises it for an image or a snapshot."""


class ImageBusyError(Exception):
    """As librbd raises it."""


class Stored:
    """What RBD has of an image."""

    def __init__(self) -> None:
        self.id, self.snapshots = f"{next(_IDS):x}", set[str]()


class Image:
    """An image that is open."""

    def __init__(
        self, images: dict[str, Stored], name: str, snapshot: str = "", read_only: bool = False
    ) -> None:
        if name not in images or (snapshot and snapshot not in images[name].snapshots):
            raise ImageNotFoundError(name)
        self._stored = images[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""

    def id(self) -> str:
        return self._stored.id

    def size(self) -> int:
        return 1 << 20

    def watchers_list(self) -> list[Any]:
        return []

    def list_snaps(self) -> list[dict[str, Any]]:
        return [{"name": name, "namespace": 0} for name in sorted(self._stored.snapshots)]

    def create_snap(self, name: str) -> None:
        self._stored.snapshots.add(name)

    def remove_snap(self, name: str) -> None:
        if name not in self._stored.snapshots:
            raise ImageNotFoundError(name)
        self._stored.snapshots.remove(name)


class Rbd:
    """The functions of a pool; images are by their names."""

    def list(self, images: dict[str, Stored]) -> list[str]:
        return sorted(images)

    def rename(self, images: dict[str, Stored], name: str, new: str) -> None:
        assert new not in images
        images[new] = images.pop(name)

    def remove(self, images: dict[str, Stored], name: str) -> None:
        del images[name]


class Images(dict[str, Stored]):
    """The pool."""

    def remove_object(self, name: str) -> None:
        """There is one."""


class Ceph:
    """Always answers."""

    def __init__(self) -> None:
        self.images = Images()

    @contextmanager
    def opened(self, _: object) -> Iterator[Images]:
        yield self.images


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PoolRbd:
    library = SimpleNamespace(
        RBD=Rbd, Image=Image, ImageNotFound=ImageNotFoundError, ImageBusy=ImageBusyError
    )
    for module in (pool_rbd, rbd_calls, rbd_snapshots):
        monkeypatch.setattr(module, "rbd", lambda: library)
    ceph: Any = Ceph()
    staging: Any = tmp_path
    return PoolRbd("fast", "h1", ceph, staging)


def images(pool: PoolRbd) -> dict[str, Stored]:
    ceph: Any = pool.ceph
    found: dict[str, Stored] = ceph.images
    return found


def left_with(pool: PoolRbd, uid: str) -> None:
    """The volume comes into the pool, a snapshot of it is taken, and it leaves the pool."""
    images(pool)["v1"] = Stored()
    take_snapshot(pool, "v1", uid)
    assert pool.remove_volume("v1")


def test_no_volume_that_left_and_came_back_is_set_back_to_what_its_first_image_keeps(pool: PoolRbd) -> None:
    left_with(pool, "s1")
    images(pool)["v1"] = Stored()
    assert snapshot_bytes(pool, "v1", "s1") == 1 << 20, "a copy can be made of it"
    assert not has_snapshot(pool, "v1", "s1")
    take_snapshot(pool, "v1", "s2")
    assert has_snapshot(pool, "v1", "s2")


def test_a_volume_may_leave_more_than_once_and_each_image_goes_with_its_snapshots(pool: PoolRbd) -> None:
    left_with(pool, "s1")
    left_with(pool, "s2")
    first, second = snapshot_image(pool, "v1", "s1"), snapshot_image(pool, "v1", "s2")
    assert {first, second} == set(images(pool))
    assert len(images(pool)) == 2
    assert remove_snapshot(pool, "v1", "s1")
    assert list(images(pool)) == [second]
    assert remove_snapshot(pool, "v1", "s2")
    assert images(pool) == {}


def test_images_of_a_volume_with_a_longer_handle_are_none_of_this_one(pool: PoolRbd) -> None:
    images(pool)["v10"] = Stored()
    take_snapshot(pool, "v10", "s1")
    assert pool.remove_volume("v10")
    assert snapshot_image(pool, "v1", "s1") is None
