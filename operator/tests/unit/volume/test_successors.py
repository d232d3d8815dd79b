"""Who acts on a Volume in a shared pool while its host is silent."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.resources import HOSTS, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.volume.controller import VolumeController
from quantix_operator.volume.observe import observe
from quantix_operator.volume.plan import plan_volume

from .moved_volume import ATTACHED, MOVING, VERSIONS, host, in_ceph, planned, put, vm


@pytest.fixture
def cache(cache: Cache) -> Cache:
    """h1 and h2 reach pool fast, which is in Ceph; h1 is silent."""
    in_ceph(cache, "fast")
    host(cache, "h2", "fast", "local")
    silent(cache, "h1")
    return cache


def silent(cache: Cache, name: str) -> None:
    live = cache.get(HOSTS, name)
    assert live is not None
    unheard = {"type": "Ready", "status": "Unknown", "reason": "Unreachable", "message": "It is silent."}
    metadata = {**live["metadata"], "resourceVersion": str(next(VERSIONS))}
    cache.put(HOSTS, {**live, "metadata": metadata, "status": {**live["status"], "conditions": [unheard]}})


GROWS: dict[str, Any] = {"pool": "fast", "capacity": "1Gi"}


def test_another_host_of_its_pool_lets_it_grow(cache: Cache) -> None:
    put(cache, "fast", **GROWS)
    plan = planned(cache)
    assert (plan.host, plan.confirmed, plan.brings, plan.ready) == ("h2", "h2", True, None)


def test_it_is_deleted_there_too(cache: Cache) -> None:
    put(cache, "fast", pool="fast", deleting=True)
    plan = planned(cache)
    assert (plan.host, plan.brings, plan.release) == ("h2", True, False)


def test_another_host_of_its_pool_copies_it(cache: Cache) -> None:
    put(cache, "fast", pool="fast")
    assert planned(cache).brings is False, "nobody needs it: no write"
    metadata = {
        "name": "copy",
        "namespace": "default",
        "uid": "uid-c",
        "resourceVersion": str(next(VERSIONS)),
    }
    copy = {"metadata": metadata, "spec": {"source": {"volume": "data"}}}
    cache.put(VOLUMES, copy)
    assert "default/data" in set(VolumeController.watches[VOLUMES](copy, cache))
    plan = planned(cache)
    assert (plan.host, plan.brings) == ("h2", True)


def test_another_host_of_its_pool_makes_it(cache: Cache) -> None:
    put(cache, "fast", pool="fast", data=None, capacity=None)
    plan = planned(cache)
    assert (plan.host, plan.confirmed, plan.brings, plan.ready) == ("h2", "h2", True, None)
    put(cache, "fast", pool="fast", data=None, capacity=None, deleting=True)
    assert planned(cache).brings is False, "what was made of it the silent host alone takes away"


def test_a_copy_goes_to_where_its_source_is_looked_after(cache: Cache) -> None:
    put(cache, "fast", pool="fast")
    metadata = {
        "name": "copy",
        "namespace": "default",
        "uid": "uid-c",
        "resourceVersion": str(next(VERSIONS)),
    }
    copy = {"metadata": metadata, "spec": {"source": {"volume": "data"}, "pool": "fast"}}
    cache.put(VOLUMES, {**copy, "status": {"host": "h1"}})
    assert planned(cache).host == "h2", "its source first"
    put(cache, "fast", pool="fast", host="h2", confirmedHost="h2")
    found = Objects(cache).get(Volume, "default/copy")
    assert found is not None
    plan = plan_volume(observe(Objects(cache), found))
    assert (plan.host, plan.brings) == ("h2", True)


@pytest.mark.parametrize(
    "status",
    [
        {"pool": "local"},
        {"conditions": [MOVING]},
    ],
    ids=["its host alone has it", "it is on its way to another pool"],
)
def test_what_the_silent_host_alone_can_go_on_with_waits_for_it(cache: Cache, status: dict[str, Any]) -> None:
    put(cache, "fast", **GROWS | status)
    plan = planned(cache)
    assert (plan.host, plan.brings) == ("h1", False)


def test_the_host_of_its_vm_acts(cache: Cache) -> None:
    vm(cache, "h1")
    put(cache, "fast", **GROWS, **ATTACHED)
    assert planned(cache).brings is False


def test_a_host_that_no_other_can_stand_in_for_keeps_it(cache: Cache) -> None:
    put(cache, "fast", **GROWS)
    silent(cache, "h2")
    plan = planned(cache)
    assert (plan.host, plan.brings) == ("h1", False)
