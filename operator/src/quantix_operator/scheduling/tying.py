"""Writes what else goes on with a VM: that it moves to another host, or is held off while it is set back.

Used by the writers of migrations and restores with the lock of placements held: beside the placement
controller the only ones that write what the scheduler says of a VM.
"""

from __future__ import annotations

from datetime import UTC, datetime

from quantix_api import VirtualMachine
from quantix_api.resources import MANAGER_SCHEDULER, VIRTUAL_MACHINES
from quantix_client.api import Manifest
from quantix_client.errors import Conflict
from quantix_operator.context import Context
from quantix_operator.objects import Objects
from quantix_operator.scheduling.assignments import Assignment
from quantix_operator.scheduling.observe import facts_of
from quantix_operator.scheduling.pass_plan import scheduled_fact
from quantix_operator.scheduling.writing import Ties, placement_status
from quantix_operator.status_writer import StatusWriter


class TieWriter:
    """`await tie(vm, ties)`."""

    def __init__(self, context: Context, objects: Objects) -> None:
        self._objects = objects
        self._scheduler = StatusWriter(context.api, context.cache, MANAGER_SCHEDULER)

    async def tie(
        self, vm: VirtualMachine, ties: Ties, assignment: Assignment | None = None
    ) -> Manifest | None:
        """The VM gets these ties, and that assignment, if any, instead of the one that it has.

        Returns the VM as it was, None where it was so already. Raises NotFound where it is gone, and Conflict
        where it is another version than `vm`: what was decided on that does not count.
        """
        live = self._objects.live(vm)
        if live["metadata"]["resourceVersion"] != vm.metadata.resource_version:
            raise Conflict("the VM has changed since it was decided on")
        placed = assignment or facts_of(vm, prepared=True).assignment
        scheduled = scheduled_fact(vm.metadata.name, placed)
        status = placement_status(live, scheduled, placed, ties, datetime.now(UTC), vm.status.unfit_hosts)
        written = await self._scheduler.write(VIRTUAL_MACHINES, live, status, on_version=True)
        return live if written else None
