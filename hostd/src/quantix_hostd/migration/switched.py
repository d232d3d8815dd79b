"""The guests that come by post-copy: libvirt resumes them itself, as soon as this host lets its call through.

Used by `incoming`. That call (Finish) passes as it came only where the claims name this host, whatever the
source says; else it leaves the guest paused, and what follows is as for one whose memory came first
(docs/adr/0052). Either is decided once, and written down before the call passes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from quantix_api import VirtualMachine, VirtualMachineMigration
from quantix_api.errors import QuantixError, TransientError
from quantix_client.reading import model_of
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.migration.arrival import Fate, answer_to, fate_of
from quantix_hostd.migration.coming import Coming, ComingStore, IncomingMove
from quantix_hostd.migration.receiving import drop, is_handed_over, take_over
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import VmRef

log = structlog.get_logger(__name__)

HOLD_S = 15.0
"""Shorter than libvirt's patience with a connection that says nothing (30 s; libvirtd.conf, keepalive)."""
_LOOK_S = 0.05


@dataclass
class SwitchedGuests:
    """`lock` is that of the VM with a UID, `machine` the VM where the API names this host for it.
    `kernel_lets` sees to it that memory may come after its guest, and tells whether it may.
    """

    tools: VmTools
    store: ComingStore
    lock: Callable[[str], asyncio.Lock]
    machine: Callable[[str], VirtualMachine | None]
    kernel_lets: Callable[[], bool]
    _lets: dict[str, bool] = field(default_factory=dict)
    """By UID of the migration that was asked about last."""

    def ready(self, manifest: dict[str, Any], vm: VirtualMachine | None) -> dict[str, Any]:
        """What the target says of one that may come."""
        migration = model_of(VirtualMachineMigration, manifest)
        can = self._can_come(migration, vm) if vm is not None else None
        return {"prepared": True} | ({} if can is None else {"postCopy": can})

    def _can_come(self, migration: VirtualMachineMigration, vm: VirtualMachine) -> bool | None:
        """Whether the source may switch it, as far as this host goes; None where nobody wishes that."""
        wished, uid = migration.spec.post_copy, migration.metadata.uid
        if not (vm.spec.migration.post_copy if wished is None else wished):
            return None
        if uid not in self._lets:
            self._lets = {uid: self.kernel_lets()}
        return self._lets[uid]

    async def switching(self, move: IncomingMove, epoch: int) -> None:
        """The source says that it is about to stop the guest before all its memory is here, and to hand it
        over under `epoch`; 0: not after all. Raises TransientError where nothing of it is here.
        """
        async with self.lock(move.vm_uid):
            coming = await self._load(move.vm_uid)
            if coming is None or coming.uid != move.uid:
                raise TransientError("NotTakenOver", "Nothing of this guest is here.")
            if not coming.epoch and not coming.left_paused:
                await self._save(move.vm_uid, replace(coming, switching=epoch))

    async def may_go_on(self, move: IncomingMove) -> bool:
        """Whether libvirt may let the guest go on here: waits a while for the claims to say so."""
        clock = self.tools.clock
        until_s = clock.monotonic() + HOLD_S
        while True:
            async with self.lock(move.vm_uid):
                may = await self._may_go_on(move, late=clock.monotonic() > until_s)
            if may is not None:
                return may
            await clock.sleep(_LOOK_S)

    async def _may_go_on(self, move: IncomingMove, *, late: bool) -> bool | None:
        """Once decided it is written down; None: nobody can tell yet."""
        coming, ref = await self._load(move.vm_uid), VmRef(move.vm_uid, self.machine(move.vm_uid))
        named = coming is not None and await self._is_named(ref, coming)
        answer = answer_to(coming, move.uid, named=named, late=late)
        if coming is None or answer in ("NotIts", "GoesOn"):
            return answer == "GoesOn"
        if answer == "TakeOver":
            if await self._took_over(ref, coming):
                return True
            answer = answer_to(coming, move.uid, named=False, late=late)
        if answer == "Wait":
            return None
        log.info("libvirt leaves a guest paused", uid=move.vm_uid, switching=coming.switching)
        await self._save(move.vm_uid, replace(coming, switching=0, left_paused=True))
        return False

    async def _is_named(self, ref: VmRef, coming: Coming) -> bool:
        if not coming.switching or coming.epoch or ref.vm is None:
            return False
        try:
            return await is_handed_over(self.tools, ref, coming.switching)
        except QuantixError as error:
            log.info("whose a guest is cannot be read yet", uid=ref.uid, error=error.message)
            return False

    async def _took_over(self, ref: VmRef, coming: Coming) -> bool:
        try:
            await take_over(self.tools, ref, coming, coming.switching, resume=False)
        except QuantixError as error:
            log.info("a guest is not taken over yet", uid=ref.uid, error=error.message)
            return False
        await self._save(ref.uid, replace(coming, epoch=coming.switching))
        log.info("guest taken over before all its memory came", uid=ref.uid, epoch=coming.switching)
        return True

    async def waits(self, vm_uid: str, coming: Coming) -> bool:
        """Whether libvirt's call for it is still to come, or libvirt is to end it."""
        if not coming.switching or coming.epoch:
            return False
        found = await self.tools.hypervisor.domain(domain_name(vm_uid))
        return found is not None and found.active

    async def outcome(self, vm_uid: str, coming: Coming) -> Fate:
        """Of one that is this host's; a half whose memory does not come is ended."""
        if not coming.switching:
            return "Running"
        fate = fate_of(await self.tools.hypervisor.domain(domain_name(vm_uid)))
        if fate == "Lost":
            log.warning("the memory of a guest did not all come", uid=vm_uid, source=coming.source)
            await drop(self.tools, VmRef(vm_uid, None))
        elif fate == "Running":
            await self._save(vm_uid, replace(coming, switching=0))
        return fate

    async def _load(self, vm_uid: str) -> Coming | None:
        return await asyncio.to_thread(self.store.load, vm_uid)

    async def _save(self, vm_uid: str, coming: Coming) -> None:
        await asyncio.to_thread(self.store.save, vm_uid, coming)
