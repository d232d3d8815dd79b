"""What a Host says of its VMs is their plain sum, whatever became of them."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from quantix_api import Host
from quantix_api.compute import memory_request_bytes
from quantix_api.conditions import condition_of
from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_api.resources import (
    FINALIZER,
    HOSTS,
    QUANTIX_RESOURCES,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    Resource,
)
from quantix_lab.clocks import ManualClock
from quantix_operator.cache import Cache
from quantix_operator.host.controller import HostController
from quantix_operator.host.drains import Drains
from quantix_operator.objects import Objects

from ..owning_api import OwningApi

_GIB = 1 << 30
_NAMES, _HOSTS = ("v1", "v2", "v3"), ("h1", "h2", None)


def vm(name: str, uid: str, version: int, host: str | None, cores: int, memory: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "a", "uid": uid, "resourceVersion": str(version)}
    status: dict[str, Any] = {"resolved": {"cores": cores, "memory": memory}}
    if host is not None:
        status["assignment"] = {"host": host, "epoch": 1}
    return {"metadata": metadata, "spec": {}, "status": status}


def host(**metadata: Any) -> dict[str, Any]:
    about = {"name": "h1", "uid": "h1", "resourceVersion": "1", "generation": 1} | metadata
    ready = {"type": "Ready", "status": "True", "reason": "Healthy"}
    return {"metadata": about, "spec": {}, "status": {"conditions": [ready]}}


class World:
    def __init__(self, shown: dict[str, Any]) -> None:
        self.clock, self.api, self.cache = ManualClock(), OwningApi(shown), Cache(QUANTIX_RESOURCES)
        context: Any = SimpleNamespace(api=self.api, cache=self.cache, clock=self.clock, events=None)
        self.silent_s = 0.0
        leases: Any = SimpleNamespace(silent_s=lambda _: self.silent_s)
        self.controller = HostController(context, Objects(self.cache), leases, Drains())
        self.cache.put(HOSTS, shown)

    def load(self) -> tuple[int, int, int]:
        shown = self.controller._objects.get(Host, "h1")
        assert shown is not None
        load = self.controller._load(shown)
        return load.vms, load.cpus, load.memory_bytes


@pytest.mark.parametrize("seed", range(20))
def test_the_load_is_the_plain_sum_after_any_sequence(seed: int) -> None:
    dice, world = random.Random(seed), World(host())
    there: dict[str, dict[str, Any]] = {}
    for step in range(2, 150):
        name = dice.choice(_NAMES)
        known = there.get(name)
        if known is not None and dice.random() < 0.3:
            world.cache.remove(VIRTUAL_MACHINES, there.pop(name))
        if known is None or dice.random() < 0.8:
            # else it is another under the same name, whether or not the end of the first was told
            stays = known is not None and name in there and dice.random() < 0.8
            uid = known["metadata"]["uid"] if known and stays else f"u{step}"
            memory = dice.choice([1, 2, 4])
            there[name] = vm(name, uid, step, dice.choice(_HOSTS), dice.choice([1, 2]), f"{memory}Gi")
            world.cache.put(VIRTUAL_MACHINES, there[name])
        if dice.random() < 0.5:
            assert world.load() == plain_sum(there)
    assert world.load() == plain_sum(there)


def plain_sum(there: dict[str, dict[str, Any]]) -> tuple[int, int, int]:
    own = [item["status"] for item in there.values()]
    own = [status for status in own if status.get("assignment", {}).get("host") == "h1"]
    memory = [int(status["resolved"]["memory"].removesuffix("Gi")) * _GIB for status in own]
    cores = sum(status["resolved"]["cores"] for status in own)
    return len(own), cores, sum(memory_request_bytes(each) for each in memory)


def test_a_vm_whose_memory_is_no_size_does_not_keep_others_from_being_counted() -> None:
    world = World(host())
    world.cache.put(VIRTUAL_MACHINES, vm("v1", "u1", 2, "h2", 1, "5Zi"))
    world.cache.put(VIRTUAL_MACHINES, vm("v2", "u2", 3, "h1", 2, "1Gi"))
    assert world.load() == (1, 2, memory_request_bytes(_GIB))


@pytest.mark.parametrize(
    ("strange", "cpus", "memory_bytes"),
    [
        ({"memory": "5Zi"}, 2, 0),
        ({"cores": "many"}, 0, memory_request_bytes(_GIB)),
        ({"more": ["x"], "devices": "none"}, 2, memory_request_bytes(_GIB)),
    ],
)
def test_a_vm_that_is_not_understood_counts_with_what_is(
    strange: dict[str, Any], cpus: int, memory_bytes: int
) -> None:
    world, item = World(host()), vm("v1", "u1", 2, "h1", 2, "1Gi")
    item["status"]["resolved"] |= strange
    world.cache.put(VIRTUAL_MACHINES, item)
    world.cache.put(VIRTUAL_MACHINES, vm("v2", "u2", 3, "h1", 1, "2Gi"))
    assert world.load() == (2, cpus + 1, memory_bytes + memory_request_bytes(2 * _GIB))
    world.cache.put(VIRTUAL_MACHINES, vm("v1", "u1", 4, "h1", 2, "1Gi"))
    assert world.load() == (2, 3, memory_request_bytes(_GIB) + memory_request_bytes(2 * _GIB))


def test_what_devices_take_is_promised_also_of_one_that_goes_with_the_next_start() -> None:
    world, item = World(host()), vm("v1", "u1", 2, "h1", 2, "1Gi")
    item["spec"]["hostDevices"] = [{"name": "card", "class": "gpu"}]
    item["status"]["resolved"]["granted"] = {"hostDevices": [{"name": "card", "class": "gpu"}]}
    pending = [{"path": "spec.hostDevices[old]", "running": "gpu"}]
    item["status"]["runtime"] = {"domain": "Present", "observedEpoch": 1, "pendingChanges": pending}
    world.cache.put(VIRTUAL_MACHINES, item)
    assert world.load() == (1, 2, memory_request_bytes(_GIB, 2))


@pytest.mark.parametrize("strange", [{"memory": "5Zi"}, {"cores": "many"}])
async def test_a_host_that_has_a_vm_which_is_not_understood_is_not_let_go(strange: dict[str, Any]) -> None:
    going = host(deletionTimestamp="2026-11-29T00:00:00Z", finalizers=[FINALIZER])
    world = World(going)
    item = vm("v1", "u1", 2, "h1", 1, "1Gi")
    item["status"]["resolved"] |= strange
    world.cache.put(VIRTUAL_MACHINES, item)
    freed: list[Any] = []

    async def release(live: Any) -> None:
        freed.append(live)

    world.controller._finalizers.release = release  # type: ignore[method-assign]
    await world.controller.reconcile("h1")
    assert freed == []
    world.cache.remove(VIRTUAL_MACHINES, item)
    world.silent_s = 60.0
    await world.controller.reconcile("h1")
    assert len(freed) == 1


def working(resource: Resource, version: int, phase: str, **metadata: Any) -> dict[str, Any]:
    about = {"name": "one", "namespace": "a", "uid": "u-one", "resourceVersion": str(version)} | metadata
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    return {**kind, "metadata": about, "spec": {}, "status": {"host": "h1", "phase": phase}}


def drained(world: World) -> str:
    live = world.cache.get(HOSTS, "h1")
    assert live is not None
    return str(condition_of(live, "Drained").get("message"))


@pytest.mark.parametrize(
    ("resource", "phase", "over", "said"),
    [
        (VIRTUAL_MACHINE_RESTORES, "Restoring", "Restored", "VirtualMachineRestore a/one"),
        (VIRTUAL_MACHINE_SNAPSHOTS, "Taking", "Failed", "VirtualMachineSnapshot a/one"),
    ],
)
async def test_a_host_that_works_for_a_vm_that_is_off_is_let_go_when_that_is_over(
    resource: Resource, phase: str, over: str, said: str
) -> None:
    world = World(host(deletionTimestamp="2026-11-29T00:00:00Z", finalizers=[FINALIZER]))
    world.cache.put(resource, working(resource, 2, phase))
    freed: list[Any] = []

    async def release(live: Any) -> None:
        freed.append(live)

    world.controller._finalizers.release = release  # type: ignore[method-assign]
    await world.controller.reconcile("h1")
    assert freed == []
    assert said in drained(world)
    world.cache.put(resource, working(resource, 3, over))
    await world.controller.reconcile("h1")
    assert freed == []
    assert "make clean on h1" in drained(world)
    world.silent_s = 60.0
    await world.controller.reconcile("h1")
    assert len(freed) == 1


async def test_what_a_silent_host_had_begun_does_not_keep_it() -> None:
    world = World(host(deletionTimestamp="2026-11-29T00:00:00Z", finalizers=[FINALIZER]))
    world.cache.put(VIRTUAL_MACHINE_RESTORES, working(VIRTUAL_MACHINE_RESTORES, 2, "Restoring"))
    world.silent_s = 60.0
    freed: list[Any] = []

    async def release(live: Any) -> None:
        freed.append(live)

    world.controller._finalizers.release = release  # type: ignore[method-assign]
    await world.controller.reconcile("h1")
    assert len(freed) == 1


class Southbound:
    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent
        self.removed: list[str] = []

    async def remove_chassis(self, name: str) -> None:
        if self.silent:
            raise as_error(TransientError, "SouthboundUnreachable", left="connection refused")
        self.removed.append(name)


async def test_what_a_deleted_host_left_in_the_network_goes_before_it() -> None:
    world = World(host(deletionTimestamp="2026-11-29T00:00:00Z", finalizers=[FINALIZER]))
    freed: list[Any] = []

    async def release(live: Any) -> None:
        freed.append(live)

    world.controller._finalizers.release = release  # type: ignore[method-assign]
    world.controller._network = network = Southbound(silent=True)
    world.silent_s = 60.0
    assert await world.controller.reconcile("h1") is not None
    (ready,) = (item for item in world.api.told[-1]["conditions"] if item["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "SouthboundUnreachable")
    assert "connection refused" in ready["message"]
    assert freed == []
    network.silent = False
    await world.controller.reconcile("h1")
    assert (network.removed, len(freed)) == (["h1"], 1)
