"""Does what was planned for one VM, one small function an action, and stops at the first failure.

Every action may be repeated. Called by the reconciler under the VM's lock; decides nothing.
"""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import (
    CephPool,
    Claim,
    ClaimDamagedError,
    ClaimStore,
    VolumeMissingError,
    VolumePlace,
    put_down,
    regain,
    release,
    take,
)
from quantix_hostd.facts.domain import ShutdownMode
from quantix_hostd.virtualmachine import actions as do
from quantix_hostd.virtualmachine.apply_leaving import LEAVING_HANDLERS
from quantix_hostd.virtualmachine.apply_live import LIVE_HANDLERS
from quantix_hostd.virtualmachine.apply_memory import MEMORY_HANDLERS
from quantix_hostd.virtualmachine.apply_moves import MOVE_HANDLERS
from quantix_hostd.virtualmachine.apply_passphrases import check_passphrases, passphrase_of, unlocked
from quantix_hostd.virtualmachine.apply_state import STATE_HANDLERS
from quantix_hostd.virtualmachine.first_boot import guest_domain
from quantix_hostd.virtualmachine.process_waits import still_ending, uuid_taken
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import Handler, VmRef

log = structlog.get_logger(__name__)

_QUIET = (do.SaveRecord, do.ForgetRecord, do.PrepareDirectories)


async def apply(tools: VmTools, ref: VmRef, planned: tuple[do.Action, ...]) -> None:
    """Do all of `planned` in order; raises what the first failing action raised."""
    for action in planned:
        if not isinstance(action, _QUIET):
            log.info("virtual machine", uid=ref.uid, action=type(action).__name__)
        await _HANDLERS[type(action)](tools, ref, action)


async def _make_devices(tools: VmTools, ref: VmRef, action: do.MakeDevices) -> None:
    for seat in action.seats:
        await tools.devices.make(seat)


async def _save_record(tools: VmTools, ref: VmRef, action: do.SaveRecord) -> None:
    await asyncio.to_thread(tools.records.save, ref.uid, action.record)


async def _forget_record(tools: VmTools, ref: VmRef, action: do.ForgetRecord) -> None:
    await asyncio.to_thread(tools.records.forget, ref.uid)


async def _enter_cpus(tools: VmTools, ref: VmRef, action: do.EnterCpus) -> None:
    tools.cpus.enter(ref.uid, action.cpus, action.bound)


async def _enter_devices(tools: VmTools, ref: VmRef, action: do.EnterDevices) -> None:
    tools.devices.enter(ref.uid, action.held)


async def _remove_ports(tools: VmTools, ref: VmRef, action: do.RemovePorts) -> None:
    if action.ports:
        await tools.ports.remove(action.ports)


async def _prepare_directories(tools: VmTools, ref: VmRef, action: do.PrepareDirectories) -> None:
    await asyncio.to_thread(tools.directories.prepare, ref.uid)


async def _build_first_boot_drive(tools: VmTools, ref: VmRef, action: do.BuildFirstBootDrive) -> None:
    vm = ref.vm
    if vm is not None:
        first = vm.spec.nics[0].network if vm.spec.nics else None
        network = tools.objects.network(vm.metadata.namespace or "", first) if first else None
        await tools.first_boot.ensure_drive(vm, guest_domain(vm, network))


async def _take_claims(tools: VmTools, ref: VmRef, action: do.TakeClaims) -> None:
    facts = tools.facts()

    def take_one(place: VolumePlace) -> None:
        claim = _read_claim(tools.claims, place)
        free = regain(claim, facts.name, action.epoch, ref.uid)
        wanted = take(free, facts.name, action.epoch, ref.uid, facts.cluster_uid)
        # in Ceph always: what an earlier process asked, and gave up, may still be done
        anew = action.rewrite or isinstance(place.pool, CephPool)
        tools.claims.compare_and_set(place, claim, wanted, rewrite=anew)

    for place in action.places:
        # one at a time: what comes after one that is not answered in time is not begun
        await tools.ask(place.pool, partial(take_one, place))


async def _grow_disk(tools: VmTools, ref: VmRef, action: do.GrowDisk) -> None:
    passphrase = await passphrase_of(tools, ref, action.encrypted)
    await tools.disks.grow(action.place, action.size_bytes, passphrase)


async def _define(tools: VmTools, ref: VmRef, action: do.Define) -> None:
    await tools.hypervisor.define(action.xml)


async def _create_paused(tools: VmTools, ref: VmRef, action: do.CreatePaused) -> None:
    await asyncio.to_thread(tools.records.clear_events, ref.uid)
    async with unlocked(tools, ref, action.encrypted, action.ceph):
        await tools.hypervisor.create_paused(ref.domain)
    # whatever the guest says from its first byte on is read: an unread console would stop it
    tools.consoles.attach(ref.uid, tools.layout.vm_run(ref.uid) / "serial.sock")
    await asyncio.to_thread(tools.directories.close_sockets, ref.uid)


async def _wire_ports(tools: VmTools, ref: VmRef, action: do.WirePorts) -> None:
    if not action.ports:
        return
    await tools.ports.set_owner(action.ports, ref.uid)
    await tools.ports.guard(tools.objects.router_ports())
    problems = await tools.ports.wait_installed(action.ports, action.timeout_s)
    for problem in problems:
        log.warning("port is not wired, guest starts anyway", uid=ref.uid, reason=problem.reason)


async def _resume(tools: VmTools, ref: VmRef, action: do.Resume) -> None:
    await tools.hypervisor.resume(ref.domain)
    tools.guests.resumed(ref.uid)


async def _suspend(tools: VmTools, ref: VmRef, action: do.Suspend) -> None:
    await tools.hypervisor.suspend(ref.domain)


async def _ask_to_shut_down(tools: VmTools, ref: VmRef, action: do.AskToShutDown) -> None:
    try:
        await tools.hypervisor.shutdown(ref.domain, action.mode)
    except TransientError as error:
        if action.mode is not ShutdownMode.AGENT:
            raise
        log.info("agent takes no order, asking by ACPI", uid=ref.uid, said=error.message)
        await tools.hypervisor.shutdown(ref.domain, ShutdownMode.ACPI)


async def _reset(tools: VmTools, ref: VmRef, action: do.Reset) -> None:
    await tools.hypervisor.reset(ref.domain)


async def _write_metadata(tools: VmTools, ref: VmRef, action: do.WriteMetadata) -> None:
    await tools.hypervisor.set_metadata(ref.domain, action.xml)


async def _destroy(tools: VmTools, ref: VmRef, action: do.Destroy) -> None:
    await tools.hypervisor.destroy(ref.domain, graceful=action.graceful)


async def _undefine(tools: VmTools, ref: VmRef, action: do.Undefine) -> None:
    await tools.hypervisor.undefine(ref.domain)
    await tools.consoles.detach(ref.uid)


async def _end_process(tools: VmTools, ref: VmRef, action: do.EndProcess) -> None:
    await asyncio.to_thread(tools.processes.end, action.process, force=action.force)


async def _ensure_no_process(tools: VmTools, ref: VmRef, action: do.EnsureNoProcess) -> None:
    found = await asyncio.to_thread(tools.processes.of_domain, action.uuid, ref.domain)
    if found.own:
        raise still_ending(found.own, tools.facts().name)


async def _ensure_uuid_unused(tools: VmTools, ref: VmRef, action: do.EnsureUUIDUnused) -> None:
    found = await asyncio.to_thread(tools.processes.of_domain, action.uuid, ref.domain)
    if found.own:
        raise still_ending(found.own, tools.facts().name)
    if found.others:
        raise uuid_taken(found.others, tools.facts().name)


async def _free_claims(tools: VmTools, ref: VmRef, action: do.FreeClaims) -> None:
    host = tools.facts().name

    def free(place: VolumePlace) -> None:
        claim = tools.claims.read(place)
        if claim is not None and claim.vm_uid == ref.uid:
            # what an earlier epoch left held goes with it: nothing of the VM is here any more
            freed = release(regain(claim, host, action.epoch, ref.uid), host, action.epoch)
            if freed.holder is None and claim.holder is not None:
                tools.disks.leave(place)
            tools.claims.compare_and_set(place, claim, freed)

    def free_one(place: VolumePlace) -> None:
        try:
            free(place)
        except ClaimDamagedError as damage:
            # it admits nobody as it is; the VM is let go, and its Volume goes on saying so
            log.warning("claim is damaged and stays", uid=ref.uid, path=damage.message)
        except VolumeMissingError as missing:
            if not (action.give_up_missing or action.give_up):
                told = {"name": ref.name, "place": place.shown}
                raise as_error(TransientError, "DataMissing", **told) from missing
            log.warning("data is missing, its claim stays", uid=ref.uid, path=place.shown)

    for place in reversed(action.places):
        try:
            await tools.ask(place.pool, partial(free_one, place))
        except TransientError as trouble:
            if not action.give_up:
                raise
            # also one that is freed late: only of what has left spec it may be given up
            log.warning("claim is not freed", uid=ref.uid, path=place.shown, error=str(trouble))


async def _remove_directories(tools: VmTools, ref: VmRef, action: do.RemoveDirectories) -> None:
    await tools.consoles.detach(ref.uid)
    await asyncio.to_thread(tools.directories.remove, ref.uid)


async def _put_down_claims(tools: VmTools, ref: VmRef, action: do.PutDownClaims) -> None:
    host = tools.facts().name

    def put_one_down(place: VolumePlace) -> None:
        try:
            claim = _read_claim(tools.claims, place)
            if claim.vm_uid == ref.uid:
                # no QEMU of an earlier epoch is left: before this one started they were looked for
                ours = regain(claim, host, action.epoch, ref.uid)
                tools.claims.compare_and_set(place, claim, put_down(ours, host, action.epoch))
        except QuantixError as trouble:
            # the guest goes on without it; what is still held then is tried again
            log.warning("claim is not put down", uid=ref.uid, path=place.shown, error=str(trouble))

    for place in action.places:
        # one that is not answered in time is remembered until the pool answers again
        await tools.ask(place.pool, partial(put_one_down, place))


def _read_claim(store: ClaimStore, place: VolumePlace) -> Claim:
    claim = store.read(place)
    if claim is None:
        raise as_error(ClaimDamagedError, "DataDamaged", unclaimed=place.shown_whole)
    return claim


_HANDLERS: dict[type, Handler] = {
    do.SaveRecord: _save_record,
    do.ForgetRecord: _forget_record,
    do.EnterCpus: _enter_cpus,
    do.EnterDevices: _enter_devices,
    do.RemovePorts: _remove_ports,
    do.PrepareDirectories: _prepare_directories,
    do.BuildFirstBootDrive: _build_first_boot_drive,
    do.TakeClaims: _take_claims,
    do.CheckPassphrases: check_passphrases,
    do.GrowDisk: _grow_disk,
    do.MakeDevices: _make_devices,
    do.Define: _define,
    do.CreatePaused: _create_paused,
    do.WirePorts: _wire_ports,
    do.Resume: _resume,
    do.Suspend: _suspend,
    do.AskToShutDown: _ask_to_shut_down,
    do.Reset: _reset,
    do.WriteMetadata: _write_metadata,
    do.Destroy: _destroy,
    do.Undefine: _undefine,
    do.EndProcess: _end_process,
    do.EnsureNoProcess: _ensure_no_process,
    do.EnsureUUIDUnused: _ensure_uuid_unused,
    do.FreeClaims: _free_claims,
    do.RemoveDirectories: _remove_directories,
    do.PutDownClaims: _put_down_claims,
    **LIVE_HANDLERS,
    **STATE_HANDLERS,
    **MOVE_HANDLERS,
    **LEAVING_HANDLERS,
    **MEMORY_HANDLERS,
}
