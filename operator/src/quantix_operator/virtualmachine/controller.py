"""Reconciles one VirtualMachine: volumes, ports, resolved values, conditions, deletion.

Run by the dispatcher, one VM never twice at once. What it decides is in `volume_plan`, `status` and
`deletion`; it only looks, asks them and carries out.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from quantix_api import VirtualMachine
from quantix_api.conditions import condition_in
from quantix_api.messages import render
from quantix_api.resources import VIRTUAL_MACHINES, Resource
from quantix_client.errors import Conflict, NotFound
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper
from quantix_operator.finalizers import Finalizers, has_finalizer
from quantix_operator.objects import Objects
from quantix_operator.scheduling.addressed import has_its_addresses
from quantix_operator.scheduling.observe import is_absent
from quantix_operator.status_writer import StatusWriter
from quantix_operator.staying import unsay
from quantix_operator.virtualmachine.apply import carry_out
from quantix_operator.virtualmachine.deletion import plan_release, still_attached
from quantix_operator.virtualmachine.disks import made_in_vain, volume_views
from quantix_operator.virtualmachine.growth import beyond_addresses, grows, lacking_room
from quantix_operator.virtualmachine.observe import observe, secret_references
from quantix_operator.virtualmachine.observed import Observed
from quantix_operator.virtualmachine.ports import NicsResult, Ports
from quantix_operator.virtualmachine.secret_access import SecretAccess
from quantix_operator.virtualmachine.status import (
    SILENT_HANDOVER_S,
    SILENT_WAIT_S,
    Derived,
    Moment,
    derive_status,
)
from quantix_operator.virtualmachine.volume_model import CreateVolume, Owner, PatchVolume, VolumePlan
from quantix_operator.virtualmachine.volume_plan import plan_volumes
from quantix_operator.virtualmachine.waits import begun_wait
from quantix_operator.virtualmachine.watches import WATCHES

log = structlog.get_logger(__name__)

_AGAIN_S = 0.05
_DATABASE_RETRY_S = 2.0
# Secrets are not watched: hostds may not list them, and neither does the operator
_SECRET_RETRY_S = 5.0
# what gives room to a VM that grows is another VM's end, of which this one's watch tells nothing
_ROOM_RETRY_S = 10.0


class VirtualMachineController:
    """`await reconcile("namespace/name")`."""

    name = "virtualmachine"
    # more at once only queue in the API server, where they keep the leader's renewals waiting, too
    concurrency = 4
    resource: Resource | None = VIRTUAL_MACHINES
    watches: Mapping[Resource, Mapper] = WATCHES

    def __init__(self, context: Context, objects: Objects, ports: Ports, access: SecretAccess) -> None:
        self._api = context.api
        self._cache = context.cache
        self._events = context.events
        self._clock = context.clock
        self._objects = objects
        self._ports = ports
        self._writer = StatusWriter(context.api, context.cache)
        self._finalizers = Finalizers(context.api, context.cache, VIRTUAL_MACHINES)
        self._access = access
        self._promising = context.promising
        self._waiting_since_s: dict[str, float] = {}
        self._handed_since_s: dict[str, float] = {}

    async def reconcile(self, key: str) -> float | None:
        """One look at one VM; returns when to look again without being woken."""
        vm = self._objects.get(VirtualMachine, key)
        if vm is None:
            self._waiting_since_s.pop(key, None)
            self._handed_since_s.pop(key, None)
            return None
        live = self._objects.manifest(vm)
        if live is None:
            return None
        try:
            if vm.deleting:
                return await self._delete(vm)
            held = await self._finalizers.ensure(live)
            return await self._look_after(vm) if held is not None else None
        except Conflict as conflict:
            log.info("somebody was faster", vm=key, error=conflict.message)
            return _AGAIN_S

    async def _look_after(self, vm: VirtualMachine) -> float | None:
        observed = await self._observe(vm, await self._first_ports(vm))
        if _plan(observed).actions and not observed.barred:
            # One at a time, each from a fresh look: what two VMs or Volumes want at once goes to one
            async with self._promising:
                await self._make_volumes(await self._observe(vm, observed.nics))
            observed = await self._observe(vm, observed.nics)
        # Also without a host: a port lives as long as its VM, and what is missing is said all at once
        if observed.nics is None and (observed.host is not None or vm.spec.nics or vm.status.nics):
            observed = replace(observed, nics=await self._ports.ensure_ports(vm))
        encrypted = any(volume.spec.get("encryption") for volume in observed.volumes.values())
        if observed.host is not None and (encrypted or secret_references(vm)):
            await self._access.ensure(vm.metadata.namespace or "", observed.host)
        if observed.sizing is None:
            return await self._say(observed)
        beyond = beyond_addresses(self._objects, vm, observed.sizing)
        if beyond is not None or not grows(vm, observed.sizing):
            return await self._say(replace(observed, no_room=beyond))
        async with self._promising:
            return await self._say(
                replace(observed, no_room=lacking_room(self._objects, vm, observed.sizing))
            )

    async def _first_ports(self, vm: VirtualMachine) -> NicsResult | None:
        """What comes of addresses that somebody chose, before room is taken for a VM that never gets them.
        None: nothing is asked yet; the ports of all others come after their volumes, which take longer.
        """
        has_host = vm.status.assignment is not None and vm.status.assignment.host is not None
        if has_host or not any(nic.addresses for nic in vm.spec.nics):
            return None
        return await self._ports.ensure_ports(vm)

    async def _observe(self, vm: VirtualMachine, nics: NicsResult | None) -> Observed:
        return replace(await observe(self._api, self._objects, vm), nics=nics)

    async def _make_volumes(self, observed: Observed) -> None:
        """Carry out the plan of volumes."""
        actions = _plan(observed).actions
        disowns = any(isinstance(item, PatchVolume) and item.disowns for item in actions)
        if disowns and not await self._stays(observed.vm):
            return
        for action in actions:
            await carry_out(self._api, self._cache, observed.vm.metadata.namespace or "", action)
            if isinstance(action, PatchVolume) and action.adopts:
                self._tell_adopted(observed, action)

    async def _stays(self, vm: VirtualMachine) -> bool:
        """Whether nobody is deleting it, as the API knows, and not the cache: who deletes a VM with its
        volumes makes it their owner once its deletion is accepted, and would be undone by a cache that lags.
        """
        metadata = vm.metadata
        try:
            live = await self._api.get(VIRTUAL_MACHINES, metadata.name, metadata.namespace)
        except NotFound:
            return False
        return live["metadata"]["uid"] == metadata.uid and not live["metadata"].get("deletionTimestamp")

    def _tell_adopted(self, observed: Observed, action: PatchVolume) -> None:
        volume, disk = action.name, action.adopts
        said = render("Adopted", volume=volume, disk=disk)
        self._events.record(dict(observed.live), said.reason, said.text, action="Adopt")
        log.info("volume adopted", vm=observed.vm.key, volume=volume, disk=disk)

    async def _say(self, observed: Observed) -> float | None:
        """Write what is due to be written; short waits are not."""
        key, now_s = observed.vm.key, self._clock.monotonic()
        waited_s = now_s - self._waiting_since_s.setdefault(key, now_s)
        handed_s = now_s - self._handed_since_s.get(key, now_s)
        moment = Moment(datetime.now(UTC), waited_s, handed_s, self._owns_ready(observed))
        derived = derive_status(observed, moment)
        if not derived.moving:
            self._waiting_since_s.pop(key, None)
        if not (derived.moving and derived.complete):
            self._handed_since_s.pop(key, None)
        else:
            self._handed_since_s.setdefault(key, now_s)
        short = derived.moving and not derived.complete and waited_s < SILENT_WAIT_S
        if not short or _gained_addresses(observed):
            await self._write(observed, derived)
        return _next_look_s(observed, derived, moment)

    async def _write(self, observed: Observed, derived: Derived) -> None:
        live = dict(observed.live)
        written = await self._writer.write(
            VIRTUAL_MACHINES,
            live,
            derived.status,
            on_version=True,
            leave_ready=not derived.says_ready,
        )
        wait = begun_wait(live, derived.status) if written else None
        if wait is not None:
            self._events.record(live, wait[0], wait[1], type="Warning", action="Start")

    def _owns_ready(self, observed: Observed) -> bool:
        """Whether what we said of Ready still stands."""
        return "reason" in condition_in(self._writer.owned(dict(observed.live)))

    async def _delete(self, vm: VirtualMachine) -> float | None:
        said = self._objects.manifest(vm)
        if said is not None:
            # somebody else's finalizer may keep it for long
            await unsay(self._writer, VIRTUAL_MACHINES, said)
        if not is_absent(vm):
            observed = await observe(self._api, self._objects, vm)
            if observed.host_lost:
                await self._say(observed)
            return None
        live = self._objects.manifest(vm)
        if live is None or not has_finalizer(live):
            return None
        if not await self._ports.release_ports(vm):
            return _DATABASE_RETRY_S
        volumes = volume_views(self._objects, vm)
        if any(item.denied for item in volumes.values()):
            # who says that it keeps the data is judged by this VM, so before this VM is gone
            return None
        for action in plan_release(vm, volumes, made_in_vain(self._objects, live)):
            with suppress(NotFound):
                await carry_out(self._api, self._cache, vm.metadata.namespace or "", action)
        if still_attached(vm, volumes):
            return None
        await self._finalizers.release(live)
        return None


def _plan(observed: Observed) -> VolumePlan:
    metadata = observed.vm.metadata
    owner = Owner(metadata.namespace or "", metadata.name, metadata.uid)
    plan = plan_volumes(owner, observed.disks, observed.volumes, observed.surroundings)
    if not observed.unconnectable:
        return plan
    return replace(plan, actions=tuple(item for item in plan.actions if not isinstance(item, CreateVolume)))


def _gained_addresses(observed: Observed) -> bool:
    """Whether it has just been given the addresses that it names: its placement waits for that word."""
    vm, nics = observed.vm, observed.nics
    if observed.host is not None or nics is None or has_its_addresses(vm, vm.status.nics):
        return False
    return has_its_addresses(vm, nics.nics)


def _next_look_s(observed: Observed, derived: Derived, moment: Moment) -> float | None:
    """When something is due that no change of an object tells; None: never."""
    times = []
    if derived.moving and derived.complete and moment.handed_s < SILENT_HANDOVER_S:
        times.append(SILENT_HANDOVER_S - moment.handed_s)
    elif derived.moving and moment.waited_s < SILENT_WAIT_S:
        times.append(SILENT_WAIT_S - moment.waited_s)
    if observed.nics is not None and observed.nics.retry_after_s is not None:
        times.append(observed.nics.retry_after_s)
    if observed.obstacle is not None and observed.obstacle.reason == "SecretNotFound":
        times.append(_SECRET_RETRY_S)
    if observed.no_room is not None:
        times.append(_ROOM_RETRY_S)
    return min(times, default=None)
