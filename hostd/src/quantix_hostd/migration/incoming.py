"""The guests that other hosts send to this one: looked at, decided by `arrival`, and acted on here.

Run by the dispatcher with the UID of a VM as key, and at once when the source tells that the guest is ours.
Of such a VM the reconciler of VMs does nothing until it is assigned to this host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakValueDictionary

import structlog

from quantix_api import VirtualMachine, VirtualMachineMigration
from quantix_api.errors import QuantixError, TransientError
from quantix_client.reading import model_of
from quantix_hostd.clients.kernel_limits import allow_post_copy
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.migration.arrival import Arriving, plan_arrival
from quantix_hostd.migration.awaited import awaited_of, with_half
from quantix_hostd.migration.coming import Coming, ComingStore, IncomingMove
from quantix_hostd.migration.handed import word_of_claims
from quantix_hostd.migration.readying import Readying, tell_target
from quantix_hostd.migration.receiving import clear_up, drop, take_over, tell_again, wire
from quantix_hostd.migration.said import gone, is_over, is_refused, newest, not_ours, vm_uid_of
from quantix_hostd.migration.sent_domain import Awaited
from quantix_hostd.migration.switched import SwitchedGuests
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import VmRef

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]
_LOOK_S = 2.0
_SOON_S = 0.2
_ANSWER_S = 20.0
_QUIET_S = 30.0
_MOST_ROUNDS = 6


@dataclass
class IncomingMoves:
    """`migrations` and `machines` are caches of those that name this host as target; `mine` tells whether the
    VM with this UID is assigned to this host; `known`: whether the API was heard.
    """

    tools: VmTools
    migrations: Mapping[str, Manifest]
    machines: Mapping[str, Manifest]
    mine: Callable[[str], bool]
    known: Callable[[], bool]
    closing: Callable[[], bool]
    look_again: Callable[[str], None]
    """Hears the UID of a VM that nothing is kept of here any more."""
    post_copy: Callable[[], bool] = allow_post_copy
    """Whether the kernel lets memory come after the guest; asked where that may be."""
    _told: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By UID of the VM: migration and epoch, as the source told them directly."""
    _wired: dict[str, str] = field(default_factory=dict)
    """By UID of the VM: that of the migration by which it came, and had all its NICs wired."""
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """By UID of the VM, while somebody has one or waits for it."""

    def __post_init__(self) -> None:
        self._store = ComingStore(self.tools.layout)
        self.switched = SwitchedGuests(self.tools, self._store, self._lock, self._machine, self.post_copy)
        self._readying = Readying(self.tools, self._store, self._machine, self.switched.ready, self._forget)

    def has(self, vm_uid: str) -> bool:
        """Whether the guest of this VM is here without being assigned here, or half of it in any case."""
        coming = self._store.load(vm_uid)
        return coming is not None and not (coming.epoch and self.mine(vm_uid))

    def half(self, uid: str) -> IncomingMove | None:
        """What came with the migration with this UID, whether the API knows that or not."""
        for vm_uid in self._store.vm_uids():
            coming = self._store.load(vm_uid)
            if coming is not None and coming.uid == uid:
                return IncomingMove(uid, coming.source, vm_uid)
        return None

    def move(self, uid: str) -> IncomingMove | None:
        """The migration with this UID while it goes on: not over by the word of anybody, the one that the VM
        names, and that which this host made ready for.
        """
        manifest = next((item for item in self.migrations.values() if item["metadata"]["uid"] == uid), None)
        if manifest is None or is_over(manifest):
            return None
        status = model_of(VirtualMachineMigration, manifest).status
        gave_up = status.source is not None and status.source.outcome == "GaveUp"
        vm_uid = status.virtual_machine_uid
        if not status.source_host or not vm_uid or gave_up:
            return None
        vm, coming = self._machine(vm_uid), self._store.load(vm_uid)
        named = vm is not None and vm.status.migration is not None and vm.status.migration.uid == uid
        ready = coming is not None and coming.uid == uid
        return IncomingMove(uid, status.source_host, vm_uid) if named and ready else None

    def awaited(self, uid: str) -> Awaited | None:
        """What comes with it, and is here for that; None once `move` is None."""
        move = self.move(uid)
        coming = self._store.load(move.vm_uid) if move is not None else None
        return awaited_of(self.tools, move.vm_uid, coming) if move and coming else None

    async def handed_over(self, move: IncomingMove, epoch: int) -> None:
        """The source says that the claims name this host: returns once the guest runs here.

        Raises QuantixError while it cannot.
        """
        self._told[move.vm_uid] = (move.uid, epoch)
        for _ in range(round(_ANSWER_S / _SOON_S)):
            await self.reconcile(move.vm_uid)
            coming = self._store.load(move.vm_uid)
            if coming is not None and coming.epoch:
                return
            if coming is None or not coming.switching:
                break
            await self.tools.clock.sleep(_SOON_S)
        raise TransientError("NotTakenOver", "The guest does not run here yet.")

    def _lock(self, vm_uid: str) -> asyncio.Lock:
        return self._locks.setdefault(vm_uid, asyncio.Lock())

    async def reconcile(self, vm_uid: str) -> float | None:
        """Bring one nearer; seconds until the next look."""
        async with self._lock(vm_uid):
            for _ in range(_MOST_ROUNDS):
                again_s = await self._step(vm_uid)
                if again_s is not None:
                    return again_s
        return _LOOK_S

    async def _step(self, vm_uid: str) -> float | None:
        """None: look again at once."""
        coming = await asyncio.to_thread(self._store.load, vm_uid)
        manifest = self._named(vm_uid, coming)
        seen = await self._look_or_tell(vm_uid, manifest, coming)
        step = plan_arrival(seen)
        if step == "Prepare" and manifest is not None:
            return await self._readying.prepare(vm_uid, manifest, coming)
        machine = self._machine(vm_uid)
        if step == "TellPrepared" and seen.coming is not None:
            await tell_again(self.tools, VmRef(vm_uid, machine), seen.coming)
        if step == "WirePorts" and seen.coming is not None:
            await self._wire(vm_uid, machine, seen.coming)
        if step == "Drop":
            await drop(self.tools, VmRef(vm_uid, None))
        if step == "TakeOver" and seen.coming is not None:
            return await self._take_over(vm_uid, manifest, seen.coming, seen.coming.epoch or seen.epoch)
        if step == "ClearUp" and seen.coming is not None:
            await clear_up(self.tools, VmRef(vm_uid, self._machine(vm_uid)), seen.coming)
            await self._forget(vm_uid)
            return None
        if step == "Forget":
            await self._forget(vm_uid)
        if step == "TellNotOurs" and manifest is not None and machine is not None:
            said = not_ours(machine.metadata.name, self.tools.facts().name)
            await tell_target(self.tools.api, manifest, self.switched.ready(manifest, machine) | said)
        if step in ("TellPrepared", "WirePorts") and manifest is not None:
            await tell_target(self.tools.api, manifest, self.switched.ready(manifest, machine))
        if step == "TellGone" and manifest is not None:
            await tell_target(self.tools.api, manifest, gone(manifest))
        return _LOOK_S if seen.coming is not None else _QUIET_S

    async def _wire(self, vm_uid: str, vm: VirtualMachine | None, coming: Coming) -> None:
        if self._wired.get(vm_uid) != coming.uid and await wire(self.tools, vm_uid, vm):
            self._wired[vm_uid] = coming.uid

    async def _forget(self, vm_uid: str) -> None:
        await asyncio.to_thread(self._store.forget, vm_uid)
        self._told.pop(vm_uid, None)
        self._wired.pop(vm_uid, None)
        self.look_again(vm_uid)

    async def _look_or_tell(self, vm_uid: str, manifest: Manifest | None, coming: Coming | None) -> Arriving:
        try:
            return await self._look(vm_uid, manifest, coming)
        except QuantixError as error:
            if manifest is not None:
                await self._readying.tell_hindrance(vm_uid, manifest, error)
            raise

    async def _look(self, vm_uid: str, manifest: Manifest | None, coming: Coming | None) -> Arriving:
        domain = await self.tools.hypervisor.domain(domain_name(vm_uid)) if coming else None
        if coming is not None and (noted := with_half(coming, domain)) != coming:
            coming = noted
            await asyncio.to_thread(self._store.save, vm_uid, coming)
        told_uid, told_epoch = self._told.get(vm_uid, ("", 0))
        # the source's word counts, also once the API has forgotten the migration
        uid = told_uid if coming is not None and coming.uid == told_uid else ""
        source = None
        if manifest is not None:
            uid = manifest["metadata"]["uid"]
            source = model_of(VirtualMachineMigration, manifest).status.source
        epoch = told_epoch if uid == told_uid else 0
        if source is not None and source.outcome == "HandedOver" and source.epoch:
            epoch = source.epoch
        vm, mine = self._machine(vm_uid), self.mine(vm_uid)
        seen = Arriving(
            known=self.known(),
            migration=uid,
            gave_up=source is not None and source.outcome == "GaveUp",
            epoch=epoch,
            refused=manifest is not None and is_refused(manifest),
            coming=coming,
            domain=domain is not None,
            mine=mine,
            named=vm is not None,
            closing=self.closing(),
        )
        if not seen.known or not epoch or (mine if coming is None else coming.epoch):
            return seen
        return replace(seen, claims=await word_of_claims(self.tools, VmRef(vm_uid, vm), coming))

    async def _take_over(
        self, vm_uid: str, manifest: Manifest | None, coming: Coming, epoch: int
    ) -> float | None:
        vm = self._machine(vm_uid)
        if not coming.epoch:
            if vm is None:
                return _LOOK_S
            if await self.switched.waits(vm_uid, coming):
                return _SOON_S
            wired = self._wired.get(vm_uid) == coming.uid
            await take_over(self.tools, VmRef(vm_uid, vm), coming, epoch, wired=wired)
            coming = replace(coming, epoch=epoch)
            await asyncio.to_thread(self._store.save, vm_uid, coming)
            log.info("guest taken over", uid=vm_uid, source=coming.source, epoch=epoch)
        outcome = await self.switched.outcome(vm_uid, coming)
        if outcome != "Coming" and manifest is not None and manifest["metadata"]["uid"] == coming.uid:
            said = {"prepared": True, "outcome": outcome, "epoch": coming.epoch}
            await tell_target(self.tools.api, manifest, self.switched.ready(manifest, vm) | said)
        return _LOOK_S

    def _named(self, vm_uid: str, coming: Coming | None) -> Manifest | None:
        """The newest migration that brings this VM here; else that of what is here, also once it is over."""
        own = [item for item in self.migrations.values() if vm_uid_of(item) == vm_uid]
        found = [item for item in own if not is_over(item)]
        if not found and coming is not None:
            found = [item for item in own if item["metadata"]["uid"] == coming.uid]
        return newest(found)

    def _machine(self, vm_uid: str) -> VirtualMachine | None:
        found = (item for item in self.machines.values() if item["metadata"]["uid"] == vm_uid)
        manifest = next(found, None)
        return model_of(VirtualMachine, manifest) if manifest else None
