"""Keeps the object beside a guest's volume as new as what its firmware and TPM write while it runs.

Called every second by `upkeep`. A failover may lose what was written since the last look but one: files that
still change are left alone until they rest.
"""

from __future__ import annotations

import asyncio

from quantix_api import VirtualMachine
from quantix_api.errors import QuantixError
from quantix_hostd.claims import VolumePlace
from quantix_hostd.virtualmachine.actions import SaveState
from quantix_hostd.virtualmachine.apply import apply
from quantix_hostd.virtualmachine.between_looks import Memory
from quantix_hostd.virtualmachine.firmware import keeps_state
from quantix_hostd.virtualmachine.record_places import place_of_state
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import VmRef

Signature = tuple[tuple[int, int], ...]


class StateKeeper:
    """One for a host."""

    def __init__(self, tools: VmTools, memory: Memory) -> None:
        self._tools = tools
        self._memory = memory
        self._seen: dict[str, Signature] = {}
        self._saved: dict[str, tuple[VolumePlace, Signature]] = {}

    async def keep(self) -> None:
        """One look at every guest that remembers something. Raises QuantixError for the first that fails,
        once it has looked at all: a pool that does not answer concerns only who has something there.
        """
        found = (
            self._tools.objects.virtual_machine(uid) for uid in self._tools.objects.virtual_machine_uids()
        )
        vms = {vm.metadata.uid: vm for vm in found if vm is not None and keeps_state(vm)}
        for uid in self._seen.keys() - vms.keys():
            self._seen.pop(uid)
            self._saved.pop(uid, None)
        failed: list[QuantixError] = []
        for uid, vm in vms.items():
            try:
                await self._keep(uid, vm)
            except QuantixError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    async def _keep(self, uid: str, vm: VirtualMachine) -> None:
        uuid = (vm.status.resolved.uuid if vm.status.resolved else None) or uid
        found = await asyncio.to_thread(self._tools.states.signature, uid, uuid)
        rests = found == self._seen.get(uid)
        self._seen[uid] = found
        if not found or not rests or self._memory.is_held(uid):
            # who works on it may wait for a pool that hangs, which is no reason to leave out all others
            return
        async with self._memory.hold(uid):
            record = await asyncio.to_thread(self._tools.records.load, uid)
            place = place_of_state(vm, record.places) if record.started else None
            if place is None or self._saved.get(uid) == (place, found):
                return
            save = SaveState(place, uuid, record.epoch, give_up=True)
            await apply(self._tools, VmRef(uid, vm), (save,))
            self._saved[uid] = place, found
