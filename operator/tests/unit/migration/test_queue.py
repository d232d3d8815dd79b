"""Whose turn it is, where to, and what is never moved."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import IMAGES, VOLUMES
from quantix_operator.migration.controller import KEY, MigrationController

from .moving_world import UNHEARD, MovingWorld


@pytest.fixture
def world() -> MovingWorld:
    return MovingWorld()


async def test_limits_hold_for_hosts_and_for_the_cluster(world: MovingWorld) -> None:
    world.policy(perHost=1, perCluster=8)
    for name in ("web", "db", "mail"):
        world.vm(name, "h2" if name == "mail" else "h1")
        world.ask(f"m-{name}", name)
    await world.look()
    phases = {name: world.told(f"m-{name}") for name in ("web", "db", "mail")}
    assert phases["db"][0] == "Preparing"
    assert phases["web"][2].startswith("It waits for its turn: h1 takes part in 1, and no more may.")
    assert phases["mail"][2].startswith("It waits for its turn: h3 takes part in 1")


async def test_the_cluster_has_its_own_limit(world: MovingWorld) -> None:
    world.policy(perHost=8, perCluster=1)
    for name in ("web", "db"):
        world.vm(name)
    world.ask("m-web", "web", "10:00:05")
    world.ask("m-db", "db", "10:00:01")
    await world.look()
    assert world.told("m-db")[0] == "Preparing"
    assert world.told("m-web")[2].startswith("It waits for its turn: 1 go on in the cluster")


async def test_a_busy_target_is_passed_over_for_one_that_is_free(world: MovingWorld) -> None:
    world.policy(perHost=1, perCluster=8)
    world.vm("web")
    world.vm("db", "h2")
    world.host("h4")
    world.vm("mail", "h4", memory="8Gi")
    world.ask("m-web", "web", "10:00:00", targetHost="h3")
    world.ask("m-db", "db", "10:00:01")
    await world.look()
    assert world.live("m-db")["status"]["targetHost"] == "h4"


async def test_a_vm_is_moved_once_at_a_time(world: MovingWorld) -> None:
    world.vm("web")
    world.ask("m1", at="10:00:00")
    world.ask("m2", at="10:00:01")
    await world.look()
    assert world.told("m1")[0] == "Preparing"
    assert world.told("m2")[2].startswith("It waits for its turn: web is being moved by m1.")


async def test_a_vm_waits_until_its_disk_is_in_the_other_pool(world: MovingWorld) -> None:
    world.vm("web")
    world.says("web-root", movingTo="fast")
    world.ask("m1")
    await world.look()
    assert world.told("m1")[2].startswith("It waits for its turn: web-root is on its way to pool fast.")
    world.says("web-root", movingTo=None)
    await world.look()
    assert world.told("m1")[0] == "Preparing"


async def test_a_disk_that_has_arrived_wakes_the_migration_that_waits_for_it(world: MovingWorld) -> None:
    world.vm("web")
    world.learn()
    volume = world.live("web-root")
    wakes = MigrationController.watches[VOLUMES]
    assert list(wakes(volume, world.cache)) == [], "nothing waits"
    world.ask("m1")
    world.learn()
    assert list(wakes(volume, world.cache)) == [KEY]


async def test_of_one_second_the_more_important_and_then_the_larger_goes_first(world: MovingWorld) -> None:
    world.policy(perHost=8, perCluster=2)
    world.vm("small")
    world.vm("large", memory="4Gi")
    world.vm("vital", ha={"priority": 500})
    for name in ("small", "large", "vital"):
        world.ask(f"m-{name}", name)
    await world.look()
    phases = [world.told(f"m-{name}")[0] for name in ("vital", "large", "small")]
    assert phases == ["Preparing", "Preparing", "Queued"]


@pytest.mark.parametrize(
    ("spec", "reason", "said"),
    [
        ({"powerState": "Stopped"}, "NotRunning", "Only a VM that runs can be moved, and web is off."),
        (
            {"powerState": "Paused"},
            "NotRunning",
            "Only a VM that runs can be moved, and web is paused. Try: qx vm resume web",
        ),
        ({"hostDevices": [{"name": "gpu", "class": "gpu"}]}, "HostDevice", "It has device gpu of h1"),
        ({"cpu": {"cores": 1, "model": "HostPassthrough"}}, "CPUPassthrough", "Its cpu.model"),
    ],
)
async def test_what_cannot_move_is_refused_for_its_reason(
    world: MovingWorld, spec: dict[str, Any], reason: str, said: str
) -> None:
    world.vm("web", **spec)
    world.ask("move")
    await world.look()
    assert world.told("move")[:2] == ("Failed", reason)
    assert world.told("move")[2].startswith(said)
    assert "startedAt" not in world.live("move")["status"]


async def test_a_medium_that_only_its_host_has_keeps_a_vm_there(world: MovingWorld) -> None:
    world.put(IMAGES, "iso", spec={"pool": "local", "source": {}})
    world.vm("web", cdroms=[{"name": "cd0", "image": "iso"}])
    world.ask("move")
    await world.look()
    assert world.told("move")[:2] == ("Failed", "LocalMedium")


async def test_a_vm_that_is_not_there_is_not_moved(world: MovingWorld) -> None:
    world.ask("move", "nobody")
    await world.look()
    assert world.told("move")[:2] == ("Failed", "NotRunning")
    assert world.told("move")[2].startswith("There is no VM nobody in this namespace.")


async def test_a_vm_that_starts_is_waited_for(world: MovingWorld) -> None:
    world.vm("web")
    world.says("web", runtime={"observedEpoch": 0})
    world.ask("move")
    await world.look()
    assert world.told("move")[2].startswith("It waits for its turn: web is starting.")
    world.says("web", runtime={"observedEpoch": 1, "domain": "Present"})
    await world.look()
    assert world.told("move")[0] == "Preparing"


async def test_a_vm_whose_host_is_not_there_is_not_said_to_start(world: MovingWorld) -> None:
    world.vm("web")
    del world.api.objects["uid-h1"]
    world.ask("move")
    await world.look()
    assert world.told("move")[2].startswith(
        "It waits for h1, which has been silent since its Host object was removed."
    )


@pytest.mark.parametrize("domain", ["Present", "Absent"])
async def test_a_source_that_is_silent_is_waited_for(world: MovingWorld, domain: str) -> None:
    world.vm("web")
    world.says("web", runtime={"observedEpoch": 1, "domain": domain})
    world.host("h1", conditions=[UNHEARD])
    world.ask("move")
    await world.look()
    assert world.told("move")[2] == (
        "It waits for h1, which has been silent since 12:00:00 UTC. Try: bring h1 back; then it goes on by "
        "itself."
    )


async def test_a_vm_that_was_just_moved_is_not_said_to_start(world: MovingWorld) -> None:
    world.vm("web", "h2")
    runtime = {"observedEpoch": 1, "domain": "Present"}
    world.says("web", phase="Running", runtime=runtime, assignment={"epoch": 2, "host": "h2"})
    world.ask("move")
    await world.look()
    assert world.told("move")[2].startswith("It waits for its turn: web has just come to h2.")


async def test_no_host_fits_says_of_each_why_not(world: MovingWorld) -> None:
    world.vm("web", memory="8Gi")
    world.vm("big", "h2", memory="12Gi")
    world.host("h3", {"unschedulable": True})
    world.ask("move")
    await world.look()
    assert world.told("move") == (
        "Failed",
        "NoHostFits",
        "No other host can take web from h1: 1 lacks memory, 1 is Cordoned. "
        "Try: make room or add a host; web runs on where it is.",
    )


@pytest.mark.parametrize(
    ("target", "reason", "said"),
    [
        ("h1", "NoHostFits", "web is on h1 already."),
        ("h9", "NoHostFits", "h9 cannot take web: it is not there."),
        ("h2", "NoHostFits", "h2 cannot take web: it has no room in pool local."),
        (
            "h3",
            "NoHostFits",
            "h3 cannot take web: it does not know machine pc-q35-7.2",
        ),
        ("h4", "CPUFeatureMissing", "h4 cannot give web the CPU qemu64"),
        ("h5", "NoHostFits", "h5 cannot take web: it lacks pool local."),
    ],
)
async def test_a_target_that_cannot_take_it_says_why(
    world: MovingWorld, target: str, reason: str, said: str
) -> None:
    pool = {"name": "local", "state": "Reachable", "available": "1Gi"}
    ready = {"type": "Ready", "status": "True", "reason": "Healthy"}
    kvm = {"type": "KVMAvailable", "status": "True", "reason": "Works"}
    world.host("h2", pools=[pool])
    world.host("h3", versions={"machineType": "pc-q35-7.1"})
    world.host("h4", conditions=[ready, kvm])
    world.host("h5", pools=[])
    world.vm("web")
    world.ask("move", targetHost=target)
    await world.look()
    assert world.told("move")[:2] == ("Failed", reason)
    assert world.told("move")[2].startswith(said)


async def test_data_on_its_way_takes_the_room_of_its_pool(world: MovingWorld) -> None:
    pool = {"name": "local", "state": "Reachable", "available": "15Gi"}
    world.host("h2", pools=[pool])
    for name in ("web", "db"):
        world.vm(name)
    world.ask("m-web", "web", "10:00:00", targetHost="h2")
    await world.look()
    world.ask("m-db", "db", "10:00:01", targetHost="h2")
    await world.look()
    assert world.told("m-web")[0] == "Preparing"
    assert "no room in pool local" in world.told("m-db")[2]


async def test_two_of_one_pass_are_not_promised_the_same_room(world: MovingWorld) -> None:
    for name in ("web", "db"):
        world.vm(name, memory="10Gi")
        world.ask(f"m-{name}", name)
    await world.look()
    targets = {world.live(f"m-{name}")["status"]["targetHost"] for name in ("web", "db")}
    assert targets == {"h2", "h3"}


async def test_block_keeps_a_vm_from_leaving_by_itself_only(world: MovingWorld) -> None:
    world.vm("web", migration={"onMaintenance": "Block"})
    world.vm("db", migration={"onMaintenance": "Block"})
    world.ask("by-itself", "web", labels={"quantix.io/maintenance-of": "h1"})
    world.ask("by-hand", "db")
    await world.look()
    assert world.told("by-itself")[:2] == ("Failed", "PolicyBlock")
    assert world.told("by-hand")[0] == "Preparing"
