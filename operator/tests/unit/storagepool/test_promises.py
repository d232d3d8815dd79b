"""What a pool may still promise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api import StoragePool, Volume
from quantix_api.messages import render
from quantix_api.resources import IMAGES, NAMESPACES, STORAGE_POOLS, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.storagepool.promises import (
    InPool,
    full_fields,
    in_pool,
    lacking_growth,
    lacking_room,
    let_in,
    taken_bytes,
    volume_bytes,
)

GIB = 1 << 30

CASES: dict[str, tuple[int | None, int, int, int, bool]] = {
    "room": (100, 100, 50, 50, False),
    "one too many": (100, 100, 50, 51, True),
    "more than there is, as allowed": (100, 200, 100, 100, False),
    "beyond what is allowed": (100, 200, 100, 101, True),
    "a capacity that is not known": (None, 100, 0, 1000, False),
    "nothing wanted of a pool that is over": (100, 100, 500, 0, False),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_room(case: str) -> None:
    capacity, percent, promised, wanted, lacking = CASES[case]
    assert lacking_room(capacity, percent, promised, wanted) is lacking


def test_a_refusal_tells_what_is_left_of_the_promise() -> None:
    pool = StoragePool.parse(
        {
            "metadata": {"name": "local"},
            "spec": {"dir": {"path": "/pool"}, "overcommitPercent": 150},
            "status": {"capacity": "100Gi"},
        }
    )
    assert full_fields(pool, 140 * GIB, 10 * GIB) is None
    assert full_fields(pool, 140 * GIB, 20 * GIB) == {
        "pool": "local",
        "available": "10 GiB",
        "wanted": "20 GiB",
    }


@pytest.mark.parametrize(("free", "refused"), [("6Gi", False), ("5Gi", False), ("4Gi", True), ("0", True)])
def test_a_pool_of_which_95_percent_are_in_use_takes_nothing_new(free: str, refused: bool) -> None:
    status = {"capacity": "100Gi", "available": free}
    about = {"metadata": {"name": "local"}, "spec": {"dir": {"path": "/pool"}}, "status": status}
    pool = StoragePool.parse(about)
    assert (full_fields(pool, 0, GIB) is not None) is refused
    assert full_fields(pool, 0, 0) is None
    if fields := full_fields(pool, 0, GIB):
        assert render("PoolFull", **fields).sentence.endswith(
            "which is for the disks it has; 1 GiB are needed."
        )


def pool_of_ten(*volumes: dict[str, Any]) -> tuple[Objects, StoragePool]:
    cache = Cache((IMAGES, NAMESPACES, STORAGE_POOLS, VOLUMES))
    pool = {
        "metadata": {"name": "local", "uid": "uid-local", "resourceVersion": "1"},
        "spec": {"dir": {"path": "/pool"}, "default": True, "overcommitPercent": 100},
        "status": {"capacity": "10Gi"},
    }
    cache.put(STORAGE_POOLS, pool)
    for volume in volumes:
        cache.put(VOLUMES, volume)
    objects = Objects(cache)
    found = objects.get(StoragePool, "local")
    assert found is not None
    return objects, found


def volume_with_data(name: str, wants: str, has: str, **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"}
    status = {"host": "h1", "pool": "local", "data": "Present", "capacity": has, **more}
    return {"metadata": {**metadata, "generation": 2}, "spec": {"size": wants}, "status": status}


GRANTED = [{"type": "SizeGranted", "status": "True", "reason": "Granted", "observedGeneration": 2}]


def test_a_volume_of_nobody_grows_only_as_far_as_its_pool_may_promise() -> None:
    objects, pool = pool_of_ten(volume_with_data("a", "7Gi", "5Gi"), volume_with_data("b", "3Gi", "3Gi"))
    small, other = objects.get(Volume, "default/a"), objects.get(Volume, "default/b")
    assert small is not None
    assert other is not None
    assert lacking_growth(objects, pool, small) is None
    objects, pool = pool_of_ten(volume_with_data("a", "8Gi", "5Gi"), volume_with_data("b", "3Gi", "3Gi"))
    large = objects.get(Volume, "default/a")
    assert large is not None
    assert lacking_growth(objects, pool, large) == {"pool": "local", "available": "2 GiB", "wanted": "3 GiB"}


def test_a_wish_that_waits_takes_no_room_from_others_until_it_is_granted() -> None:
    objects, _ = pool_of_ten(volume_with_data("a", "100Gi", "5Gi"))
    assert taken_bytes(objects, "local") == 5 * GIB
    objects, _ = pool_of_ten(volume_with_data("a", "8Gi", "5Gi", conditions=GRANTED))
    assert taken_bytes(objects, "local") == 8 * GIB
    of_a_vm = volume_with_data("a", "8Gi", "5Gi")
    of_a_vm["metadata"]["labels"] = {"quantix.io/virtual-machine-uid": "u"}
    objects, _ = pool_of_ten(of_a_vm)
    assert taken_bytes(objects, "local") == 8 * GIB


def test_a_copy_that_is_not_made_yet_counts_as_large_as_its_source_however_small_it_is_asked_for() -> None:
    copy = volume_with_data("copy", "1Gi", "")
    copy["spec"]["source"] = {"volume": "a"}
    copy["status"] = {"host": "h1"}
    objects, _ = pool_of_ten(volume_with_data("a", "4Gi", "4Gi"), copy)
    assert in_pool(objects, "local") == InPool(2, 8 * GIB)


VOLUME = st.fixed_dictionaries(
    {
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "size": st.sampled_from(["1Gi", "2Gi"]),
                "pool": st.sampled_from(["local", "fast"]),
                "source": st.builds(lambda number: {"volume": f"v{number}"}, st.integers(0, 3)),
            },
        ),
        "status": st.fixed_dictionaries(
            {},
            optional={
                "pool": st.sampled_from(["local", "fast"]),
                "movingTo": st.just("fast"),
                "capacity": st.sampled_from(["1Gi", "4Gi"]),
                "host": st.just("h1"),
                "data": st.just("Present"),
            },
        ),
    }
)


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | VOLUME, st.booleans()), max_size=12))
def test_sums_that_follow_changes_are_those_of_a_look_at_all(
    steps: list[tuple[int, dict[str, Any] | None, bool]],
) -> None:
    objects, _ = pool_of_ten()
    cache = objects._cache
    for version, (number, fields, asked) in enumerate(steps, 10):
        metadata = {"name": f"v{number}", "namespace": "a", "resourceVersion": str(version)}
        known = cache.get(VOLUMES, f"a/v{number}")
        if fields is None and known is not None:
            cache.remove(VOLUMES, known)
        elif fields is not None:
            uid = known["metadata"]["uid"] if known else f"uid-{version}"
            cache.put(VOLUMES, {"metadata": metadata | {"uid": uid}, **fields})
        if asked or version == len(steps) + 9:
            for pool in ("local", "fast"):
                assert in_pool(objects, pool) == in_pool(Objects(cache), pool) == looked_at(objects, pool)


def looked_at(objects: Objects, pool: str) -> InPool:
    found = [
        volume
        for volume in objects.list(Volume)
        if pool in (volume.status.pool or volume.spec.pool or "local", volume.status.moving_to)
    ]
    sizes = [(volume_bytes(objects, volume), let_in(volume)) for volume in found]
    return InPool(len(found), sum(size for size, counts in sizes if counts))


def test_what_waits_for_room_is_promised_none() -> None:
    waiting = volume_with_data("b", "4Gi", "4Gi")
    waiting["status"] = {}
    objects, _ = pool_of_ten(volume_with_data("a", "4Gi", "4Gi"), waiting)
    assert in_pool(objects, "local") == InPool(2, 4 * GIB)


def test_what_is_left_and_what_is_wanted_are_never_told_as_the_same() -> None:
    metadata = {"name": "local", "uid": "u", "resourceVersion": "1"}
    spec, status = {"dir": {"path": "/p"}}, {"capacity": "100Gi"}
    pool = StoragePool.parse({"metadata": metadata, "spec": spec, "status": status})
    assert full_fields(pool, 100 << 20, 200 << 30) == {
        "pool": "local",
        "available": "204,700 MiB",
        "wanted": "204,800 MiB",
    }
