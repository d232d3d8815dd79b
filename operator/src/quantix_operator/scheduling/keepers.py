"""Confirms who keeps the volumes of a VM, before the VM gets another host.

Until then the VM proves it, whose last host that is (`volumedata.right`); only data in a shared pool stays
with another host than the VM's. Called by the placement controller.
"""

from __future__ import annotations

from quantix_api import VirtualMachine
from quantix_api.resources import VOLUMES
from quantix_operator.objects import Objects
from quantix_operator.scheduling.observe import disk_volumes
from quantix_operator.status_writer import StatusWriter
from quantix_operator.volumedata.right import needs_confirming


async def confirm_keepers(scheduler: StatusWriter, objects: Objects, vm: VirtualMachine, host: str) -> None:
    """`host`: the one that the VM is about to get. Raises Conflict, NotFound and other ApiErrors."""
    for volume in disk_volumes(objects, vm) or ():
        if needs_confirming(volume, vm, host):
            kept = {"host": volume.status.host, "confirmedHost": volume.status.host}
            await scheduler.write(VOLUMES, objects.live(volume), kept, on_version=True)
