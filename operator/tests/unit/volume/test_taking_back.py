"""What the controller does about a host that has no right to a Volume."""

from __future__ import annotations

import asyncio
import copy
from types import SimpleNamespace
from typing import Any, cast

from quantix_api.resources import (
    HOSTS,
    IMAGES,
    NAMESPACES,
    SCHEDULING_POLICIES,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.errors import NotFound
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.objects import Objects
from quantix_operator.volume.controller import VolumeController

KEY = "default/web-1-root"
_KINDS = (HOSTS, IMAGES, NAMESPACES, SCHEDULING_POLICIES, STORAGE_POOLS, VIRTUAL_MACHINES, VOLUMES)


class World:
    """A cache, and an API that holds the VM as it really is; `patches` are what reached it."""

    def __init__(self, cached: dict[str, Any], real: dict[str, Any] | None) -> None:
        self.cache = Cache(_KINDS)
        self.patches: list[tuple[Resource, Manifest]] = []
        self.told: list[tuple[str, str]] = []
        self.real = None if real is None else self._vm(real, "9")
        host = {"name": "h9", "uid": "uid-h9", "resourceVersion": "1"}
        self.cache.put(HOSTS, {"metadata": host, "spec": {}, "status": {"phase": "Ready"}})
        self.cache.put(VIRTUAL_MACHINES, self._vm(cached, "2"))
        marks = {
            "labels": {"quantix.io/virtual-machine-uid": "uid-web-1"},
            "annotations": {"quantix.io/virtual-machine": "web-1"},
        }
        metadata = {"name": "web-1-root", "namespace": "default", "uid": "uid-v", "resourceVersion": "3"}
        finalizer = {"finalizers": ["quantix.io/cleanup"]}
        said = {"host": "h9", "data": "Present", "handle": "uid-v", "phase": "Available", "capacity": "1Gi"}
        self.cache.put(
            VOLUMES, {"metadata": metadata | marks | finalizer, "spec": {"size": "1Gi"}, "status": said}
        )
        locks = {"promising": asyncio.Lock(), "placing": asyncio.Lock()}
        context = SimpleNamespace(api=self, cache=self.cache, events=self, **locks)
        self.controller = VolumeController(cast(Context, context), Objects(self.cache))

    @staticmethod
    def _vm(assignment: dict[str, Any], version: str) -> Manifest:
        metadata = {
            "name": "web-1",
            "namespace": "default",
            "uid": "uid-web-1",
            "resourceVersion": version,
        }
        spec = {"disks": [{"name": "root", "size": "1Gi"}]}
        return {
            "metadata": metadata,
            "spec": spec,
            "status": {"assignment": assignment} if assignment else {},
        }

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        assert (resource, name, namespace) == (VIRTUAL_MACHINES, "web-1", "default")
        if self.real is None:
            raise NotFound("it is gone")
        return self.real

    async def patch(
        self, resource: Resource, name: str, patch: Manifest, namespace: str | None = None, **_: Any
    ) -> Manifest:
        self.patches.append((resource, patch))
        written = copy.deepcopy(self.cache.get(resource, f"{namespace}/{name}"))
        assert written is not None
        assert patch["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]
        written["metadata"]["resourceVersion"] = "10"
        merged = written["status"] | patch["status"]
        written["status"] = {member: value for member, value in merged.items() if value is not None}
        return written

    def record(self, regarding: Manifest, reason: str, text: str, **_: Any) -> None:
        self.told.append((reason, text))


async def test_all_that_the_host_said_is_forgotten_at_once() -> None:
    world = World({}, {})
    await world.controller.reconcile(KEY)
    live = world.cache.get(VOLUMES, KEY)
    assert live is not None
    assert live["status"] == {}
    assert [reason for reason, _ in world.told] == ["Denied"]
    assert "h9" in world.told[0][1]
    await world.controller.reconcile(KEY)
    assert len(world.patches) == 1


async def test_the_host_that_the_vm_was_given_acts_on_it_from_then_on() -> None:
    world = World({"host": "h1", "epoch": 1}, {"host": "h1", "epoch": 1})
    await world.controller.reconcile(KEY)
    live = world.cache.get(VOLUMES, KEY)
    assert live is not None
    assert live["status"] == {"host": "h1"}


async def test_a_cache_that_lags_behind_the_assignment_denies_nobody() -> None:
    world = World({}, {"host": "h9", "epoch": 1})
    await world.controller.reconcile(KEY)
    await world.controller.reconcile(KEY)
    assert (world.patches, world.told) == ([], [])


async def test_a_vm_that_is_gone_disproves_nothing() -> None:
    world = World({}, None)
    await world.controller.reconcile(KEY)
    assert (world.patches, world.told) == ([], [])
