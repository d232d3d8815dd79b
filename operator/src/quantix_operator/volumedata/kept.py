"""The disk of a snapshot that a Volume is made from, always one of its namespace. Reads the cache only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quantix_api import SnapshotDisk, SnapshotSource, VirtualMachineSnapshot, Volume
from quantix_operator.objects import Objects
from quantix_operator.volumedata.right import is_shared


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
    source = volume.spec.source
    return kept_disk(objects, volume.metadata.namespace or "", source.snapshot) if source else None


def kept_disk(objects: Objects, namespace: str, source: SnapshotSource | None) -> Kept | Lack | None:
    """The disk that `source` names, None for none. A snapshot that is deleted serves what is to be
    made from it as long as its data is there (docs/adr/0037).
    """
    if source is None:
        return None
    name = source.name
    snapshot = objects.get(VirtualMachineSnapshot, f"{namespace}/{name}")
    if snapshot is None or (snapshot.deleting and snapshot.status.data != "Present"):
        return Lack("SnapshotNotFound", {"snapshot": name})
    if snapshot.status.phase == "Failed":
        return Lack("SnapshotNotReady", {"failed": name})
    if snapshot.status.phase != "Ready":
        return Lack("SnapshotNotReady", {"snapshot": name})
    wanted = source.disk
    disk = next((item for item in snapshot.status.disks if item.name == wanted), None)
    if disk is None:
        return Lack("DiskMissing", {"snapshot": name, "disk": wanted})
    return Kept(disk, "" if is_shared(objects, disk.pool or "") else snapshot.status.host or "")
