"""How the assignments of a pass are written."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import HOSTS, STORAGE_POOLS
from quantix_client.errors import Conflict, Unprocessable
from quantix_operator.scheduling.controller import KEY, PlacementController

from ..migration.moving_world import MovingWorld

CEPH = {"rbd": {"monitors": ["10.0.0.1"], "pool": "quantix"}, "default": True}


async def test_a_vm_whose_assignment_is_refused_keeps_no_other_waiting() -> None:
    world = MovingWorld()
    for name in ("bad", "good"):
        world.vm(name)
        world.says(name, assignment={"epoch": 1, "lastHost": "h1"}, runtime={}, phase="Pending")
    # it comes first
    world.wants("bad", ha={"priority": 1000})
    world.api.refuses["uid-bad"] = Unprocessable("yaml: found invalid Unicode character escape code")
    world.learn()
    again_s = await PlacementController(world.context, world.objects).reconcile(KEY)
    assert world.live("good")["status"]["assignment"]["host"] == "h1"
    assert again_s is not None, "the other is tried again"


def stopped_on(said_by: str, last: str, **said: Any) -> MovingWorld:
    """A VM that is to run on h2 now; `said_by` says that it keeps its disk, which lies in Ceph."""
    world = MovingWorld()
    world.put(STORAGE_POOLS, "local", spec=CEPH, namespace=None)
    world.vm("web", placement={"hostSelector": {"quantix.io/host": "h2"}})
    world.says("web", assignment={"epoch": 1, "lastHost": last}, runtime={}, phase="Pending")
    world.says("web-root", host=said_by, **said)
    for host in ("h1", "h2"):
        world.put(
            HOSTS,
            host,
            spec={},
            status=world.live(host)["status"],
            namespace=None,
            labels={"quantix.io/host": host},
        )
    return world


async def test_who_keeps_its_disk_is_confirmed_before_another_host_gets_the_vm() -> None:
    world = stopped_on("h1", "h1")
    await placed(world)
    assert [sorted(status) for _, status in world.api.writes] == [
        ["confirmedHost", "host"],
        ["assignment", "conditions"],
    ]
    volume = world.live("web-root")["status"]
    assert (volume["host"], volume["confirmedHost"]) == ("h1", "h1")
    assert world.assignment()["host"] == "h2"


@pytest.mark.parametrize(
    ("said_by", "said"),
    [("h3", {}), ("h1", {"confirmedHost": "h1"}), ("h2", {}), ("", {})],
    ids=["who never had the VM", "who is confirmed already", "the VM's new host", "nobody"],
)
async def test_of_others_nothing_is_written(said_by: str, said: dict[str, Any]) -> None:
    world = stopped_on(said_by, "h1", **said)
    before = world.live("web-root")
    await placed(world)
    assert world.live("web-root") == before
    assert world.assignment()["host"] == "h2"


async def test_without_that_word_the_vm_waits() -> None:
    world = stopped_on("h1", "h1")
    world.api.refuses["uid-web-root"] = Conflict("changed")
    again_s = await placed(world)
    assert "host" not in world.assignment()
    assert again_s is not None


async def placed(world: MovingWorld) -> float | None:
    world.api.writes.clear()
    world.learn()
    return await PlacementController(world.context, world.objects).reconcile(KEY)
