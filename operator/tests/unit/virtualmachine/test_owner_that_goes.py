"""An owner that a volume got with the deletion of its VM stays, however late the operator learns of that."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_api.resources import (
    LABEL_VIRTUAL_MACHINE_UID,
    NAMESPACES,
    QUANTIX_RESOURCES,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.errors import NotFound
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.objects import Objects
from quantix_operator.virtualmachine.controller import VirtualMachineController
from quantix_operator.virtualmachine.observed import Observed

Manifest = dict[str, Any]
ABOUT = {"namespace": "a", "resourceVersion": "1"}
OWNER = {"apiVersion": VIRTUAL_MACHINES.api_version, "kind": "VirtualMachine", "name": "web-1", "uid": "u"}
GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
MEMORY = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}}
ROOT = [{"name": "root", "size": "1Gi", "reclaimPolicy": "Retain"}]


def web(disks: list[Manifest]) -> Manifest:
    return {
        "metadata": {**ABOUT, "name": "web-1", "uid": "u"},
        "spec": MEMORY | {"disks": disks},
        "status": {},
    }


class Api:
    """Has the VM as it is by now, None when it is gone; `calls` are the writes."""

    def __init__(self, vm: Manifest | None) -> None:
        self.vm = vm
        self.calls: list[tuple[str, Any]] = []

    async def get(self, resource: Resource, name: str, namespace: str) -> Manifest:
        if self.vm is None or (resource, name, namespace) != (VIRTUAL_MACHINES, "web-1", "a"):
            raise NotFound(name)
        return self.vm

    async def patch(self, _: Resource, name: str, patch: Manifest, namespace: str) -> Manifest:
        self.calls.append(("patch", patch["metadata"].get("ownerReferences")))
        return {"metadata": {**ABOUT, "name": name, "uid": "v", "resourceVersion": "2"}, "spec": {}}

    async def delete(self, _: Resource, name: str, namespace: str, **__: Any) -> None:
        self.calls.append(("delete", name))


class Controller(VirtualMachineController):
    """Says nothing."""

    async def _say(self, observed: Observed) -> float | None:
        return None


async def done_for(disks: list[Manifest], live: Manifest | None) -> list[tuple[str, Any]]:
    """What becomes of an owned volume of a VM that the cache knows as one that stays."""
    parts: Any = SimpleNamespace()
    api: Any = Api(live)
    context = Context(parts, api, Cache((*QUANTIX_RESOURCES, NAMESPACES)), parts, parts, parts, parts, "uid")
    labels = {"labels": {LABEL_VIRTUAL_MACHINE_UID: "u"}, "ownerReferences": [OWNER]}
    about = {**ABOUT, **labels, "name": "web-1-root", "uid": "v"}
    context.cache.put(VOLUMES, {"metadata": about, "spec": {"size": "1Gi"}, "status": {}})
    context.cache.put(VIRTUAL_MACHINES, web(disks))
    objects = Objects(context.cache)
    controller = Controller(context, objects, parts, parts)
    await controller._look_after(objects.list(VirtualMachine)[0])
    return list(api.calls)


def changed(vm: Manifest, about: Manifest) -> Manifest:
    other = copy.deepcopy(vm)
    other["metadata"] |= about
    return other


@pytest.mark.parametrize("disks", [ROOT, []], ids=["kept disk", "disk that left"])
@pytest.mark.parametrize(
    "live", [changed(web(ROOT), GOING), None, changed(web(ROOT), {"uid": "w"})], ids=["goes", "gone", "anew"]
)
async def test_a_cache_that_lags_takes_no_owner_off_a_volume(
    disks: list[Manifest], live: Manifest | None
) -> None:
    assert await done_for(disks, live) == []


async def test_a_disk_that_is_to_be_kept_from_now_on_is_no_longer_owned() -> None:
    assert await done_for(ROOT, web(ROOT)) == [("patch", [])]


async def test_a_volume_whose_disk_left_the_vm_goes_as_its_disk_said() -> None:
    assert await done_for([], web([])) == [("patch", []), ("delete", "web-1-root")]
