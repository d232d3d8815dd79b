"""Disks against the room of their pools, and names near to wrong ones, over a cache."""

from __future__ import annotations

import time
from typing import Any

from quantix_api import Network, VirtualMachine
from quantix_api.resources import (
    IMAGES,
    NAMESPACES,
    NETWORKS,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VOLUMES,
    Resource,
)
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.virtualmachine.disks import disk_wishes, missing_sources
from quantix_operator.virtualmachine.room import lacking_room


def cache_of(*found: tuple[Resource, dict[str, Any]]) -> Cache:
    cache = Cache((IMAGES, NAMESPACES, NETWORKS, STORAGE_POOLS, VIRTUAL_MACHINE_SNAPSHOTS, VOLUMES))
    for resource, manifest in found:
        metadata = {"uid": f"uid-{manifest['metadata']['name']}", "resourceVersion": "1"}
        cache.put(resource, {**manifest, "metadata": metadata | manifest["metadata"]})
    return cache


def test_disks_are_promised_room_in_their_order() -> None:
    pool = {
        "metadata": {"name": "local"},
        "spec": {"dir": {"path": "/pool"}, "default": True, "overcommitPercent": 100},
        "status": {"capacity": "10Gi"},
    }
    objects = Objects(cache_of((STORAGE_POOLS, pool)))
    disks = [{"name": "a", "size": "6Gi"}, {"name": "b", "size": "6Gi"}, {"name": "c", "size": "4Gi"}]
    vm = VirtualMachine.parse(
        {"metadata": {"name": "web", "namespace": "default", "uid": "u"}, "spec": {"disks": disks}}
    )
    refused = lacking_room(objects, vm, disk_wishes(vm), {})
    assert {name: lack.reason for name, lack in refused.new.items()} == {"b": "PoolFull"}
    assert refused.growths == {}


def test_a_disk_waits_for_the_snapshot_that_it_comes_from() -> None:
    disks = [{"name": "root", "snapshot": "before"}, {"name": "data", "size": "1Gi", "pool": "local"}]
    vm = VirtualMachine.parse(
        {"metadata": {"name": "web", "namespace": "default", "uid": "u"}, "spec": {"disks": disks}}
    )
    pool = {"metadata": {"name": "local"}, "spec": {"dir": {"path": "/pool"}}}
    missing = missing_sources(Objects(cache_of((STORAGE_POOLS, pool))), vm)
    assert {name: lack and lack.reason for name, lack in missing.items()} == {
        "root": "SnapshotNotFound",
        "data": None,
    }


def test_a_disk_is_promised_what_its_image_has_however_small_it_is_asked_for() -> None:
    pool = {
        "metadata": {"name": "local"},
        "spec": {"dir": {"path": "/pool"}, "default": True, "overcommitPercent": 100},
        "status": {"capacity": "10Gi"},
    }
    image = {
        "metadata": {"name": "big", "namespace": "default"},
        "spec": {"upload": {}},
        "status": {"virtualSize": "6Gi"},
    }
    objects = Objects(cache_of((STORAGE_POOLS, pool), (IMAGES, image)))
    disks = [{"name": name, "image": "big", "size": "1Mi"} for name in ("a", "b")]
    vm = VirtualMachine.parse(
        {"metadata": {"name": "web", "namespace": "default", "uid": "u"}, "spec": {"disks": disks}}
    )
    refused = lacking_room(objects, vm, disk_wishes(vm), {})
    assert {name: lack.reason for name, lack in refused.new.items()} == {"b": "PoolFull"}


def test_a_shared_network_is_near_to_its_bare_name() -> None:
    shared = {"metadata": {"name": "default", "namespace": "quantix-shared"}, "spec": {}}
    objects = Objects(cache_of((NETWORKS, shared)))
    assert objects.near_name(Network, "default", "team") == "shared/default"
    assert objects.near_name(Network, "zzz", "team") == ""


def test_names_are_compared_with_few_however_many_there_are() -> None:
    wanted = "ab" * 120
    names = [f"{wanted[:-6]}-{number:04}x" for number in range(500)]
    found = [{"metadata": {"name": name, "namespace": "team"}, "spec": {}} for name in names]
    objects = Objects(cache_of(*((NETWORKS, network) for network in found)))
    assert len(objects.list(Network)) == len(names), "they are read once"
    began_s = time.process_time()
    for disk in range(32):
        assert objects.near_name(Network, f"{wanted}{disk}", "team") == ""
    # the operator does nothing else meanwhile; to compare each with all takes 4 s
    assert time.process_time() - began_s < 1


def test_what_is_being_deleted_is_near_to_nothing_and_said_to_go() -> None:
    metadata = {"namespace": "quantix-shared", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    objects = Objects(cache_of((NETWORKS, {"metadata": {**metadata, "name": "default"}, "spec": {}})))
    assert objects.near_name(Network, "shared/default", "team") == ""
    assert objects.near_name(Network, "shared/defualt", "team") == ""
    assert objects.is_going(Network, "shared/default", "team")
    assert not objects.is_going(Network, "default", "team")


def test_a_network_that_the_namespace_may_not_use_is_not_near_to_its_own_name() -> None:
    metadata = {"name": "lan", "namespace": "team"}
    objects = Objects(cache_of((NETWORKS, {"metadata": metadata, "spec": {}})))
    assert objects.near_name(Network, "lan", "team") == ""
