"""The disk of a snapshot that a Volume is made from, always one of its namespace. Reads the cache only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quantix_api import SnapshotDisk, StoragePool, VirtualMachineSnapshot, Volume, VolumeSource
from quantix_operator.objects import Objects


@dataclass(frozen=True)
class Lack:
    """Why nothing is made of it now: a reason and its fields."""

    reason: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """A disk that a snapshot keeps. `host`: the one host that has its data, "" where several reach it."""

    disk: SnapshotDisk
    host: str = ""


def kept_for(objects: Objects, volume: Volume) -> Kept | Lack | None:
    """What a Volume is made from, None where that is no snapshot."""
    return kept_disk(objects, volume.metadata.namespace or "", volume.spec.source)


def kept_disk(objects: Objects, namespace: str, source: VolumeSource | None) -> Kept | Lack | None:
    """The disk that `source` names, None where it names none. A snapshot that is deleted serves what is to be
    made from it as long as its data is there (docs/adr/0037).
    """
    if source is None or source.snapshot is None:
        return None
    name = source.snapshot.name
    snapshot = objects.get(VirtualMachineSnapshot, f"{namespace}/{name}")
    if snapshot is None or (snapshot.deleting and snapshot.status.data != "Present"):
        return Lack("SnapshotNotFound", {"snapshot": name})
    if snapshot.status.phase == "Failed":
        return Lack("SnapshotNotReady", {"failed": name})
    if snapshot.status.phase != "Ready":
        return Lack("SnapshotNotReady", {"snapshot": name})
    wanted = source.snapshot.disk
    disk = next((item for item in snapshot.status.disks if item.name == wanted), None)
    if disk is None:
        return Lack("DiskMissing", {"snapshot": name, "disk": wanted})
    pool = objects.get(StoragePool, disk.pool or "")
    shared = pool is not None and pool.spec.rbd is not None
    return Kept(disk, "" if shared else snapshot.status.host or "")
