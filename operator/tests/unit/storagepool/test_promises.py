"""What a pool may still promise."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import StoragePool, Volume
from quantix_api.resources import IMAGES, NAMESPACES, STORAGE_POOLS, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.storagepool.promises import full_fields, lacking_growth, lacking_room, taken_bytes

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
