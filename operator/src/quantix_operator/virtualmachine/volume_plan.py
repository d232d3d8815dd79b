"""Which Volumes a VM's disks need, and what is missing for them; others' are never changed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from quantix_api.conditions import reasons_otherwise
from quantix_api.quantities import size_bytes
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    LABEL_MANAGED_BY,
    LABEL_VIRTUAL_MACHINE_UID,
    MANAGED_BY,
    VIRTUAL_MACHINES,
)
from quantix_operator.volumedata.origin import WAITING_FOR_HOST


@dataclass(frozen=True)
class DiskWish:
    """One disk of spec. `volume`: attach that Volume; else one named `volume_name` is this VM's own."""

    name: str
    volume_name: str
    volume: str = ""
    source: Mapping[str, Any] | None = None
    copy_mode: str = ""
    size: str = ""
    pool: str = ""
    reclaim_policy: str = "Retain"

    @property
    def wanted_name(self) -> str:
        return self.volume or self.volume_name


@dataclass(frozen=True)
class VolumeView:
    """A Volume as it is. `vm_uid` is its label; `reason` and `message` those of its Ready. `displaced`: it is
    there, but not in the pool that spec wants it in, and says why. `denied`: its host has no right to it
    (`volumedata.right`); `settled`: it has no host, or a confirmed one: it may go from one VM to another.
    `kept_for`: the first Volume that waits to be made from it while it is deleted, by `copy`, or its VM by
    `clone`.
    `blank_since`: when it was made as an object, while no host has made any data of it; None for all others.
    """

    name: str
    uid: str
    resource_version: str
    spec: Mapping[str, Any]
    vm_uid: str = ""
    owner_references: tuple[Mapping[str, Any], ...] = ()
    attached_to: frozenset[str] = frozenset()
    attached_names: tuple[str, ...] = ()
    shared: bool = False
    ready: bool = False
    displaced: bool = False
    reason: str = "Pending"
    message: str = ""
    host: str = ""
    pool: str = ""
    deleting: bool = False
    denied: bool = False
    settled: bool = True
    kept_for: Mapping[str, str] = field(default_factory=dict)
    blank_since: datetime | None = None

    @property
    def tellable(self) -> bool:
        """Whether a VM may repeat what it says of itself: not that it waits for this very VM."""
        known = reasons_otherwise("VirtualMachine", "VolumesReady") - {WAITING_FOR_HOST}
        return self.reason in known and bool(self.message)


@dataclass(frozen=True)
class Missing:
    """What a disk waits for: a reason of VolumesReady, and its message or the fields of it."""

    disk: str
    reason: str
    fields: Mapping[str, str] = field(default_factory=dict)
    message: str = ""


@dataclass(frozen=True)
class Owner:
    """The VM for which Volumes are made."""

    namespace: str
    name: str
    uid: str

    @property
    def reference(self) -> dict[str, Any]:
        return {
            "apiVersion": VIRTUAL_MACHINES.api_version,
            "kind": VIRTUAL_MACHINES.kind,
            "name": self.name,
            "uid": self.uid,
            "blockOwnerDeletion": True,
        }


@dataclass(frozen=True)
class Surroundings:
    """What else counts: the default pool, what QEMU has open (UIDs), and by disk what its source lacks, why
    its Volume may not grow, the encryption that a new one gets.
    """

    sources: Mapping[str, Missing | None] = field(default_factory=dict)
    default_pool: str = ""
    open_uids: Collection[str] = ()
    growths: Mapping[str, Missing] = field(default_factory=dict)
    encryptions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class CreateVolume:
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class PatchVolume:
    """A merge patch that counts only against `resource_version`. `adopts`: the disk that what an earlier VM
    left is given to. `disowns`: it no longer goes with the VM, which is so only for a VM that stays.
    """

    name: str
    resource_version: str
    patch: Mapping[str, Any]
    adopts: str = ""
    disowns: bool = False


@dataclass(frozen=True)
class DeleteVolume:
    name: str
    uid: str


VolumeAction = CreateVolume | PatchVolume | DeleteVolume


@dataclass(frozen=True)
class VolumePlan:
    """`missing` is in the order of the disks; a disk is either there, missing, or being made by an action."""

    actions: tuple[VolumeAction, ...] = ()
    missing: tuple[Missing, ...] = ()


def plan_volumes(
    owner: Owner,
    disks: Sequence[DiskWish],
    volumes: Mapping[str, VolumeView],
    surroundings: Surroundings,
) -> VolumePlan:
    """What to make, adopt, adjust and let go."""
    actions: list[VolumeAction] = []
    missing: list[Missing] = []
    for disk in disks:
        volume = volumes.get(disk.wanted_name)
        if disk.volume:
            missing += _attach(owner, disk, volume)
        elif volume is None:
            lack = surroundings.sources.get(disk.name)
            missing += [lack] if lack is not None else []
            actions += [CreateVolume(render_volume(owner, disk, surroundings))] if lack is None else []
        elif volume.deleting:
            reason = "VolumeInUse" if volume.kept_for else "Creating"
            missing.append(Missing(disk.name, reason, {"going": volume.name, **volume.kept_for}))
        elif not (volume.vm_uid or volume.settled):
            missing.append(Missing(disk.name, "Creating", {"volume": volume.name}))
        elif may_have(owner, disk, volume):
            no_growth = surroundings.growths.get(disk.name)
            missing += [no_growth] if no_growth is not None else []
            actions += _adjust(owner, disk, volume, may_grow=no_growth is None)
        else:
            missing.append(_conflict(disk, volume))
    actions += _leave(owner, disks, volumes, surroundings.open_uids)
    return VolumePlan(tuple(actions), tuple(missing))


def may_have(owner: Owner, disk: DiskWish, volume: VolumeView) -> bool:
    """Its own already, or one that a VM of that name left behind: attached to nothing, made from the same."""
    if volume.vm_uid:
        return volume.vm_uid == owner.uid
    same_source = dict(volume.spec.get("source") or {}) == dict(disk.source or {})
    return not volume.attached_to and same_source


def render_volume(owner: Owner, disk: DiskWish, surroundings: Surroundings) -> dict[str, Any]:
    """The Volume of a disk that has none yet."""
    metadata: dict[str, Any] = {
        "name": disk.volume_name,
        "namespace": owner.namespace,
        "labels": {LABEL_MANAGED_BY: MANAGED_BY, LABEL_VIRTUAL_MACHINE_UID: owner.uid},
        "annotations": {ANNOTATION_VIRTUAL_MACHINE: owner.name},
    }
    if disk.reclaim_policy == "Delete":
        metadata["ownerReferences"] = [owner.reference]
    spec: dict[str, Any] = {"pool": disk.pool or surroundings.default_pool}
    optional = {
        "size": disk.size,
        "source": dict(disk.source or {}),
        "copyMode": disk.copy_mode,
        "encryption": dict(surroundings.encryptions.get(disk.name) or {}),
    }
    spec |= {name: value for name, value in optional.items() if value}
    return {"metadata": metadata, "spec": spec}


def render_release(volume: VolumeView, owner_uid: str, *, keep_reference: bool) -> PatchVolume:
    """Take the VM's mark off a Volume, so that it may be deleted or adopted."""
    metadata: dict[str, Any] = {
        "labels": {LABEL_VIRTUAL_MACHINE_UID: None},
        "annotations": {ANNOTATION_VIRTUAL_MACHINE: None},
    }
    if not keep_reference:
        metadata["ownerReferences"] = _without(volume.owner_references, owner_uid)
    return _patch(volume, {"metadata": metadata})


def _conflict(disk: DiskWish, volume: VolumeView) -> Missing:
    source = dict(volume.spec.get("source") or {})
    made_from = " ".join(f"{kind} {name}" for kind, name in source.items()) or "nothing"
    if volume.vm_uid or volume.attached_to:
        made_from = f"{made_from}, and another VM has it"
    return Missing(disk.name, "VolumeConflict", {"volume": volume.name, "source": made_from})


def _attach(owner: Owner, disk: DiskWish, volume: VolumeView | None) -> list[Missing]:
    if volume is None or volume.deleting:
        path = f"the volume of disk {disk.name}"
        return [Missing(disk.name, "VolumeNotFound", {"volume": disk.volume, "path": path})]
    other = volume.vm_uid not in ("", owner.uid)
    taken = bool(volume.attached_to) and owner.uid not in volume.attached_to and not volume.shared
    if other or taken:
        user = ", ".join(volume.attached_names) or "another VM"
        return [Missing(disk.name, "VolumeInUse", {"volume": disk.volume, "user": user})]
    if owner.uid not in volume.attached_to:
        if volume.tellable:
            return [Missing(disk.name, volume.reason, message=volume.message)]
        return [Missing(disk.name, "Creating", {"volume": disk.volume})]
    return []


def growth_bytes(disk: DiskWish, volume: VolumeView) -> int:
    """How much larger the disk wants its Volume, 0 for not at all."""
    if not disk.size:
        return 0
    return max(size_bytes(disk.size) - size_bytes(str(volume.spec.get("size") or "0")), 0)


def _adjust(owner: Owner, disk: DiskWish, volume: VolumeView, *, may_grow: bool) -> list[VolumeAction]:
    """Label an adopted Volume, copy size and pool of the disk, own it only while reclaimPolicy is Delete."""
    metadata: dict[str, Any] = {}
    if volume.vm_uid != owner.uid:
        metadata["labels"] = {LABEL_VIRTUAL_MACHINE_UID: owner.uid, LABEL_MANAGED_BY: MANAGED_BY}
        metadata["annotations"] = {ANNOTATION_VIRTUAL_MACHINE: owner.name}
    owned = any(reference.get("uid") == owner.uid for reference in volume.owner_references)
    if owned != (disk.reclaim_policy == "Delete"):
        others = _without(volume.owner_references, owner.uid)
        metadata["ownerReferences"] = others if owned else [*others, owner.reference]
    spec: dict[str, Any] = {}
    if may_grow and growth_bytes(disk, volume) > 0:
        spec["size"] = disk.size
    if disk.pool and disk.pool != volume.spec.get("pool"):
        spec["pool"] = disk.pool
    patch = {name: value for name, value in {"metadata": metadata, "spec": spec}.items() if value}
    adopts = disk.name if volume.vm_uid != owner.uid else ""
    disowns = owned and "ownerReferences" in metadata
    return [replace(_patch(volume, patch), adopts=adopts, disowns=disowns)] if patch else []


def _leave(
    owner: Owner,
    disks: Sequence[DiskWish],
    volumes: Mapping[str, VolumeView],
    open_uids: Collection[str],
) -> list[VolumeAction]:
    """Volumes of disks that left spec, once hostd has let them go: kept or deleted as their disk said."""
    wanted = {disk.wanted_name for disk in disks}
    actions: list[VolumeAction] = []
    for volume in volumes.values():
        if volume.name in wanted or volume.vm_uid != owner.uid or volume.uid in open_uids or volume.denied:
            continue
        owned = any(reference.get("uid") == owner.uid for reference in volume.owner_references)
        actions.append(replace(render_release(volume, owner.uid, keep_reference=False), disowns=owned))
        if owned:
            actions.append(DeleteVolume(volume.name, volume.uid))
    return actions


def _without(references: Sequence[Mapping[str, Any]], uid: str) -> list[dict[str, Any]]:
    return [dict(reference) for reference in references if reference.get("uid") != uid]


def _patch(volume: VolumeView, patch: Mapping[str, Any]) -> PatchVolume:
    metadata = {"resourceVersion": volume.resource_version} | dict(patch.get("metadata") or {})
    return PatchVolume(volume.name, volume.resource_version, dict(patch) | {"metadata": metadata})
