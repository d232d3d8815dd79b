"""Which hosts may read the key of a pool in Ceph: those that reach the pool, and no others."""

from __future__ import annotations

from typing import Any, cast

import pytest

from quantix_api.resources import HOSTS, NAMESPACE_HOSTS, NAMESPACE_SYSTEM, STORAGE_POOLS
from quantix_client.api import ApiClient
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.service import WATCHED
from quantix_operator.virtualmachine.secret_access import (
    SecretAccess,
    SecretAccessController,
    secrets_of_pools,
)


class Roles:
    """The API, as far as Roles and RoleBindings go."""

    def __init__(self) -> None:
        self.rules: dict[str, Any] = {}
        self.bound: dict[str, Any] = {}

    async def apply(self, resource: Any, manifest: dict[str, Any], *, manager: str) -> None:
        about = manifest["metadata"]
        key = f"{about['namespace']}/{about['name']}"
        if "rules" in manifest:
            self.rules[key] = manifest["rules"]
        else:
            self.bound[key] = [subject["name"] for subject in manifest["subjects"]]

    async def delete(self, resource: Any, name: str, namespace: str) -> None:
        (self.rules if resource.plural == "roles" else self.bound).pop(f"{namespace}/{name}")


class World:
    """Hosts and pools as the operator has heard of them."""

    def __init__(self) -> None:
        self.cache = Cache(WATCHED)
        self.objects = Objects(self.cache)
        self.roles = Roles()
        self.controller = SecretAccessController(SecretAccess(cast(ApiClient, self.roles), self.objects))
        self._version = 0

    def put(self, resource: Any, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
        self._version += 1
        about = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(self._version), **metadata}
        manifest = {"metadata": about, "spec": spec, "status": {}}
        self.cache.put(resource, manifest)
        return manifest

    def pool(self, name: str = "fast", secret: str = "ceph", **spec: Any) -> dict[str, Any]:
        """`secret`: "" for one to which each host comes with a key of its own."""
        place: dict[str, Any] = {"monitors": ["10.0.0.1"], "pool": "quantix"}
        place |= {"secretRef": {"name": secret}} if secret else {}
        return self.put(STORAGE_POOLS, name, {"rbd": place, **spec})


@pytest.fixture
def world() -> World:
    found = World()
    found.put(HOSTS, "h1", {}, labels={"rack": "a"})
    found.put(HOSTS, "h2", {}, labels={"rack": "b"})
    return found


def test_a_host_may_read_the_keys_of_the_pools_that_it_reaches(world: World) -> None:
    world.pool(hostSelector={"rack": "a"})
    world.pool("slow", "other")
    world.put(STORAGE_POOLS, "local", {"dir": {"path": "/srv/pool"}})

    assert sorted(secrets_of_pools(world.objects, NAMESPACE_SYSTEM, "h1")) == ["ceph", "other"]
    assert sorted(secrets_of_pools(world.objects, NAMESPACE_SYSTEM, "h2")) == ["other"]
    assert list(secrets_of_pools(world.objects, NAMESPACE_SYSTEM, "unknown")) == []
    assert list(secrets_of_pools(world.objects, NAMESPACE_HOSTS, "h1")) == []


def test_a_host_may_read_its_own_key_and_no_other_hosts(world: World) -> None:
    world.pool("fast", "", hostSelector={"rack": "a"})
    assert list(secrets_of_pools(world.objects, NAMESPACE_HOSTS, "h1")) == ["h1"]
    assert list(secrets_of_pools(world.objects, NAMESPACE_HOSTS, "h2")) == []
    assert list(secrets_of_pools(world.objects, NAMESPACE_SYSTEM, "h1")) == []


def test_a_change_of_a_pool_or_of_a_host_is_looked_at_for_all_that_it_may_concern(world: World) -> None:
    of_pools, of_hosts = (world.controller.watches[kind] for kind in (STORAGE_POOLS, HOSTS))
    host = world.put(HOSTS, "h2", {})
    local = world.put(STORAGE_POOLS, "local", {"dir": {"path": "/srv/pool"}})
    assert list(of_pools(local, world.cache)) == []
    assert list(of_hosts(host, world.cache)) == []

    pool = world.pool()

    of_h1, of_h2 = (["quantix-system/" + name, "quantix-hosts/" + name] for name in ("h1", "h2"))
    assert list(of_pools(pool, world.cache)) == [*of_h1, *of_h2]
    assert list(of_hosts(host, world.cache)) == of_h2


async def test_what_a_host_may_read_is_taken_back_with_its_label(world: World) -> None:
    world.pool(hostSelector={"rack": "a"})
    await world.controller.reconcile("quantix-system/h1")
    role = "quantix-system/quantix-host-h1"
    assert world.roles.bound[role] == ["quantix:host:h1"]
    assert world.roles.rules[role][0]["resourceNames"] == ["ceph"]

    world.put(HOSTS, "h1", {}, labels={"rack": "b"})
    await world.controller.reconcile("quantix-system/h1")

    assert world.roles.rules == {}
    assert world.roles.bound == {}
