"""A Volume that is to go to another pool, as the operator sees it: for tests of what is decided of it."""

from __future__ import annotations

from itertools import count
from typing import Any

from quantix_api import Volume
from quantix_api.resources import HOSTS, STORAGE_POOLS, VIRTUAL_MACHINES, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.service import WATCHED
from quantix_operator.volume.observe import observe
from quantix_operator.volume.plan import Plan, plan_volume

VERSIONS = count(2)
MOVING = {"type": "Ready", "status": "False", "reason": "Moving", "message": "It is on its way."}


def known_cluster() -> Cache:
    """Host h1 reaches the pools local and fast, not far; tenant is not for this namespace."""
    cache = Cache(WATCHED)
    reached = [{"name": name, "state": "Reachable"} for name in ("local", "fast", "tenant")]
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "It is."}
    host: dict[str, Any] = {"status": {"pools": reached, "conditions": [ready]}, "spec": {}}
    cache.put(HOSTS, {"metadata": {"name": "h1", "uid": "uid-h1", "resourceVersion": "1"}, **host})
    for name in ("local", "fast", "far", "tenant"):
        spec: dict[str, Any] = {"dir": {"path": f"/var/lib/{name}"}, "default": name == "local"}
        if name == "tenant":
            spec["allowedNamespaces"] = {"tenant": "other"}
        metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
        cache.put(STORAGE_POOLS, {"metadata": metadata, "spec": spec, "status": {"capacity": "10Gi"}})
    return cache


def put(
    cache: Cache,
    wanted: str | None,
    *,
    size: str = "4Gi",
    extra: dict[str, Any] | None = None,
    deleting: bool = False,
    **status: Any,
) -> None:
    version = str(next(VERSIONS))
    metadata: dict[str, Any] = {"name": "data", "namespace": "default", "uid": "uid-v", "generation": 1}
    metadata["resourceVersion"] = version
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    there = {"host": "h1", "pool": "local", "data": "Present", "capacity": size, "confirmedHost": "h1"}
    spec = {"size": size, **(extra or {})} | ({"pool": wanted} if wanted else {})
    cache.put(VOLUMES, {"metadata": metadata, "spec": spec, "status": there | status})


def planned(cache: Cache) -> Plan:
    objects = Objects(cache)
    volume = objects.get(Volume, "default/data")
    assert volume is not None
    return plan_volume(observe(objects, volume))


def in_ceph(cache: Cache, *pools: str) -> None:
    """Those pools are in Ceph."""
    for name in pools:
        metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(next(VERSIONS))}
        spec = {"rbd": {"monitors": ["m"], "pool": "p", "user": "u", "secretRef": {"name": "s"}}}
        cache.put(STORAGE_POOLS, {"metadata": metadata, "spec": spec, "status": {"capacity": "10Gi"}})


def host(cache: Cache, name: str, *pools: str) -> None:
    reached = [{"name": pool, "state": "Reachable"} for pool in pools]
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "It is."}
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(next(VERSIONS))}
    cache.put(HOSTS, {"metadata": metadata, "status": {"pools": reached, "conditions": [ready]}, "spec": {}})


def vm(cache: Cache, on: str, *, disks: tuple[str, ...] = ("data",), **parts: Any) -> None:
    """VM web-1, which attaches the volume; on that host, "" for none."""
    metadata = {
        "name": "web-1",
        "namespace": "default",
        "uid": "uid-vm",
        "resourceVersion": str(next(VERSIONS)),
    }
    spec = {"disks": [{"name": name, "volume": name} for name in disks], **parts.pop("spec", {})}
    status = {"assignment": {"host": on or None, "epoch": 1}, **parts}
    cache.put(VIRTUAL_MACHINES, {"metadata": metadata, "spec": spec, "status": status})


def refusal(plan: Plan) -> str:
    return plan.refused_move.reason if plan.refused_move else ""


ATTACHED: dict[str, Any] = {"attachedTo": [{"uid": "uid-vm", "name": "web-1"}]}
