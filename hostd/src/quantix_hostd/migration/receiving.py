"""What this host does for a guest that comes: makes room for it, takes it over, or clears its half up.

Called by `incoming`. All of it may be done again: hostd may end after any line of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

from quantix_api import VirtualMachine, Volume
from quantix_api.errors import PermanentError, TransientError, WaitingError
from quantix_api.messages import as_error
from quantix_api.quantities import size_bytes
from quantix_api.resources import VOLUMES
from quantix_api.times import render_epoch_time
from quantix_api.vm_status import ResolvedDisk
from quantix_client.reading import model_of
from quantix_hostd.claims import CephPool, Claim, Holder, PoolKey, VolumeMissingError, VolumePlace
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.migration.kept import Coming
from quantix_hostd.virtualmachine import actions as do
from quantix_hostd.virtualmachine.apply import apply
from quantix_hostd.virtualmachine.record import Record
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import VmRef


async def prepare(tools: VmTools, ref: VmRef) -> tuple[tuple[str, str], ...]:
    """Make all that the guest finds here; the copies (pool, handle) that were made for its local disks.

    Raises QuantixError and OSError: then it cannot come.
    """
    assert ref.vm is not None
    _refuse(ref.vm)
    volumes = [await _volume(tools, ref.vm, disk.volume) for disk in _disks(ref.vm)]
    for pool in {volume.status.pool or "" for volume in volumes}:
        key = tools.objects.pool_keys().get(pool)
        if isinstance(key, CephPool):
            await tools.hypervisor.set_pool_key(pool, tools.pool_key(pool))
    made = (do.RemovePorts(_ports(ref.vm)), do.PrepareDirectories(), do.BuildFirstBootDrive())
    await apply(tools, ref, made)
    return tuple([await _make_copy(tools, ref, volume) for volume in volumes if _is_local(tools, volume)])


def _refuse(vm: VirtualMachine) -> None:
    """Raises PermanentError for what does not travel yet."""
    resolved = vm.status.resolved
    if vm.spec.firmware.tpm or (resolved is not None and resolved.firmware == "UEFI"):
        raise PermanentError("TargetFailed", "What its firmware or TPM remembers does not move yet.")


async def _volume(tools: VmTools, vm: VirtualMachine, name: str) -> Volume:
    return model_of(Volume, await tools.api.get(VOLUMES, name, vm.metadata.namespace))


def _disks(vm: VirtualMachine) -> tuple[ResolvedDisk, ...]:
    return vm.status.resolved.disks if vm.status.resolved else ()


def _is_local(tools: VmTools, volume: Volume) -> bool:
    return isinstance(_key(tools, volume.status.pool or ""), Path)


def _key(tools: VmTools, pool: str) -> PoolKey:
    key = tools.objects.pool_keys().get(pool)
    if key is None:
        raise as_error(WaitingError, "PoolNotFound", pool=pool)
    return key


async def _make_copy(tools: VmTools, ref: VmRef, volume: Volume) -> tuple[str, str]:
    pool, handle = volume.status.pool or "", volume.status.handle or volume.metadata.uid
    if volume.spec.encryption is not None:
        name = volume.metadata.name
        raise PermanentError(
            "TargetFailed", f"Volume {name} is encrypted, and its pool is of this host alone."
        )
    claim = Claim(0, None, ref.uid, tools.facts().cluster_uid, partial=True)
    capacity = size_bytes(volume.status.capacity or volume.spec.size or "0")
    await tools.moves.make_copy(pool, handle, capacity, claim)
    return pool, handle


async def wire(tools: VmTools, vm_uid: str, vm: VirtualMachine | None) -> None:
    """Mark its taps as ours, so that they are found, and guard its sockets; the guest is not here yet."""
    if vm is not None and _ports(vm):
        await tools.ports.set_owner(_ports(vm), vm_uid)
        await tools.ports.guard(tools.objects.router_ports())
    await asyncio.to_thread(tools.directories.close_sockets, vm_uid)


async def take_over(tools: VmTools, ref: VmRef, coming: Coming, epoch: int) -> None:
    """The source handed the guest over: take its claims, and let it go on.

    Raises TransientError while the guest is not here whole, or a claim names another.
    """
    domain = await tools.hypervisor.domain(domain_name(ref.uid))
    if domain is None or not domain.active:
        raise TransientError("TargetFailed", f"Nothing of {ref.name} has come to {tools.facts().name}.")
    places = tuple(_place(tools, pool, handle) for pool, handle in coming.copies)
    for place in places:
        await tools.ask(place.pool, partial(_take, tools, place, ref.uid, epoch))
    shared = await _shared_places(tools, ref, places)
    for place in shared:
        await tools.ask(place.pool, partial(_require, tools, place, ref.uid, epoch))
    record = Record(
        epoch=epoch,
        started=True,
        boot_id=tools.facts().boot_id,
        started_s=tools.clock.monotonic(),
        started_at=render_epoch_time(tools.wall()),
        places=(*shared, *places),
    )
    await asyncio.to_thread(tools.records.save, ref.uid, record)
    ports = _ports(ref.vm) if ref.vm is not None else ()
    paused = ref.vm is not None and ref.vm.spec.power_state == "Paused"
    resume = () if paused else (do.Resume(),)
    await apply(tools, ref, (do.WirePorts(ports, 1.0), *resume))
    tools.consoles.attach(ref.uid, tools.layout.vm_run(ref.uid) / "serial.sock")


async def _shared_places(
    tools: VmTools, ref: VmRef, local: tuple[VolumePlace, ...]
) -> tuple[VolumePlace, ...]:
    if ref.vm is None:
        return ()
    volumes = [await _volume(tools, ref.vm, disk.volume) for disk in _disks(ref.vm)]
    found = [
        VolumePlace(_key(tools, volume.status.pool or ""), volume.status.handle or volume.metadata.uid)
        for volume in volumes
    ]
    return tuple(place for place in found if place not in local)


def _take(tools: VmTools, place: VolumePlace, vm_uid: str, epoch: int) -> None:
    """Of data that came too: held from now on by this host, as the source's claim says."""
    host, claim = tools.facts().name, tools.claims.read(place)
    if claim is None or claim.vm_uid != vm_uid:
        raise TransientError("TargetFailed", f"The copy in {place.shown} is not this VM's.")
    if claim.held_by(host, epoch):
        return
    held = replace(claim, holder=Holder(host, epoch), partial=False, floor=max(claim.floor, epoch - 1))
    tools.claims.compare_and_set(place, claim, held)


def _require(tools: VmTools, place: VolumePlace, vm_uid: str, epoch: int) -> None:
    claim = tools.claims.read(place)
    if claim is None or claim.vm_uid != vm_uid or not claim.held_by(tools.facts().name, epoch):
        raise TransientError("TargetFailed", f"The claim of {place.shown} does not name this host yet.")


async def clear_up(tools: VmTools, ref: VmRef, coming: Coming) -> None:
    """Nothing of it is to be here: the half is ended and what was made for it goes. Raises QuantixError."""
    found = await tools.hypervisor.domain(ref.domain)
    if found is not None and found.active:
        await apply(tools, ref, (do.Destroy(graceful=False),))
    if found is not None:
        await apply(tools, ref, (do.Undefine(),))
    uuid = found.uuid if found is not None else ref.uid
    ports = _ports(ref.vm) if ref.vm is not None else ()
    await apply(tools, ref, (do.EnsureNoProcess(uuid), do.RemovePorts(ports)))
    for pool, handle in coming.copies:
        place = _place(tools, pool, handle)
        await tools.ask(place.pool, partial(_require_partial, tools, place))
        await tools.moves.remove_copy(pool, handle)
    await apply(tools, ref, (do.RemoveDirectories(),))


def _require_partial(tools: VmTools, place: VolumePlace) -> None:
    """Never remove what anybody may have: raises TransientError."""
    try:
        claim = tools.claims.read(place)
    except VolumeMissingError:
        return
    if claim is not None and not claim.partial:
        raise TransientError("TargetFailed", f"{place.shown} is no copy any more, and is kept.")


def _place(tools: VmTools, pool: str, handle: str) -> VolumePlace:
    return VolumePlace(_key(tools, pool), handle)


def _ports(vm: VirtualMachine) -> tuple[str, ...]:
    return tuple(nic.port for nic in vm.status.nics if nic.port)
