"""What VMs are to their Host: a crowd of them is few writes, and one that cannot leave is named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from quantix_api.resources import HOSTS, QUANTIX_RESOURCES, VIRTUAL_MACHINES
from quantix_lab.clocks import ManualClock
from quantix_operator.cache import Cache
from quantix_operator.host.controller import HostController
from quantix_operator.host.drains import Drains
from quantix_operator.objects import Objects

from ..owning_api import OwningApi

HOST: dict[str, Any] = {
    "metadata": {"name": "h1", "uid": "h1", "resourceVersion": "1", "generation": 1},
    "spec": {},
    "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Healthy"}]},
}


def vm(number: int) -> dict[str, Any]:
    metadata = {"name": f"v{number}", "namespace": "a", "uid": f"v{number}", "resourceVersion": str(number)}
    return {"metadata": metadata, "spec": {}, "status": {"assignment": {"host": "h1", "epoch": 1}}}


class World:
    def __init__(self, host: dict[str, Any] = HOST) -> None:
        self.clock, self.api, self.cache = ManualClock(), OwningApi(host), Cache(QUANTIX_RESOURCES)
        context: Any = SimpleNamespace(api=self.api, cache=self.cache, clock=self.clock, events=None)
        self.drains = Drains()
        leases: Any = SimpleNamespace(silent_s=lambda _: 0.0)
        self.controller = HostController(context, Objects(self.cache), leases, self.drains)
        self.cache.put(HOSTS, host)


async def test_fifty_vms_within_two_seconds_are_few_writes_and_all_are_counted() -> None:
    world = World()
    await world.controller.reconcile("h1")
    for number in range(2, 52):
        world.cache.put(VIRTUAL_MACHINES, vm(number))
        await world.controller.reconcile("h1")
        await world.clock.advance(0.04)
    again_s = await world.controller.reconcile("h1")
    assert again_s is not None
    assert again_s <= 1.0
    await world.clock.advance(again_s)
    await world.controller.reconcile("h1")
    assert world.api.told[-1]["virtualMachines"] == 50
    assert len(world.api.told) <= 4


async def test_a_host_that_is_cordoned_is_told_at_once() -> None:
    world = World()
    await world.controller.reconcile("h1")
    live = world.cache.get(HOSTS, "h1")
    assert live is not None
    about = {**live["metadata"], "resourceVersion": "200", "generation": 2}
    world.cache.put(HOSTS, {**live, "metadata": about, "spec": {"unschedulable": True}})
    await world.controller.reconcile("h1")
    said = {item["type"]: item["reason"] for item in world.api.told[-1]["conditions"]}
    assert said["Schedulable"] == "Cordoned"


async def test_the_vm_that_cannot_leave_a_host_in_maintenance_is_named() -> None:
    world = World()
    world.cache.put(VIRTUAL_MACHINES, vm(3))
    about = {**HOST["metadata"], "resourceVersion": "4", "generation": 2}
    world.cache.put(HOSTS, {**HOST, "metadata": about, "spec": {"maintenance": True}})
    world.drains.found = {"h1": ("v3", "no other host has room (NoHostFits)")}
    await world.controller.reconcile("h1")
    said = {item["type"]: item for item in world.api.told[-1]["conditions"]}
    assert said["Drained"]["reason"] == "Blocked"
    assert said["Drained"]["message"].startswith("v3 does not leave it: no other host has room (NoHostFits).")


async def test_a_new_leader_lets_stand_what_stays_until_it_has_looked() -> None:
    blocked = {"type": "Drained", "status": "False", "reason": "Blocked", "message": "v3 does not leave it."}
    said = {"conditions": [*HOST["status"]["conditions"], blocked]}
    world = World({**HOST, "spec": {"maintenance": True}, "status": said})
    world.cache.put(VIRTUAL_MACHINES, vm(3))
    await world.controller.reconcile("h1")
    assert _drained(world) == ("Blocked", "v3 does not leave it.")
    world.drains.found = {}
    await world.controller.reconcile("h1")
    assert _drained(world)[0] == "Draining"


def _drained(world: World) -> tuple[str, str]:
    (said,) = (item for item in world.api.told[-1]["conditions"] if item["type"] == "Drained")
    return said["reason"], said["message"]
