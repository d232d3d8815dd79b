"""Whether a VM that a claim names is surely no more on this host.

Called for volumes, whose claim may still be held after the VM's end: the pool was away then, and nothing
could be written into it.
"""

from __future__ import annotations

import asyncio

from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.process import Processes
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.virtualmachine.record import Record, RecordStore


class DepartedGuests:
    """Looks at records, libvirt's domains and processes."""

    def __init__(self, records: RecordStore, hypervisor: Hypervisor, processes: Processes) -> None:
        self._records = records
        self._hypervisor = hypervisor
        self._processes = processes

    async def is_gone(self, vm_uid: str, epoch: int) -> bool:
        """Whether nothing of the VM is left that `epoch` let run here. Raises TransientError when libvirt
        cannot be asked.

        A start writes its record before it takes a claim, so that one under way is never taken for an end.
        """
        record = await asyncio.to_thread(self._records.load, vm_uid)
        if record != Record() and not (record.released and record.epoch >= epoch):
            return False
        name = domain_name(vm_uid)
        if await self._hypervisor.domain(name) is not None:
            return False
        found = await asyncio.to_thread(self._processes.of_domain, vm_uid, name)
        return not found.own
