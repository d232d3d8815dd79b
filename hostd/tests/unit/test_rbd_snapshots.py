"""Snapshots of volumes in Ceph, also of such as left the pool, and maybe came back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.rbd_snapshots import (
    has_snapshot,
    remove_snapshot,
    snapshot_bytes,
    snapshot_image,
    take_snapshot,
)
from quantix_lab.images_in_memory import Images, Stored, pool_in_memory


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PoolRbd:
    return pool_in_memory(monkeypatch, tmp_path)[0]


def images(pool: PoolRbd) -> Images:
    ceph: Any = pool.ceph
    found: Images = ceph.images
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


def test_at_the_moment_of_a_snapshot_nothing_is_looked_at_but_its_own_volume(pool: PoolRbd) -> None:
    """Its guest stands still: images that others left are as many and as large as they are."""
    left_with(pool, "s1")
    remove_snapshot(pool, "v1", "s1")
    images(pool)["v2"] = Stored()
    images(pool)["gone.v3.1f"] = Stored()
    images(pool).calls.clear()
    for _ in ("the first", "one more, after an earlier try"):
        take_snapshot(pool, "v2", "s2")
        assert has_snapshot(pool, "v2", "s2")
    assert {call.partition("@")[0] for call in images(pool).calls if call.startswith("open")} == {"open v2"}
    assert "list" not in images(pool).calls
    assert "gone.v3.1f" in images(pool)
