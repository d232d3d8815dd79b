"""A VM that no change of others lets start takes no room in a pool."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_api.resources import NAMESPACES, QUANTIX_RESOURCES, STORAGE_POOLS, VIRTUAL_MACHINES, VOLUMES
from quantix_client.api import Manifest
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.objects import Objects
from quantix_operator.virtualmachine.controller import VirtualMachineController
from quantix_operator.virtualmachine.observed import Observed
from quantix_operator.virtualmachine.ports import NicsResult

from .seen_vm import ASSIGNED, PORTS

OUTSIDE = NicsResult((), False, "AddressOutsideSubnet", "Address 10.9.0.1 is the gateway of network lan.")
IN_USE = NicsResult((), False, "AddressInUse", "Address 10.9.0.7 in network lan belongs to VM a/b.")
STATIC = {"name": "eth0", "network": "lan", "addresses": ["10.9.0.1"]}
ANY = {"name": "eth0", "network": "lan"}


class Api:
    """Makes volumes; `made` are their names."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def create(self, _: Any, manifest: Manifest) -> Manifest:
        self.made.append(manifest["metadata"]["name"])
        metadata = {**manifest["metadata"], "uid": "uid-volume", "resourceVersion": "2"}
        return {**manifest, "metadata": metadata}


class Ports:
    """Answers the same each time."""

    def __init__(self, answer: NicsResult) -> None:
        self.answer = answer

    async def ensure_ports(self, _: VirtualMachine) -> NicsResult:
        return self.answer


class Controller(VirtualMachineController):
    """Keeps what it would have said."""

    async def _say(self, observed: Observed) -> float | None:
        self.said = observed
        return None


async def made_for(nic: Manifest, answer: NicsResult, status: Manifest | None = None) -> list[str]:
    parts: Any = SimpleNamespace()
    api: Any = Api()
    context = Context(parts, api, Cache((*QUANTIX_RESOURCES, NAMESPACES)), parts, parts, parts, parts, "uid")
    metadata = {"name": "local", "uid": "uid-pool", "resourceVersion": "1"}
    context.cache.put(STORAGE_POOLS, {"metadata": metadata, "spec": {"dir": {"path": "/p"}, "default": True}})
    spec = {"disks": [{"name": "root", "size": "1Gi"}], "nics": [nic], "memory": {"size": "1Gi"}}
    spec |= {"cpu": {"cores": 1}}
    metadata = {"name": "web-1", "namespace": "a", "uid": "uid-web", "resourceVersion": "1"}
    vm = {"metadata": metadata, "spec": spec, "status": status or {}}
    context.cache.put(VIRTUAL_MACHINES, vm)
    objects = Objects(context.cache)
    ports: Any = Ports(answer)
    controller = Controller(context, objects, ports, parts)
    await controller._look_after(objects.list(VirtualMachine)[0])
    assert controller.said.nics == answer, "what keeps it is said"
    assert len(context.cache.list(VOLUMES)) == len(api.made)
    return list(api.made)


@pytest.mark.parametrize(
    ("nic", "answer", "made"),
    [
        (STATIC, OUTSIDE, []),
        (STATIC, PORTS, ["web-1-root"]),
        # whoever has the address may go
        (STATIC, IN_USE, ["web-1-root"]),
        (ANY, PORTS, ["web-1-root"]),
    ],
    ids=["never", "connected", "for now", "no address named"],
)
async def test_volumes_are_made_for_what_may_start(
    nic: Manifest, answer: NicsResult, made: list[str]
) -> None:
    assert await made_for(nic, answer) == made


async def test_a_vm_that_has_a_host_is_looked_after_whatever_its_nics_ask_for() -> None:
    assert await made_for(STATIC, OUTSIDE, ASSIGNED) == ["web-1-root"]
