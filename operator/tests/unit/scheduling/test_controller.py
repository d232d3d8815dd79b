"""A pass carries on with the other VMs where the API takes no word of one."""

from __future__ import annotations

from quantix_client.errors import Unprocessable
from quantix_operator.scheduling.controller import KEY, PlacementController

from ..migration.moving_world import MovingWorld


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
