"""Which VMs a change of something else wakes, and what a host may read for them."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import (
    HOSTS,
    IMAGES,
    INSTANCE_TYPES,
    NAMESPACES,
    NETWORKS,
    ROLE_BINDINGS,
    ROLES,
    SECURITY_GROUPS,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_operator.cache import Cache
from quantix_operator.virtualmachine.secret_access import render_access
from quantix_operator.virtualmachine.watches import WATCHES


def named(name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{namespace}-{name}", "resourceVersion": "1"}
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {}) | more}


def vm(
    name: str, namespace: str, spec: dict[str, Any], status: dict[str, Any] | None = None
) -> dict[str, Any]:
    return named(name, namespace) | {"spec": spec, "status": status or {}}


VMS = (
    vm(
        "web",
        "a",
        {
            "instanceType": "small",
            "disks": [{"name": "root", "image": "shared/tiny"}],
            "nics": [{"name": "eth0", "network": "shared/lan"}],
        },
        {"assignment": {"host": "h1", "epoch": 1}, "resolved": {"uuid": "u", "cores": 1}},
    ),
    vm("db", "a", {"disks": [{"name": "data", "volume": "data"}, {"name": "copy", "cloneOf": "other"}]}),
    vm(
        "own",
        "b",
        {
            "cdroms": [{"name": "cd", "image": "tiny"}],
            "nics": [{"name": "eth0", "network": "lan", "securityGroups": ["web"]}],
        },
    ),
    vm(
        "away",
        "d",
        {"placement": {"antiAffinity": [{"vmSelector": {"app": "db"}}]}},
        {"resolved": {"uuid": "u", "cores": 1}},
    ),
    vm("chooser", "b", {"identity": {"uuid": "uid-a-web"}}, {"resolved": {"uuid": "u", "cores": 1}}),
)

CASES: dict[str, tuple[Resource, dict[str, Any], set[str]]] = {
    "itself": (VIRTUAL_MACHINES, VMS[0], {"a/web"}),
    "a neighbour of one that wants others away": (
        VIRTUAL_MACHINES,
        vm("db-2", "d", {}),
        {"d/db-2", "d/away"},
    ),
    "a VM that goes, whose UUID it chose": (
        VIRTUAL_MACHINES,
        named("web", "a", deletionTimestamp="2026-01-01T00:00:00Z"),
        {"a/web", "b/chooser"},
    ),
    "a VM that chose the same UUID": (
        VIRTUAL_MACHINES,
        vm("rival", "c", {"identity": {"uuid": "uid-a-web"}}),
        {"c/rival", "b/chooser"},
    ),
    "a volume made for it": (
        VOLUMES,
        named("long-hash", "a", annotations={"quantix.io/virtual-machine": "web"}),
        {"a/web"},
    ),
    "a volume of a name that it would take": (VOLUMES, named("web-root", "a"), {"a/web"}),
    "a volume for which one of such a name is kept": (
        VOLUMES,
        named("copy", "a") | {"spec": {"source": {"volume": "web-root"}}},
        {"a/web"},
    ),
    "a copy of one of such a name that is made": (
        VOLUMES,
        named("copy", "a") | {"spec": {"source": {"volume": "web-root"}}, "status": {"data": "Present"}},
        set(),
    ),
    "a volume that it attaches": (VOLUMES, named("data", "a"), {"a/db"}),
    "a volume that it copies": (VOLUMES, named("other", "a"), {"a/db"}),
    "a volume of another namespace": (VOLUMES, named("data", "b"), set()),
    "an image that all share": (IMAGES, named("tiny", "quantix-shared"), {"a/web"}),
    "an image of its namespace": (IMAGES, named("tiny", "b"), {"b/own"}),
    "a network that all share": (NETWORKS, named("lan", "quantix-shared"), {"a/web"}),
    "a network of its namespace": (NETWORKS, named("lan", "b"), {"b/own"}),
    "the group of a NIC that names none": (SECURITY_GROUPS, named("default", "a"), {"a/web"}),
    "a group that it lists": (SECURITY_GROUPS, named("web", "b"), {"b/own"}),
    "its type": (INSTANCE_TYPES, named("small"), {"a/web"}),
    "its host": (HOSTS, named("h1"), {"a/web"}),
    "a pool, for those that wait": (STORAGE_POOLS, named("fast"), {"a/db", "b/own"}),
    "labels of its namespace": (NAMESPACES, named("b"), {"b/own"}),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_vm_is_woken_by(case: str) -> None:
    resource, changed, woken = CASES[case]
    cache = Cache([VIRTUAL_MACHINES])
    for item in VMS:
        cache.put(VIRTUAL_MACHINES, item)
    assert set(WATCHES[resource](changed, cache)) == woken


@pytest.mark.parametrize("resource", WATCHES, ids=lambda resource: resource.kind)
def test_half_filled_objects_wake_nobody_and_break_nothing(resource: Resource) -> None:
    cache = Cache([VIRTUAL_MACHINES])
    cache.put(VIRTUAL_MACHINES, named("empty", "a"))
    bare = named("x", "a" if resource.namespaced else "")
    assert set(WATCHES[resource](bare, cache)) <= {"a/x", "a/empty"}


def test_a_host_may_read_exactly_the_secrets_that_are_named() -> None:
    (roles, role), (bindings, binding) = render_access("a", "h1", ["b", "a"])
    assert (roles, bindings) == (ROLES, ROLE_BINDINGS)
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["a", "b"]}
    ]
    assert binding["subjects"][0]["name"] == "quantix:host:h1"
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "quantix-host-h1"
