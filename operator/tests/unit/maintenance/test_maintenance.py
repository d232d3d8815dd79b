"""A host in maintenance is emptied in order, and says what stays on it and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_api.resources import SCHEDULING_POLICIES
from quantix_api.times import render_time
from quantix_client.errors import Forbidden, ServerFault
from quantix_client.reflector import Change
from quantix_operator.dispatch import OnChangeOf
from quantix_operator.maintenance.controller import MaintenanceController
from quantix_operator.maintenance.model import Observed
from quantix_operator.maintenance.observe import observe
from quantix_operator.maintenance.plan import AGAIN_AFTER
from quantix_operator.scheduling.model import World

from ..migration.moving_world import MovingWorld


@pytest.fixture
def world() -> MovingWorld:
    made = MovingWorld()
    made.host("h1", {"maintenance": True})
    return made


async def test_vms_of_a_host_in_maintenance_are_asked_to_move(world: MovingWorld) -> None:
    world.vm("web")
    world.vm("db", "h2")
    await world.drain()
    asked = world.asked()
    assert list(asked) == ["web"]
    labels = asked["web"]["metadata"]["labels"]
    assert labels == {"app.kubernetes.io/managed-by": "quantix", "quantix.io/maintenance-of": "uid-h1"}
    assert asked["web"]["status"]["targetHost"] in ("h2", "h3")
    assert world.stays() == {}
    await world.drain()
    assert len(world.asked()) == 1, "one is enough"


async def test_what_finds_no_room_stays_and_says_so(world: MovingWorld) -> None:
    world.vm("vital", memory="12Gi", ha={"priority": 500})
    world.vm("large", memory="13Gi")
    world.vm("small", memory="12Gi")
    await world.drain()
    assert sorted(world.asked()) == ["large", "vital"]
    name, why = world.stays()["h1"]
    assert name == "small"
    assert why.startswith("No host has 12 GiB free: ")
    assert why.endswith("(NotEnoughMemory)"), "as qx plan maintenance has it"


async def test_block_waits_for_a_person_and_stop_for_its_host(world: MovingWorld) -> None:
    world.vm("web", migration={"onMaintenance": "Block"})
    world.vm("db", migration={"onMaintenance": "Stop"})
    await world.drain()
    assert world.asked() == {}
    assert world.stays()["h1"] == ("web", "Its migration.onMaintenance is Block (PolicyBlock)")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"powerState": "Paused"}, "Only a VM that runs can be moved, and web is paused (NotRunning)"),
        (
            {"hostDevices": [{"name": "gpu", "class": "gpu"}]},
            "It has device gpu of h1 to itself (HostDevice)",
        ),
    ],
)
async def test_what_cannot_move_stays(world: MovingWorld, spec: dict[str, Any], why: str) -> None:
    world.vm("web", **spec)
    await world.drain()
    assert world.asked() == {}
    assert world.stays()["h1"] == ("web", why)


async def test_nothing_leaves_a_host_that_is_silent(world: MovingWorld) -> None:
    world.vm("web")
    world.vm("db", migration={"onMaintenance": "Stop"})
    since = {"type": "Ready", "status": "Unknown", "reason": "Unreachable"}
    since["lastTransitionTime"] = "2026-11-30T12:00:00Z"
    world.host("h1", {"maintenance": True}, conditions=[since])
    await world.drain()
    assert world.asked() == {}
    name, why = world.stays()["h1"]
    said = "h1 has been silent since 12:00:00 UTC; what its VMs do is not known (HostUnreachable)"
    assert (name, why) == ("db", said)


async def test_what_failed_is_not_tried_again_at_once(world: MovingWorld) -> None:
    world.vm("web")
    await world.drain()
    (asked,) = world.asked().values()
    world.says(asked["metadata"]["name"], source={"outcome": "GaveUp", "reason": "TimedOut"})
    await world.look()
    await world.drain()
    assert len(world.asked()) == 1
    assert world.stays()["h1"][1].endswith("(TimedOut)")
    world.says(asked["metadata"]["name"], finishedAt=render_time(datetime.now(UTC) - 2 * AGAIN_AFTER))
    await world.drain()
    found = [item for item in world.api.objects.values() if item["kind"] == "VirtualMachineMigration"]
    assert len(found) == 2
    assert world.stays() == {}


async def test_the_end_of_maintenance_cancels_what_waits_and_not_what_goes_on(world: MovingWorld) -> None:
    world.policy(perHost=1, perCluster=8)
    world.vm("web", ha={"priority": 500})
    world.vm("db")
    await world.drain()
    names = {vm: item["metadata"]["name"] for vm, item in world.asked().items()}
    assert (world.told(names["web"])[0], world.told(names["db"])[0]) == ("Preparing", "Queued")
    world.host("h1")
    await world.drain()
    assert (world.told(names["web"])[0], world.told(names["db"])[0]) == ("Preparing", "Cancelled")
    assert not world.live(names["web"])["spec"].get("cancel")


async def test_what_stays_leaves_once_more_may_be_promised_or_there_is_room_for_its_disks(
    world: MovingWorld,
) -> None:
    world.vm("web", memory="12Gi")
    world.vm("other", "h2", memory="12Gi")
    world.host("h3", pools=[{"name": "local", "state": "Reachable", "available": "1Gi"}])
    world.learn()
    again_s = await world.maintenance.reconcile("maintenance")
    assert again_s == 60.0, "a pool that has room again wakes nobody"
    assert "h1" in world.stays()
    mapper = world.maintenance.watches[SCHEDULING_POLICIES]
    assert isinstance(mapper, OnChangeOf)
    policy: dict[str, Any] = {"metadata": {"name": "default"}, "spec": {}}
    more = {**policy, "spec": {"overcommit": {"memoryPercent": 200}}}
    assert tuple(mapper(more, world.cache)) == ("maintenance",)
    assert mapper.concerns(Change("MODIFIED", "default", more, policy))
    assert not mapper.concerns(Change("MODIFIED", "default", {**more, "status": {"moves": []}}, more))
    world.put(SCHEDULING_POLICIES, "default", spec=more["spec"], namespace=None)
    await world.drain()
    assert list(world.asked()) == ["web"]
    assert world.stays() == {}


async def test_without_a_vm_that_is_to_leave_no_vm_is_looked_at(world: MovingWorld) -> None:
    world.vm("db", "h2")
    world.vm("ends", migration={"onMaintenance": "Stop"})
    world.vm("off", powerState="Stopped")
    world.learn()
    assert observe(world.objects) == Observed((), World(()))
    world.vm("web")
    await world.drain()
    assert list(world.asked()) == ["web"]
    assert observe(world.objects) == Observed((), World(())), "it is on its way"


async def test_a_vm_whose_migration_the_api_does_not_take_is_named(world: MovingWorld) -> None:
    world.vm("web")
    world.api.takes_no["VirtualMachineMigration"] = Forbidden("exceeded quota: moves")
    world.learn()
    again_s = await world.maintenance.reconcile("maintenance")
    said = "the API takes no migration of it, and says: exceeded quota: moves"
    assert world.stays() == {"h1": ("web", said)}
    assert again_s is not None
    assert 3.5 <= again_s <= 5.0
    world.api.takes_no.clear()
    assert world.asked() == {}
    await world.clock.sleep(again_s)
    await world.drain()
    assert (list(world.asked()), world.stays()) == (["web"], {})


async def test_what_a_webhook_meets_with_one_vm_keeps_no_other_on_the_host(world: MovingWorld) -> None:
    world.vm("web", ha={"priority": 500})
    world.vm("db")
    world.api.takes_none_of["web"] = ServerFault("failed calling webhook: no route to host")
    await world.drain()
    assert list(world.asked()) == ["db"]
    name, why = world.stays()["h1"]
    assert (name, "failed calling webhook" in why) == ("web", True)


async def test_what_is_refused_is_asked_for_later_and_later(world: MovingWorld) -> None:
    world.vm("web")
    world.api.takes_no["VirtualMachineMigration"] = Forbidden("exceeded quota: moves")
    world.learn()
    waits = []
    for _ in range(4):
        again_s = await world.maintenance.reconcile("maintenance")
        assert again_s is not None
        assert "exceeded quota" in world.stays()["h1"][1], "also while it is not asked again"
        waits.append(again_s)
        # something else wakes the pass
        await world.clock.sleep(again_s / 2 + 0.01)
        await world.maintenance.reconcile("maintenance")
        await world.clock.sleep(again_s / 2 + 0.01)
    assert world.api.turned_away == 4
    assert waits[0] < waits[1] < waits[2] < waits[3]


@pytest.mark.parametrize("other", [{"labels": {}}, {"finishedAt": "2026-11-01T11:00:00Z"}])
async def test_a_namesake_that_is_none_of_it_is_named(world: MovingWorld, other: dict[str, Any]) -> None:
    world.vm("web")
    await world.drain()
    (asked,) = world.asked().values()
    world.says("web", migration=None)
    there = world.live(asked["metadata"]["name"])
    there["metadata"] |= {"labels": other.get("labels", there["metadata"]["labels"])}
    there["status"] = {"finishedAt": other["finishedAt"]} if "finishedAt" in other else {}
    world.api.put(there)
    hidden = world.api.objects
    world.api.objects = {uid: item for uid, item in hidden.items() if item["kind"] != there["kind"]}
    world.restart()
    world.learn()
    world.api.objects = hidden
    await world.maintenance.reconcile("maintenance")
    name, why = world.stays()["h1"]
    assert (name, "takes no migration of it" in why) == ("web", True)


async def test_one_that_a_leader_made_before_is_taken_for_its_own(world: MovingWorld) -> None:
    world.vm("web")
    world.learn()
    await world.maintenance.reconcile("maintenance")
    made = world.api.objects
    world.api.objects = {uid: item for uid, item in made.items() if item["kind"] != "VirtualMachineMigration"}
    world.restart()
    world.learn()
    world.api.objects = made
    assert await world.maintenance.reconcile("maintenance") is None
    assert world.stays() == {}
    assert len(world.asked()) == 1


class SlowClock:
    """A second passes at each look at it; keeps how long was slept."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept_s: list[float] = []

    def monotonic(self) -> float:
        self.now_s += 1
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)


async def test_a_look_that_takes_long_is_followed_by_a_rest(world: MovingWorld) -> None:
    clock: Any = SlowClock()
    world.context = replace(world.context, clock=clock)
    controller = MaintenanceController(world.context, world.objects, world.drains)
    await controller.reconcile("maintenance")
    await controller.reconcile("maintenance")
    assert clock.slept_s == [0.0, 8.0], "nine seconds after one of work, one of which is over"


async def test_a_vm_that_has_left_is_not_moved_on(world: MovingWorld) -> None:
    """By a second wish, of a leader that did not know of the first."""
    world.vm("web", "h2")
    world.ask("late", labels={"quantix.io/maintenance-of": "uid-h1"})
    await world.look()
    assert world.told("late")[0] == "Cancelled"
    assert world.moving() is None


async def test_a_migration_of_a_person_is_enough(world: MovingWorld) -> None:
    world.vm("web")
    world.ask("by-hand")
    await world.drain()
    assert [item["metadata"]["name"] for item in world.asked().values()] == ["by-hand"]


class Hosts:
    """A queue that keeps what it is given."""

    def __init__(self) -> None:
        self.woken: list[str] = []

    def add(self, key: str) -> None:
        self.woken.append(key)


async def test_hosts_hear_of_the_first_look_of_a_leader_and_then_only_of_news(world: MovingWorld) -> None:
    world.vm("web", migration={"onMaintenance": "Block"})
    world.host("h2", {"maintenance": True})
    hosts: Any = Hosts()
    world.maintenance.attach({"host": hosts})
    await world.drain()
    assert hosts.woken == ["h1", "h2"], "also the one that says of a leader before that a VM stays"
    world.vm("db", "h2", migration={"onMaintenance": "Block"})
    await world.drain()
    assert hosts.woken == ["h1", "h2", "h2"]
