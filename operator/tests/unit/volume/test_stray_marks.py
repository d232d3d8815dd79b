"""The mark of a VM that is gone keeps no Volume in a namespace that is deleted."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from quantix_api.resources import NAMESPACES, QUANTIX_RESOURCES, VIRTUAL_MACHINES, VOLUMES, Resource
from quantix_client.api import Manifest
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.objects import Objects
from quantix_operator.volume.controller import VolumeController

UID = "quantix.io/virtual-machine-uid"
NAME = "quantix.io/virtual-machine"
GOING = {"deletionTimestamp": "2026-11-29T10:00:00Z"}


class World:
    """A cache, and an API with the VMs (UIDs) that are there; `patches` are what reached it."""

    def __init__(self, namespace: dict[str, str], cached: list[str], real: list[str]) -> None:
        self.cache = Cache((*QUANTIX_RESOURCES, NAMESPACES))
        self.patches: list[Manifest] = []
        self.real = real
        about = {"name": "team", "uid": "uid-team", "resourceVersion": "1"}
        self.cache.put(NAMESPACES, {"metadata": {**about, **namespace}})
        for uid in cached:
            self.cache.put(VIRTUAL_MACHINES, vm(uid))
        metadata = {"name": "web-root", "namespace": "team", "uid": "uid-v", "resourceVersion": "3"}
        marks = {
            "labels": {UID: "uid-web"},
            "annotations": {NAME: "web"},
            "finalizers": ["quantix.io/cleanup"],
        }
        self.cache.put(VOLUMES, {"metadata": metadata | marks, "spec": {"size": "1Gi"}})
        locks = {"promising": asyncio.Lock(), "placing": asyncio.Lock()}
        context = SimpleNamespace(api=self, cache=self.cache, events=self, **locks)
        self.controller = VolumeController(cast(Context, context), Objects(self.cache))

    async def list(self, resource: Resource, namespace: str) -> Any:
        assert (resource, namespace) == (VIRTUAL_MACHINES, "team")
        return SimpleNamespace(items=[vm(uid) for uid in self.real])

    async def patch(
        self, resource: Resource, name: str, patch: Manifest, namespace: str, **_: Any
    ) -> Manifest:
        live = self.cache.get(resource, f"{namespace}/{name}")
        assert live is not None
        if "status" not in patch:
            self.patches.append(patch)
        return live


def vm(uid: str) -> Manifest:
    metadata = {"name": "web", "namespace": "team", "uid": uid, "resourceVersion": "2"}
    return {"metadata": metadata, "spec": {"disks": [{"name": "root", "size": "1Gi"}]}}


OFF = {"metadata": {"resourceVersion": "3", "labels": {UID: None}, "annotations": {NAME: None}}}


@pytest.mark.parametrize(
    ("namespace", "cached", "real", "patches"),
    [
        (GOING, [], [], [OFF]),
        (GOING, ["uid-new"], ["uid-new"], [OFF]),
        (GOING, ["uid-web"], ["uid-web"], []),
        (GOING, [], ["uid-web"], []),
        ({}, [], [], []),
    ],
    ids=["gone", "another of its name", "there", "the cache lags", "the namespace stays"],
)
async def test_a_mark_goes_where_its_vm_is_gone(
    namespace: dict[str, str], cached: list[str], real: list[str], patches: list[Manifest]
) -> None:
    world = World(namespace, cached, real)
    await world.controller.reconcile("team/web-root")
    assert world.patches == patches


@pytest.mark.parametrize(("namespace", "keys"), [(GOING, ["team/web-root"]), ({}, [])], ids=["goes", "stays"])
def test_a_namespace_that_is_deleted_has_its_marked_volumes_looked_at(
    namespace: dict[str, str], keys: list[str]
) -> None:
    world = World(namespace, [], [])
    live = world.cache.get(NAMESPACES, "team")
    assert live is not None
    assert list(VolumeController.watches[NAMESPACES](live, world.cache)) == keys


def test_so_are_those_of_a_vm_that_goes() -> None:
    world = World({}, [], [])
    going = vm("uid-web")
    going["metadata"].update(GOING)
    going["status"] = {"assignment": {"host": "h1", "epoch": 1}}
    assert "team/web-root" in set(VolumeController.watches[VIRTUAL_MACHINES](going, world.cache))
