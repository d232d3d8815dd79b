"""Looks at everything that decides about a snapshot: the API, claims, the guest, what is remembered.

Called by the controller of snapshots before each plan, and again once nobody else acts on the guest. It
changes nothing. Of a VM that is off no watch of this host tells, so the API itself is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from quantix_api import VirtualMachine, VirtualMachineSnapshot, Volume
from quantix_api.message_table_phrases import COPIES_UNTOLD
from quantix_api.messages import as_wait
from quantix_api.model import to_manifest
from quantix_api.resources import VIRTUAL_MACHINE_RESTORES, VIRTUAL_MACHINES, VOLUMES, Resource
from quantix_api.unmade_copies import unmade_from_snapshot
from quantix_api.virtual_machine_restore import OVER as RESTORE_OVER
from quantix_api.virtual_machine_snapshot import OVER as SNAPSHOT_OVER
from quantix_api.virtual_machine_snapshot import SnapshotDisk
from quantix_client.errors import ApiError, NotFound
from quantix_client.reading import model_of
from quantix_hostd.claims import Claim, VolumePlace, place_shown
from quantix_hostd.domainxml.encrypted import encrypted_disks
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.domainxml.view import DomainView, view
from quantix_hostd.facts.domain import PAUSED_BY_USER, DomainState
from quantix_hostd.snapshot.observed import DiskSeen, GuestSeen, SnapshotObserved, WorkSeen
from quantix_hostd.snapshot.tools import SnapshotTools

_LOOK_S = 5.0


async def observe(tools: SnapshotTools, snapshot: VirtualMachineSnapshot, work: WorkSeen) -> SnapshotObserved:
    """The snapshot as it is now. Raises QuantixError while that is not known."""
    kept = await asyncio.to_thread(tools.kept.load, snapshot.metadata.uid)
    seen = SnapshotObserved(snapshot, tools.host, kept=kept, work=work)
    if snapshot.deleting:
        return await _with_users(tools, seen)
    if snapshot.status.phase in SNAPSHOT_OVER or kept is not None:
        return seen
    return await look_at_vm(tools, snapshot, work)


async def look_at_vm(
    tools: SnapshotTools, snapshot: VirtualMachineSnapshot, work: WorkSeen
) -> SnapshotObserved:
    """All that has to fit before one is begun."""
    vm = await _vm(tools, snapshot)
    guest, live = (None, None) if vm is None else await _guest(tools, vm)
    disks = [await _disk(tools, snapshot, disk, live) for disk in snapshot.status.disks]
    others = await asyncio.to_thread(tools.kept.all)
    uid, of_vm = snapshot.metadata.uid, snapshot.status.virtual_machine_uid
    other = next(
        (item for item in others if item.vm_uid == of_vm and item.uid != uid and item.under_way), None
    )
    return SnapshotObserved(
        snapshot,
        tools.host,
        vm=vm,
        guest=guest,
        disks=tuple(disks),
        work=work,
        other=other.key if other is not None else "",
    )


async def _vm(tools: SnapshotTools, snapshot: VirtualMachineSnapshot) -> VirtualMachine | None:
    name, namespace = snapshot.spec.virtual_machine, snapshot.metadata.namespace
    try:
        return model_of(VirtualMachine, await tools.api.get(VIRTUAL_MACHINES, name, namespace))
    except NotFound:
        return None


async def _guest(tools: SnapshotTools, vm: VirtualMachine) -> tuple[GuestSeen | None, DomainView | None]:
    domain = await tools.vms.hypervisor.domain(domain_name(vm.metadata.uid))
    if domain is None or domain.live_xml is None:
        return None, None
    paused = domain.state is DomainState.PAUSED and domain.reason == PAUSED_BY_USER
    record = await asyncio.to_thread(tools.vms.records.load, vm.metadata.uid)
    leaving = record.leaving
    live = view(domain.live_xml)
    guest = GuestSeen(
        steady=paused or domain.state is DomainState.RUNNING,
        leaves=vm.status.migration is not None or (leaving is not None and leaving.step != "stays"),
        held_epoch=live.metadata.epoch if live.metadata else 0,
        encrypted_disk=next(iter(encrypted_disks(domain.live_xml)), ""),
        memory_bytes=live.memory.base + live.memory.requested,
    )
    return guest, live


async def _disk(
    tools: SnapshotTools, snapshot: VirtualMachineSnapshot, disk: SnapshotDisk, live: DomainView | None
) -> DiskSeen:
    volume = await _volume(tools, snapshot, disk)
    about = (disk.name, disk.volume or "", disk.volume_uid or "", disk.pool or "")
    seen = DiskSeen(*about, encrypted=bool(disk.encrypted))
    if volume is None or volume.status.data != "Present" or volume.status.pool != disk.pool:
        return seen
    pool = await tools.pools.pool(disk.pool)
    place = pool.place(volume.status.handle or volume.metadata.uid)
    size_bytes, claim = await tools.pools.ask(pool, lambda: _look(tools, place))
    device = live.devices.get(f"ua-{disk.name}", {}) if live is not None else {}
    return DiskSeen(
        *about,
        size_bytes,
        seen.encrypted,
        place,
        claim,
        device.get("dev", ""),
        place_shown(device.get("path", "")),
    )


def _look(tools: SnapshotTools, place: VolumePlace) -> tuple[int, Claim | None]:
    found = tools.vms.disks.read(place)
    return (found.capacity_bytes if found is not None else 0), tools.vms.claims.read(place)


async def _volume(
    tools: SnapshotTools, snapshot: VirtualMachineSnapshot, disk: SnapshotDisk
) -> Volume | None:
    try:
        found = await tools.api.get(VOLUMES, disk.volume or "", snapshot.metadata.namespace)
    except NotFound:
        return None
    volume = model_of(Volume, found)
    return volume if volume.metadata.uid == disk.volume_uid else None


async def _with_users(tools: SnapshotTools, seen: SnapshotObserved) -> SnapshotObserved:
    """Who needs one that is deleted; nobody in a namespace that is deleted whole."""
    snapshot, namespace = seen.snapshot, seen.snapshot.metadata.namespace or ""
    known = tools.namespaces.get(namespace)
    if known and known["metadata"].get("deletionTimestamp"):
        return seen
    named = f"spec.source.snapshot.name={snapshot.metadata.name}"
    volumes = await _listed(tools, VOLUMES, namespace, named)
    restores = await _listed(tools, VIRTUAL_MACHINE_RESTORES, namespace, "")
    unmade = unmade_from_snapshot(to_manifest(snapshot), volumes)
    needing = [item for item in restores if _needs(item, snapshot.metadata.uid)]
    restore = str(needing[0]["metadata"]["name"]) if needing else ""
    return SnapshotObserved(
        snapshot,
        seen.host,
        kept=seen.kept,
        work=seen.work,
        is_read=tools.lending.is_read(snapshot.metadata.uid),
        unmade=unmade,
        restore=restore,
    )


async def _listed(
    tools: SnapshotTools, resource: Resource, namespace: str, selector: str
) -> Sequence[dict[str, Any]]:
    try:
        return (await tools.api.list(resource, namespace, field_selector=selector)).items
    except ApiError as error:
        raise as_wait("Deleting", _LOOK_S, what=COPIES_UNTOLD) from error


def _needs(restore: dict[str, Any], uid: str) -> bool:
    status = restore.get("status") or {}
    under_way = bool(status.get("host")) and status.get("phase") not in RESTORE_OVER
    return under_way and status.get("snapshotUID") == uid
