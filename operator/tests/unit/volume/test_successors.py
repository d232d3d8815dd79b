"""Who acts on a Volume in a shared pool that no VM has while its host is silent."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.resources import HOSTS, VIRTUAL_MACHINE_SNAPSHOTS, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.volume.controller import VolumeController
from quantix_operator.volume.observe import observe
from quantix_operator.volume.plan import Plan, plan_volume

from .moved_volume import ATTACHED, MOVING, VERSIONS, host, in_ceph, planned, put, vm

UNMADE: dict[str, Any] = {"pool": "fast", "data": None, "capacity": None}
GRANTED = {
    "type": "SizeGranted",
    "status": "True",
    "reason": "Granted",
    "message": "",
    "observedGeneration": 1,
}
GROWS: dict[str, Any] = {"pool": "fast", "capacity": "1Gi", "conditions": [GRANTED]}


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


def put_copy(cache: Cache, source: dict[str, Any], on: str | None = "h1", **status: Any) -> Plan:
    """Volume `copy` in pool fast, which that host was to make; what is decided of it."""
    about = {"name": "copy", "namespace": "default", "uid": "uid-c", "resourceVersion": str(next(VERSIONS))}
    spec = {"source": source, "pool": "fast"}
    cache.put(VOLUMES, {"metadata": about, "spec": spec, "status": {"host": on, "pool": "fast"} | status})
    objects = Objects(cache)
    found = objects.get(Volume, "default/copy")
    assert found is not None
    return plan_volume(observe(objects, found))


def put_snapshot(cache: Cache, pool: str) -> dict[str, Any]:
    """One of disk root, kept in that pool by h1; what a copy of it names."""
    about = {"name": "snap", "namespace": "default", "uid": "uid-s", "resourceVersion": str(next(VERSIONS))}
    disk = {"name": "root", "volume": "data", "volumeUID": "uid-v", "pool": pool, "size": "1Gi"}
    status = {"host": "h1", "phase": "Ready", "data": "Present", "disks": [disk]}
    cache.put(
        VIRTUAL_MACHINE_SNAPSHOTS, {"metadata": about, "spec": {"virtualMachine": "w"}, "status": status}
    )
    return {"snapshot": {"name": "snap", "disk": "root"}}


@pytest.mark.parametrize("data", [None, "Absent"])
def test_another_host_of_its_pool_makes_it(cache: Cache, data: str | None) -> None:
    put(cache, "fast", **UNMADE | {"data": data})
    plan = planned(cache)
    assert (plan.host, plan.confirmed, plan.brings, plan.ready) == ("h2", "h2", True, None)


def test_another_host_of_its_pool_lets_it_grow_once_that_was_promised(cache: Cache) -> None:
    put(cache, "fast", **GROWS | {"conditions": []})
    plan = planned(cache)
    assert (plan.host, plan.size and plan.size.reason) == ("h1", "Granted")
    put(cache, "fast", **GROWS)
    plan = planned(cache)
    assert (plan.host, plan.confirmed, plan.brings, plan.ready) == ("h2", "h2", True, None)


def test_it_is_deleted_there_too(cache: Cache) -> None:
    put(cache, "fast", pool="fast", deleting=True)
    plan = planned(cache)
    assert (plan.host, plan.brings, plan.release) == ("h2", True, False)


def test_that_of_a_vm_that_is_gone_is_deleted_there_and_does_not_grow(cache: Cache) -> None:
    put(cache, "fast", **GROWS, **ATTACHED)
    assert planned(cache).brings is False, "its VM's start makes it larger"
    put(cache, "fast", pool="fast", deleting=True, **ATTACHED)
    assert planned(cache).brings is True


def test_another_host_copies_it_and_nobody_else_is_told_of_the_source(cache: Cache) -> None:
    put(cache, "fast", pool="fast")
    plan = put_copy(cache, {"volume": "data"})
    assert (plan.host, plan.confirmed, plan.brings, plan.ready) == ("h2", "h2", True, None)
    plan = planned(cache)
    assert (plan.host, plan.brings) == ("h1", False), "a host that dies costs no write for each volume"


def test_a_copy_of_what_a_silent_host_looks_after_gets_a_host(cache: Cache) -> None:
    put(cache, "fast", pool="fast")
    plan = put_copy(cache, {"volume": "data"}, None)
    assert (plan.host, plan.confirmed) == ("h2", "h2")


def test_a_copy_goes_to_a_host_that_reaches_its_source(cache: Cache) -> None:
    in_ceph(cache, "far")
    put(cache, "far", pool="far")
    assert put_copy(cache, {"volume": "data"}).brings is False
    host(cache, "h3", "far", "fast")
    assert put_copy(cache, {"volume": "data"}).host == "h3"


def test_another_host_makes_what_a_snapshot_in_ceph_keeps(cache: Cache) -> None:
    assert put_copy(cache, put_snapshot(cache, "local")).brings is False
    assert put_copy(cache, put_snapshot(cache, "fast")).host == "h2"


def test_hosts_that_come_and_go_have_volumes_looked_at(cache: Cache) -> None:
    put(cache, "fast", **GROWS)
    live = cache.get(HOSTS, "h1")
    assert live is not None
    of_host = VolumeController.watches[HOSTS]
    assert "default/data" in set(getattr(of_host, "mapper", of_host)(live, cache))


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ({}, {"pool": "fast"}),
        ({}, {"pool": "local"}),
        ({"source": {"volume": "other"}}, UNMADE),
        ({"source": {"upload": {}}}, UNMADE),
        ({}, GROWS | {"conditions": [GRANTED, MOVING]}),
        ({}, GROWS | {"movingTo": "far"}),
    ],
    ids=[
        "there is nothing to do",
        "one host reaches it",
        "its source is not there",
        "a file comes",
        "it is on its way to another pool",
        "it may be on its way by now",
    ],
)
def test_what_the_silent_host_alone_can_go_on_with_waits_for_it(
    cache: Cache, source: dict[str, Any], status: dict[str, Any]
) -> None:
    put(cache, "fast", extra=source, **status)
    plan = planned(cache)
    assert (plan.host, plan.brings) == ("h1", False)


def test_what_was_begun_of_a_deleted_one_the_silent_host_alone_takes_away(cache: Cache) -> None:
    put(cache, "fast", deleting=True, **UNMADE)
    assert planned(cache).brings is False
    put(cache, "fast", deleting=True, pool="fast", movingTo="local")
    plan = planned(cache)
    assert (plan.host, plan.brings, plan.moving_to) == ("h1", False, "local"), "what it has in that pool"
    host(cache, "h1", "fast", "local")
    assert planned(cache).moving_to == ""


def test_the_host_of_its_vm_acts(cache: Cache) -> None:
    vm(cache, "h1")
    put(cache, "fast", **UNMADE, **ATTACHED)
    assert planned(cache).brings is False
    put(cache, "fast", deleting=True, pool="fast", **ATTACHED)
    assert planned(cache).brings is False


@pytest.mark.parametrize("status", [UNMADE, GROWS])
def test_a_host_that_no_other_can_stand_in_for_keeps_it(cache: Cache, status: dict[str, Any]) -> None:
    put(cache, "fast", **status)
    silent(cache, "h2")
    plan = planned(cache)
    assert (plan.host, plan.brings) == ("h1", False)
