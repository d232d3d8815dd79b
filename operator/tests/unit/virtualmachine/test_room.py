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
