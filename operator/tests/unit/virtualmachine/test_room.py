"""Disks against the room of their pools, and names near to wrong ones, over a cache."""

from __future__ import annotations

from typing import Any

from quantix_api import Network, VirtualMachine
from quantix_api.resources import IMAGES, NAMESPACES, NETWORKS, STORAGE_POOLS, VOLUMES, Resource
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.virtualmachine.disks import disk_wishes
from quantix_operator.virtualmachine.room import lacking_room


def cache_of(*found: tuple[Resource, dict[str, Any]]) -> Cache:
    cache = Cache((IMAGES, NAMESPACES, NETWORKS, STORAGE_POOLS, VOLUMES))
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


def test_a_shared_network_is_near_to_its_bare_name() -> None:
    shared = {"metadata": {"name": "default", "namespace": "quantix-shared"}, "spec": {}}
    objects = Objects(cache_of((NETWORKS, shared)))
    assert objects.near_name(Network, "default", "team") == "shared/default"
    assert objects.near_name(Network, "zzz", "team") == ""


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
