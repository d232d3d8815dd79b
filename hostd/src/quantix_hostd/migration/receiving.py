"""What this host does for a guest that comes: makes room for it, takes it over, or clears its half up.

Called by `incoming`. All of it may be done again: hostd may end after any line of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from quantix_api import VirtualMachine, Volume
from quantix_api.errors import PermanentError, TransientError
from quantix_api.messages import as_error
from quantix_api.quantities import size_bytes
from quantix_api.resources import VOLUMES
from quantix_api.times import render_epoch_time
from quantix_api.vm_status import ResolvedDisk
from quantix_client.reading import model_of
from quantix_hostd.claims import (
    CephPool,
    Claim,
    ClaimDamagedError,
    Holder,
    PoolKey,
    VolumeMissingError,
    VolumePlace,
    release,
)
from quantix_hostd.domainxml.view import view
from quantix_hostd.facts.domain import DomainSnapshot, DomainState
from quantix_hostd.migration.coming import Coming
from quantix_hostd.virtualmachine import actions as do
from quantix_hostd.virtualmachine.apply import apply
from quantix_hostd.virtualmachine.firmware import keeps_state
from quantix_hostd.virtualmachine.observed import disk_places
from quantix_hostd.virtualmachine.record import Record
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import VmRef

log = structlog.get_logger(__name__)
_WIRED_WITHIN_S = 1.0


async def coming_of(tools: VmTools, vm: VirtualMachine, migration: str, source: str) -> Coming:
    """What is to be noted of it before anything is made for it. Raises QuantixError."""
    copies: list[tuple[str, str]] = []
    staying: list[tuple[str, str]] = []
    volumes = [await _volume(tools, vm, disk.volume) for disk in _disks(vm)]
    for volume in volumes:
        kind = copies if _is_local(tools, volume) else staying
        kind.append((volume.status.pool or "", _handle(volume)))
    uuid = vm.status.resolved.uuid if vm.status.resolved is not None else None
    return Coming(
        migration,
        source,
        tuple(copies),
        uuid=uuid or vm.metadata.uid,
        ports=_ports(vm),
        staying=tuple(staying),
        encrypted=tuple(volume.metadata.uid for volume in volumes if volume.spec.encryption is not None),
        order=tuple(_handle(volume) for volume in volumes),
    )


async def prepare(tools: VmTools, ref: VmRef) -> None:
    """Make all that the guest finds here. Raises WaitingError while it may not read a Secret yet, and
    QuantixError and OSError: then it cannot come.
    """
    assert ref.vm is not None
    if keeps_state(ref.vm):
        await asyncio.to_thread(tools.states.make_way, ref.uid)
    volumes = [await _volume(tools, ref.vm, disk.volume) for disk in _disks(ref.vm)]
    await _tell_pool_keys(tools, {volume.status.pool or "" for volume in volumes})
    made = (do.RemovePorts(_ports(ref.vm)), do.PrepareDirectories(), do.BuildFirstBootDrive())
    await apply(tools, ref, made)
    for volume in volumes:
        if _is_local(tools, volume):
            await _make_copy(tools, ref, volume)
    await _tell_passphrases(tools, ref)


async def tell_again(tools: VmTools, ref: VmRef, coming: Coming) -> None:
    """What libvirt forgets when it restarts, and asks for once the source sends. Raises QuantixError."""
    await _tell_pool_keys(tools, {pool for pool, _ in coming.staying})
    if coming.encrypted and ref.vm is not None:
        await _tell_passphrases(tools, ref)


async def _tell_pool_keys(tools: VmTools, pools: Collection[str]) -> None:
    known = tools.objects.pool_keys()
    for pool in sorted(pools):
        if isinstance(known.get(pool), CephPool):
            await tools.hypervisor.set_pool_key(pool, tools.pool_key(pool))


async def _tell_passphrases(tools: VmTools, ref: VmRef) -> None:
    """Let libvirt open what comes encrypted, until it is taken over or cleared up. Raises WaitingError."""
    assert ref.vm is not None
    for volume in [await _volume(tools, ref.vm, disk.volume) for disk in _disks(ref.vm)]:
        if volume.spec.encryption is not None:
            passphrase = await tools.passphrases.of(volume)
            await tools.hypervisor.set_secret(volume.metadata.uid, passphrase)


async def _forget_passphrases(tools: VmTools, coming: Coming) -> None:
    for uid in coming.encrypted:
        await tools.hypervisor.forget_secret(uid)


async def _volume(tools: VmTools, vm: VirtualMachine, name: str) -> Volume:
    return model_of(Volume, await tools.api.get(VOLUMES, name, vm.metadata.namespace))


def _disks(vm: VirtualMachine) -> tuple[ResolvedDisk, ...]:
    return vm.status.resolved.disks if vm.status.resolved else ()


def _handle(volume: Volume) -> str:
    return volume.status.handle or volume.metadata.uid


def _is_local(tools: VmTools, volume: Volume) -> bool:
    return isinstance(_key(tools, volume.status.pool or ""), Path)


def _key(tools: VmTools, pool: str) -> PoolKey:
    key = tools.objects.pool_keys().get(pool)
    if key is None:
        raise as_error(TransientError, "TargetFailed", unknown=pool)
    return key


async def _make_copy(tools: VmTools, ref: VmRef, volume: Volume) -> None:
    pool, handle = volume.status.pool or "", _handle(volume)
    passphrase = await tools.passphrases.of(volume)
    place = place_of(tools, pool, handle)
    await tools.ask(place.pool, partial(_require_useless, tools, place))
    claim = Claim(0, None, ref.uid, tools.facts().cluster_uid, partial=True)
    capacity = size_bytes(volume.status.capacity or volume.spec.size or "0")
    await tools.moves.make_copy(pool, handle, capacity, claim, passphrase)


async def wire(tools: VmTools, vm_uid: str, vm: VirtualMachine | None) -> bool:
    """Mark its taps as ours, so that they are found, and guard its sockets; the guest does not run here yet.
    Whether all its NICs are wired.
    """
    await asyncio.to_thread(tools.directories.close_sockets, vm_uid)
    if vm is None or not _ports(vm):
        return vm is not None
    await tools.ports.set_owner(_ports(vm), vm_uid)
    await tools.ports.guard(tools.objects.router_ports())
    return not await tools.ports.wait_installed(_ports(vm), _WIRED_WITHIN_S)


async def is_handed_over(tools: VmTools, ref: VmRef, epoch: int) -> bool:
    """Whether the claims of all disks that its half here has open name this host, and there is one. Raises
    QuantixError where one cannot be read.
    """
    domain = await tools.hypervisor.domain(ref.domain)
    opened = disk_places(view(domain.live_xml)) if domain is not None and domain.live_xml else {}
    host = tools.facts().name
    for place in opened.values():
        claim = await tools.ask(place.pool, partial(tools.claims.read, place))
        if claim is None or claim.vm_uid != ref.uid or not claim.held_by(host, epoch):
            return False
    return bool(opened)


async def take_over(
    tools: VmTools, ref: VmRef, coming: Coming, epoch: int, *, resume: bool = True, wired: bool = False
) -> None:
    """The source handed the guest over: take its claims, and let it go on, where libvirt does not (`resume`).
    NICs known to be `wired` are not looked at meanwhile. One whose half has ended here is this host's all the
    same: it is started from its disks once it is assigned.

    Raises TransientError while a claim names another.
    """
    assert ref.vm is not None
    before = await asyncio.to_thread(tools.records.load, ref.uid)
    domain = await tools.hypervisor.domain(ref.domain)
    live = view(domain.live_xml) if domain is not None and domain.live_xml else None
    # not what the VM has by now: what was added since was never handed over
    opened = tuple(disk_places(live).values()) or tuple(place_of(tools, *volume) for volume in coming.sent)
    copied = tuple(place_of(tools, pool, handle) for pool, handle in coming.copies)
    for place in (place for place in copied if place in opened):
        await tools.ask(place.pool, partial(_take, tools, place, ref.uid, epoch))
    for place in (place for place in opened if place not in copied):
        await tools.ask(place.pool, partial(_require, tools, place, ref.uid, epoch))
    await _forget_passphrases(tools, coming)
    if before.epoch == epoch and before.started and (domain is None or not domain.active):
        # it went on here, and has ended since
        return
    record = Record(
        epoch=epoch,
        started=domain is not None and domain.active,
        boot_id=tools.facts().boot_id,
        started_s=tools.clock.monotonic(),
        started_at=render_epoch_time(tools.wall()),
        handled_restart_at=live.metadata.handled_restart_at if live and live.metadata else "",
        places=opened,
    )
    # what was told of its half is about no end of this guest
    await asyncio.to_thread(tools.records.clear_events, ref.uid)
    await asyncio.to_thread(tools.records.save, ref.uid, record)
    if domain is not None and domain.active:
        await _go_on(tools, ref, domain, resume=resume, wired=wired)


async def _go_on(tools: VmTools, ref: VmRef, domain: DomainSnapshot, *, resume: bool, wired: bool) -> None:
    assert ref.vm is not None
    stays = ref.vm.spec.power_state == "Paused" or domain.state is not DomainState.PAUSED or not resume
    ports = () if wired else (do.WirePorts(_ports(ref.vm), _WIRED_WITHIN_S),)
    await apply(tools, ref, (*ports, *(() if stays else (do.Resume(),))))
    tools.consoles.attach(ref.uid, tools.layout.vm_run(ref.uid) / "serial.sock")


def _take(tools: VmTools, place: VolumePlace, vm_uid: str, epoch: int) -> None:
    """Of data that came too: held from now on by this host, as the source's claim says."""
    host, claim = tools.facts().name, tools.claims.read(place)
    if claim is None or claim.vm_uid != vm_uid:
        raise TransientError("NotTakenOver", f"The copy in {place.shown} is not this VM's.")
    if claim.held_by(host, epoch):
        return
    held = replace(claim, holder=Holder(host, epoch), partial=False, floor=max(claim.floor, epoch - 1))
    tools.claims.compare_and_set(place, claim, held)


def _require(tools: VmTools, place: VolumePlace, vm_uid: str, epoch: int) -> None:
    claim = tools.claims.read(place)
    if claim is None or claim.vm_uid != vm_uid or not claim.held_by(tools.facts().name, epoch):
        raise TransientError("NotTakenOver", f"The claim of {place.shown} does not name this host yet.")


async def drop(tools: VmTools, ref: VmRef) -> DomainSnapshot | None:
    """End the half, and nothing else; what it was. Raises QuantixError."""
    found = await tools.hypervisor.domain(ref.domain)
    if found is not None and found.active:
        await apply(tools, ref, (do.Destroy(graceful=False),))
    if found is not None:
        await apply(tools, ref, (do.Undefine(),))
    return found


async def clear_up(tools: VmTools, ref: VmRef, coming: Coming) -> None:
    """Nothing of it is to be here: the half is ended and what was made for it goes, whether the API still
    tells this host of the VM or not. Raises QuantixError.
    """
    found = await drop(tools, ref)
    await _forget_passphrases(tools, coming)
    uuid = found.uuid if found is not None else coming.uuid or ref.uid
    await apply(tools, ref, (do.EnsureNoProcess(uuid), do.RemovePorts(coming.ports)))
    for pool, handle in coming.copies:
        place = place_of(tools, pool, handle)
        try:
            await tools.ask(place.pool, partial(_require_useless, tools, place))
        except (ClaimDamagedError, PermanentError) as error:
            log.warning("data is kept", uid=ref.uid, path=place.shown, error=error.message)
            continue
        await tools.moves.remove_copy(pool, handle)
    keys = tools.objects.pool_keys()
    for place in (VolumePlace(keys[pool], handle) for pool, handle in coming.staying if pool in keys):
        with suppress(VolumeMissingError):
            await tools.ask(place.pool, partial(_give_back, tools, place, ref))
    await apply(tools, ref, (do.RemoveDirectories(), do.RemoveLocalState(uuid)))
    await asyncio.to_thread(tools.records.clear_events, ref.uid)


def _give_back(tools: VmTools, place: VolumePlace, ref: VmRef) -> None:
    """A hand-over that stopped before the deciding claim never happened: of the others none stays here."""
    host, claim = tools.facts().name, tools.claims.read(place)
    holder = claim.holder if claim is not None and claim.vm_uid == ref.uid else None
    if claim is not None and holder is not None and holder.host == host:
        tools.claims.compare_and_set(place, claim, release(claim, host, holder.epoch))


def _require_useless(tools: VmTools, place: VolumePlace) -> None:
    """Never remove what anybody may have: only a copy that was not filled, or what has moved away since.
    Raises PermanentError, ClaimDamagedError and TransientError.
    """
    try:
        claim = tools.claims.read(place)
    except VolumeMissingError:
        return
    elsewhere = claim is not None and claim.holder is not None and claim.holder.host != tools.facts().name
    if claim is not None and not claim.partial and not elsewhere:
        raise as_error(PermanentError, "TargetFailed", kept=place.shown)


def place_of(tools: VmTools, pool: str, handle: str) -> VolumePlace:
    return VolumePlace(_key(tools, pool), handle)


def _ports(vm: VirtualMachine) -> tuple[str, ...]:
    return tuple(nic.port for nic in vm.status.nics if nic.port)
