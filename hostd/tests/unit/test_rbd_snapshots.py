"""Snapshots of volumes in Ceph, also of such as left the pool, and maybe came back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.rbd_snapshots import (
    remove_snapshot,
    set_back,
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
    images(pool)["v1"].content = b"7"
    take_snapshot(pool, "v1", uid)
    assert pool.remove_volume("v1")


def came_back(pool: PoolRbd) -> None:
    """A volume whose first image snapshot `s1` is of; that of today holds nines."""
    left_with(pool, "s1")
    images(pool)["v1"] = Stored()
    images(pool)["v1"].content = b"9"


def test_a_volume_that_left_and_came_back_is_set_back_to_what_its_first_image_keeps(pool: PoolRbd) -> None:
    came_back(pool)
    assert snapshot_bytes(pool, "v1", "s1") == 1 << 20, "a copy can be made of it"
    for _ in ("the first", "after a hostd that was killed then"):
        set_back(pool, "v1", "s1")
        assert {name: stored.content for name, stored in images(pool).items()} == {"v1": b"7"}
    assert snapshot_image(pool, "v1", "s1") == "v1"


def test_whoever_was_killed_between_two_names_is_followed(pool: PoolRbd) -> None:
    came_back(pool)
    aside = images(pool).pop("v1")
    images(pool)[f"gone.v1.{aside.id}"] = aside
    set_back(pool, "v1", "s1")
    assert {name: stored.content for name, stored in images(pool).items()} == {"v1": b"7"}


def test_what_is_set_aside_stays_for_snapshots_of_its_own_and_can_be_set_back_to(pool: PoolRbd) -> None:
    came_back(pool)
    take_snapshot(pool, "v1", "s2")
    set_back(pool, "v1", "s1")
    assert len(images(pool)) == 2
    set_back(pool, "v1", "s2")
    assert images(pool)["v1"].content == b"9"
    assert remove_snapshot(pool, "v1", "s1")
    assert list(images(pool)) == ["v1"]
    assert snapshot_image(pool, "v1", "s2") == "v1"


def test_no_image_is_set_aside_that_somebody_has_open(pool: PoolRbd) -> None:
    came_back(pool)
    images(pool)["v1"].watchers.append("192.0.2.7:0/1")
    with pytest.raises(TransientError) as refused:
        set_back(pool, "v1", "s1")
    assert refused.value.reason == "VolumeInUse"
    assert images(pool)["v1"].content == b"9"


def test_without_its_snapshot_a_volume_stays_as_it_is(pool: PoolRbd) -> None:
    came_back(pool)
    with pytest.raises(TransientError) as refused:
        set_back(pool, "v1", "s3")
    assert refused.value.reason == "DataMissing"
    assert images(pool)["v1"].content == b"9"


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
        assert [*images(pool)["v2"].snapshots] == ["snap.s2"]
    assert {call.partition("@")[0] for call in images(pool).calls if call.startswith("open")} == {"open v2"}
    assert "list" not in images(pool).calls
    assert "gone.v3.1f" in images(pool)
