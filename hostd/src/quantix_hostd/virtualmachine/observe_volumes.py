"""Looks at the volumes of a VM's disks: where their data is, and what keeps it from serving.

Called by `observe_storage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from quantix_api import StoragePool, VirtualMachine, Volume
from quantix_api.errors import QuantixError
from quantix_api.message_table_phrases import UNENCRYPTED
from quantix_api.messages import message_of, render
from quantix_api.vm_status import ResolvedDisk
from quantix_hostd.claims import CephPool, ClaimStore, PoolKey, VolumePlace
from quantix_hostd.clients.direct_io import supports_direct_io
from quantix_hostd.clients.qemu_rbd import monitor_addresses
from quantix_hostd.domainxml.ceph import CephSource
from quantix_hostd.domainxml.spec import Backing
from quantix_hostd.facts.disk_file import DiskFile
from quantix_hostd.virtualmachine.desired import VolumeState
from quantix_hostd.virtualmachine.objects import Objects
from quantix_hostd.virtualmachine.tools import Disks
from quantix_hostd.volume.wanted import granted_bytes


@dataclass(frozen=True)
class NamedVolume:
    """A disk of the VM with the objects that it stands for, None for one that is not there."""

    disk: ResolvedDisk
    volume: Volume | None
    pool: StoragePool | None

    @property
    def sought(self) -> Sought | None:
        """Where the API says that it is; None while it says nothing of the kind."""
        if self.volume is None or self.pool is None:
            return None
        status = self.volume.status
        if status.data != "Present" or not status.handle:
            return None
        directory = self.pool.spec.dir
        key = Path(directory.path) if directory else CephPool(self.pool.metadata.name)
        place = VolumePlace(key, status.handle)
        return Sought(self.disk.name, self.volume, place, status.pool or "")


@dataclass(frozen=True)
class Sought:
    """The volume of a disk, to be looked for at `place` in `pool`. `said`: by the API, not by a claim, which
    knows better.
    """

    disk: str
    volume: Volume
    place: VolumePlace
    pool: str
    said: bool = True


def named_volumes(vm: VirtualMachine, objects: Objects) -> tuple[NamedVolume, ...]:
    namespace = vm.metadata.namespace or ""
    found = []
    for disk in vm.status.resolved.disks if vm.status.resolved else ():
        volume = objects.volume(namespace, disk.volume)
        pool = objects.pool(volume.status.pool or "") if volume is not None else None
        found.append(NamedVolume(disk, volume, pool))
    return tuple(found)


def unusable(item: NamedVolume) -> VolumeState:
    """What is known of one that is nowhere yet, or not there at all."""
    disk, volume = item.disk, item.volume
    if volume is None:
        missing = render("VolumeNotFound", volume=disk.volume, path=f"disk {disk.name}").text
        state = VolumeState(disk.name, disk.volume, disk.volume_uid, None)
        return replace(state, reason="VolumeNotFound", message=missing)
    ready = volume.status.condition("Ready")
    reason = ready.reason if ready and ready.status != "True" else "Creating"
    message = (ready.message if ready else "") or render("Creating", volume=volume.metadata.name).text
    known = VolumeState(disk.name, volume.metadata.name, volume.metadata.uid, None)
    return replace(known, reason=reason, message=message)


def hidden(sought: Sought, error: QuantixError) -> VolumeState:
    """What is known of one whose pool does not answer."""
    return _without_place(sought, error.reason, message_of(error))


def look_at_volume(
    sought: Sought, host: str, claims: ClaimStore, disks: Disks, pools: Mapping[str, PoolKey]
) -> VolumeState | Sought:
    """What is there; or, of one that was moved away, where it is to be looked for. Blocking."""
    place, volume = sought.place, sought.volume
    try:
        claim = claims.read(place)
    except QuantixError:
        claim = None
    if claim is not None and sought.said and claim.moved and claim.moving_to in pools:
        moved = VolumePlace(pools[claim.moving_to], place.handle)
        return replace(sought, place=moved, pool=claim.moving_to, said=False)
    name, uid = volume.metadata.name, volume.metadata.uid
    if claim is not None and claim.moving_to and claim.vm_uid == uid and claim.holder:
        return _without_place(sought, "Moving", render("Moving", volume=name, pool=claim.moving_to).text)
    try:
        file = disks.read(place)
    except QuantixError as error:
        return _without_place(sought, error.reason, message_of(error))
    if file is None:
        text = render("DataMissing", volume=name, place=place.shown, host=host).text
        return _without_place(sought, "DataMissing", text)
    if volume.spec.encryption is not None and not file.encrypted:
        text = render("DataDamaged", path=place.shown, said=UNENCRYPTED).text
        return _without_place(sought, "DataDamaged", text)
    return VolumeState(
        sought.disk,
        name,
        uid,
        place,
        size_bytes=file.capacity_bytes,
        wanted_bytes=granted_bytes(volume, file.capacity_bytes),
        direct_io=isinstance(place.pool, CephPool) or supports_direct_io(place.pool / "volumes"),
        pool=sought.pool,
        backing=_backing(place, file),
        encrypted=file.encrypted,
        qos=volume.spec.qos,
    )


def with_source(state: VolumeState, objects: Objects, host: str) -> VolumeState:
    """One in Ceph, with how QEMU of this host gets to it as the API says now; without its StoragePool it is
    not usable.
    """
    if state.place is None or not isinstance(state.place.pool, CephPool):
        return state
    name = state.place.pool.name
    pool = objects.pool(name)
    source = source_in_ceph(pool, state.place.handle, host) if pool is not None else None
    if source is None:
        text = render("PoolNotFound", pool=name, path="spec.pool").text
        return replace(state, place=None, reason="PoolNotFound", message=text)
    return replace(state, ceph=source)


def source_in_ceph(pool: StoragePool, handle: str, host: str) -> CephSource | None:
    """How QEMU of this host gets to the volume in a pool in Ceph; None of any other pool."""
    place = pool.spec.rbd
    if place is None:
        return None
    monitors = tuple(monitor_addresses(place.monitors))
    name = pool.metadata.name
    return CephSource(name, f"{place.pool}/{handle}", monitors, place.account(name, host).user)


def _without_place(sought: Sought, reason: str, message: str) -> VolumeState:
    volume = sought.volume.metadata
    known = VolumeState(sought.disk, volume.name, volume.uid, None, reason=reason, message=message)
    return replace(known, pool=sought.pool)


def _backing(place: VolumePlace, file: DiskFile) -> Backing | None:
    if not file.image_uid:
        return None
    return Backing(str(place.directory / "images" / file.image_uid), file.backing_driver)
