"""Looks at the volumes of a VM's disks: where their data is, and what keeps it from serving.

Called by `observe`.
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
from quantix_hostd.claims import ClaimStore, VolumePlace
from quantix_hostd.clients.direct_io import supports_direct_io
from quantix_hostd.domainxml.spec import Backing
from quantix_hostd.virtualmachine.desired import VolumeState
from quantix_hostd.virtualmachine.objects import Objects
from quantix_hostd.virtualmachine.observe_moves import followed
from quantix_hostd.volume.disk_header import DiskFile, read_volume
from quantix_hostd.volume.wanted import granted_bytes


@dataclass(frozen=True)
class NamedVolume:
    """A disk of the VM with the objects that it stands for, None for one that is not there."""

    disk: ResolvedDisk
    volume: Volume | None
    pool: StoragePool | None


def named_volumes(vm: VirtualMachine, objects: Objects) -> tuple[NamedVolume, ...]:
    namespace = vm.metadata.namespace or ""
    found = []
    for disk in vm.status.resolved.disks if vm.status.resolved else ():
        volume = objects.volume(namespace, disk.volume)
        pool = objects.pool(volume.status.pool or "") if volume is not None else None
        found.append(NamedVolume(disk, volume, pool))
    return tuple(found)


def look_at_volumes(
    named: tuple[NamedVolume, ...], host: str, claims: ClaimStore, paths: Mapping[str, Path]
) -> tuple[VolumeState, ...]:
    found = []
    for disk, volume, pool in ((item.disk, item.volume, item.pool) for item in named):
        if volume is None:
            missing = render("VolumeNotFound", volume=disk.volume, path=f"disk {disk.name}").text
            state = VolumeState(disk.name, disk.volume, disk.volume_uid, None)
            found.append(replace(state, reason="VolumeNotFound", message=missing))
            continue
        found.append(_volume_state(disk.name, volume, pool, host, claims, paths))
    return tuple(found)


def _volume_state(
    disk: str,
    volume: Volume,
    pool: StoragePool | None,
    host: str,
    claims: ClaimStore,
    paths: Mapping[str, Path],
) -> VolumeState:
    name, status = volume.metadata.name, volume.status
    directory = pool.spec.dir if pool else None
    usable = status.data == "Present" and status.handle and directory is not None
    if not usable or directory is None or not status.handle:
        ready = status.condition("Ready")
        reason = ready.reason if ready and ready.status != "True" else "Creating"
        message = (ready.message if ready else "") or render("Creating", volume=name).text
        return VolumeState(disk, name, volume.metadata.uid, None, reason=reason, message=message)
    said = VolumePlace(Path(directory.path), status.handle)
    place, pool_name, claim = followed(claims, said, status.pool or "", paths)
    if claim is not None and claim.moving_to and claim.vm_uid == volume.metadata.uid and claim.holder:
        text = render("Moving", volume=name, pool=claim.moving_to).text
        return VolumeState(disk, name, volume.metadata.uid, None, reason="Moving", message=text)
    try:
        file = read_volume(place)
    except QuantixError as error:
        text = message_of(error)
        return VolumeState(disk, name, volume.metadata.uid, None, reason=error.reason, message=text)
    if file is None:
        text = render("DataMissing", volume=name, place=place.data, host=host).text
        return VolumeState(disk, name, volume.metadata.uid, None, reason="DataMissing", message=text)
    if volume.spec.encryption is not None and not file.encrypted:
        text = render("DataDamaged", path=place.data, said=UNENCRYPTED).text
        return VolumeState(disk, name, volume.metadata.uid, None, reason="DataDamaged", message=text)
    return VolumeState(
        disk,
        name,
        volume.metadata.uid,
        place,
        size_bytes=file.capacity_bytes,
        wanted_bytes=granted_bytes(volume, file.capacity_bytes),
        direct_io=supports_direct_io(place.pool_path / "volumes"),
        pool=pool_name,
        backing=_backing(place, file),
        encrypted=file.encrypted,
        qos=volume.spec.qos,
    )


def _backing(place: VolumePlace, file: DiskFile) -> Backing | None:
    if not file.image_uid:
        return None
    return Backing(str(place.pool_path / "images" / file.image_uid), file.backing_driver)
