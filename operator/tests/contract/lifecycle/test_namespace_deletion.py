"""A namespace that is deleted takes disks with their VMs, not before: a protected VM keeps its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import FINALIZER, LABEL_VIRTUAL_MACHINE_UID, NAMESPACES, VIRTUAL_MACHINES, VOLUMES
from quantix_client.api import ApiClient, Manifest
from quantix_client.errors import NotFound
from quantix_lab.operator_world import OperatorWorld

from .small_vm import SMALL

pytestmark = pytest.mark.asyncio(loop_scope="package")

# the server's own controller begins after 5 s, and tries again after pauses that double
_WITHIN_S = 60.0
_HOLD = "example.org/hold"
DISKS: dict[str, Any] = {"disks": [{"name": "root", "size": "1Gi"}, {"name": "extra", "volume": "extra"}]}


async def test_a_protected_vm_keeps_its_disks(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VOLUMES, "extra", {"size": "1Gi"}, namespace)
    await world.apply(VIRTUAL_MACHINES, "prot", SMALL | DISKS | {"deletionProtection": True}, namespace)
    # the server goes by name, and ends at the first that is refused
    await world.apply(VIRTUAL_MACHINES, "zoo", SMALL, namespace)
    for name in ("prot", "zoo"):
        await world.until_ready(name, namespace)
    held = {"metadata": {"finalizers": [FINALIZER, _HOLD]}}
    await world.admin.patch(VIRTUAL_MACHINES, "zoo", held, namespace)
    await world.admin.delete(NAMESPACES, namespace)
    await world.until(NAMESPACES, namespace, _was_refused, within_s=_WITHIN_S)
    for name, reason in (("prot", "NamespaceDeleting"), ("zoo", "GoesWithNamespace")):
        await world.until(VIRTUAL_MACHINES, name, _tells_of_its_namespace(reason), namespace)
    await world.admin.patch(VIRTUAL_MACHINES, "prot", {"spec": {"powerState": "Stopped"}}, namespace)
    await world.until_ready("prot", namespace, "Stopped")
    for name in ("prot-root", "extra"):
        kept = await world.admin.get(VOLUMES, name, namespace)
        assert ("deletionTimestamp" in kept["metadata"], kept["status"]["data"]) == (False, "Present")

    await world.admin.patch(VIRTUAL_MACHINES, "prot", {"spec": {"deletionProtection": False}}, namespace)
    await world.until(VIRTUAL_MACHINES, "zoo", _leaves_in_silence, namespace, within_s=_WITHIN_S)
    await world.admin.patch(VIRTUAL_MACHINES, "zoo", {"metadata": {"finalizers": None}}, namespace)
    await _until_gone(world, namespace)


async def test_where_nothing_is_protected_all_of_it_goes(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VOLUMES, "extra", {"size": "1Gi"}, namespace)
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | DISKS, namespace)
    await world.until_ready("web-1", namespace)
    marks = {LABEL_VIRTUAL_MACHINE_UID: "0e5c7a94-1d0c-4a3e-8f0b-6f4f3d1f2a11"}
    of_a_vm_that_is_gone = {"name": "stray", "namespace": namespace, "labels": marks}
    access = world.control_plane.operator_kubeconfig
    async with ApiClient.from_kubeconfig(access, user_agent="test") as operator:
        await operator.create(VOLUMES, {"metadata": of_a_vm_that_is_gone, "spec": {"size": "1Gi"}})
    await world.admin.delete(NAMESPACES, namespace)
    await _until_gone(world, namespace)


def _tells_of_its_namespace(reason: str) -> Callable[[Manifest], bool]:
    def tells(vm: Manifest) -> bool:
        told = condition_of(vm, "NamespaceKept")
        return (told.get("status"), told.get("reason")) == ("False", reason)

    return tells


def _leaves_in_silence(vm: Manifest) -> bool:
    return vm["metadata"].get("finalizers") == [_HOLD] and not condition_of(vm, "NamespaceKept")


def _was_refused(live: Manifest) -> bool:
    """Whether the server has met something of the namespace that may not be deleted."""
    conditions = live.get("status", {}).get("conditions", [])
    return any(
        item["type"] == "NamespaceDeletionContentFailure" and item["status"] == "True" for item in conditions
    )


async def _until_gone(world: OperatorWorld, name: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while time.monotonic() < deadline:
        try:
            live = await world.admin.get(NAMESPACES, name)
        except NotFound:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"namespace {name} is still there: {live.get('status')}")
