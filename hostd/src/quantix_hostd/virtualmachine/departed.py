"""Whether a VM that a claim names is surely no more on this host.

Called for volumes, whose claim may still be held after the VM's end: the pool was away then, and nothing
could be written into it.
"""

from __future__ import annotations

import asyncio

from quantix_api.errors import TransientError
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.process import Processes
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.virtualmachine.objects import Objects
from quantix_hostd.virtualmachine.record import Record, RecordStore


class DepartedGuests:
    """Looks at what the API has, records, libvirt's domains and processes."""

    def __init__(
        self, objects: Objects, records: RecordStore, hypervisor: Hypervisor, processes: Processes
    ) -> None:
        self._objects = objects
        self._records = records
        self._hypervisor = hypervisor
        self._processes = processes

    async def is_gone(self, vm_uid: str, epoch: int) -> bool:
        """Whether nothing of the VM is left that `epoch` let run here. Raises TransientError when libvirt
        cannot be asked.

        A VM that is assigned here may start under that epoch at any moment, and change nothing in a claim
        that it holds already: of it only the record of its release counts, and no record is none. Of others a
        missing record tells that this host forgot them; assigned here anew, they come with a higher epoch.
        """
        if not self._objects.synced:
            return False
        may_start = self._objects.virtual_machine(vm_uid) is not None
        record = await asyncio.to_thread(self._records.load, vm_uid)
        released = record.released and record.epoch >= epoch
        if not released and (may_start or record != Record()):
            return False
        name = domain_name(vm_uid)
        try:
            if await self._hypervisor.domain(name) is not None:
                return False
        except TransientError as error:
            if error.reason != "QEMUHangs":
                raise
            return False
        found = await asyncio.to_thread(self._processes.of_domain, vm_uid, name)
        return not found.own
