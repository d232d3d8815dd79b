"""Removes what there is of a snapshot, and has a guest go on that stands still for one.

Called by the controller of snapshots. Everything here may be repeated, and begun by another hostd.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

import structlog

from quantix_api import VirtualMachineSnapshot
from quantix_api.errors import QuantixError, WaitingError
from quantix_hostd.claims import ClaimDamagedError, VolumeMissingError, without_memory_of
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.facts.domain import PAUSED_BY_USER, DomainState
from quantix_hostd.snapshot.kept import Kept
from quantix_hostd.snapshot.tools import SnapshotTools
from quantix_hostd.virtualmachine.observe import has_open_agent_channel

log = structlog.get_logger(__name__)


async def undo(tools: SnapshotTools, kept: Kept) -> QuantixError | None:
    """The guest goes on; nothing of it is left in any pool that there still is. What keeps the guest's file
    systems from going on, too, which keeps back nothing else. Raises QuantixError.
    """
    frozen: QuantixError | None = None
    if kept.live:
        await tools.vms.hypervisor.stop_disks_copy(domain_name(kept.vm_uid))
        await _go_on(tools, kept)
        frozen = await try_thaw(tools, kept)
    else:
        await _let_go(tools, kept)
    for disk in kept.disks:
        with _unless_gone(disk.pool):
            await _remove(tools, disk.pool, kept.uid, disk.name, disk.volume_uid)
    with _unless_gone(kept.home):
        await _remove_rest(tools, kept.home, kept.uid)
    return frozen


@contextmanager
def _unless_gone(pool: str) -> Iterator[None]:
    """Of a pool that was deleted nobody tells where it was."""
    try:
        yield
    except WaitingError as error:
        if error.reason != "PoolNotFound":
            raise
        log.warning("what is left of a snapshot stays in a pool that is no more", pool=pool)


async def try_thaw(tools: SnapshotTools, kept: Kept) -> QuantixError | None:
    """Have a guest thawed that may be frozen, and write that down. What went wrong where it still is."""
    if not kept.frozen:
        return None
    try:
        await thaw(tools, kept)
    except QuantixError as error:
        log.warning("guest is not thawed", uid=kept.vm_uid, snapshot=kept.uid, error=error.message)
        return error
    await asyncio.to_thread(tools.kept.save, replace(kept, frozen=False))
    return None


async def _go_on(tools: SnapshotTools, kept: Kept) -> None:
    """One that a hostd left standing still that was killed then."""
    async with tools.guests.alone(kept.vm_uid):
        domain = await tools.vms.hypervisor.domain(domain_name(kept.vm_uid))
        vm = tools.vms.objects.virtual_machine(kept.vm_uid)
        still = domain is not None and domain.state is DomainState.PAUSED and domain.reason == PAUSED_BY_USER
        if still and vm is not None and vm.spec.power_state == "Running" and kept.step == "moment":
            await tools.vms.hypervisor.resume(domain_name(kept.vm_uid))
            log.info("guest goes on that stood still for a snapshot", uid=kept.vm_uid, snapshot=kept.uid)


async def _let_go(tools: SnapshotTools, kept: Kept) -> None:
    """Of the disks that were held still for one that was killed then, or that a pool kept from letting go."""
    namespace = kept.key.partition("/")[0]
    for disk in kept.disks:
        with suppress(VolumeMissingError), _unless_gone(disk.pool):
            place = (await tools.pools.pool(disk.pool)).place(disk.volume_uid)
            await tools.lending.end_left(f"{namespace}/{disk.volume}", disk.volume_uid, place)


async def thaw(tools: SnapshotTools, kept: Kept) -> None:
    """Have the guest's file systems go on, where its agent listens. Raises TransientError where that does not
    answer.
    """
    name = domain_name(kept.vm_uid)
    domain = await tools.vms.hypervisor.domain(name)
    if domain is not None and domain.live_xml is not None and has_open_agent_channel(domain.live_xml):
        await tools.vms.hypervisor.thaw(name)
        log.info("guest thawed", uid=kept.vm_uid, snapshot=kept.uid)


async def remove_data(tools: SnapshotTools, snapshot: VirtualMachineSnapshot) -> None:
    """Of one that is deleted: where it lies is told by its UID and what the scheduler says. Raises
    QuantixError.
    """
    uid = snapshot.metadata.uid
    for disk in snapshot.status.disks:
        await _forget_memory(tools, disk.pool or "", disk.volume_uid or "", uid)
    for disk in snapshot.status.disks:
        await _remove(tools, disk.pool or "", uid, disk.name, disk.volume_uid or "")
    if snapshot.status.disks:
        await _remove_rest(tools, snapshot.status.disks[0].pool or "", uid)
    log.info("snapshot removed", uid=uid, disks=len(snapshot.status.disks))


async def _forget_memory(tools: SnapshotTools, pool: str, volume_uid: str, uid: str) -> None:
    """No start waits for the memory that goes."""
    place = (await tools.pools.pool(pool)).place(volume_uid)

    def forget() -> None:
        try:
            claim = tools.vms.claims.read(place)
        except (VolumeMissingError, ClaimDamagedError):
            return
        if claim is not None and without_memory_of(claim, uid) != claim:
            tools.vms.claims.compare_and_set(place, claim, without_memory_of(claim, uid))

    await asyncio.to_thread(forget)


async def _remove(tools: SnapshotTools, pool: str, uid: str, disk: str, volume_uid: str) -> None:
    found = await tools.pools.pool(pool)
    await asyncio.to_thread(partial(tools.storage.remove, found, uid, disk, volume_uid))


async def _remove_rest(tools: SnapshotTools, pool: str, uid: str) -> None:
    found = await tools.pools.pool(pool)
    await asyncio.to_thread(partial(tools.storage.remove_rest, found, uid))
