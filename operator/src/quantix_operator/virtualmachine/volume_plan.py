"""Which Volumes a VM's disks need, and what is missing for them; others' are never changed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from quantix_api.quantities import size_bytes
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    LABEL_MANAGED_BY,
    LABEL_VIRTUAL_MACHINE_UID,
    MANAGED_BY,
)
from quantix_api.taking_over import conflict_fields, may_take_over
from quantix_operator.virtualmachine.volume_model import (
    CreateVolume,
    DeleteVolume,
    DiskWish,
    Missing,
    Owner,
    PatchVolume,
    Surroundings,
    VolumeAction,
    VolumePlan,
    VolumeView,
)


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
            missing += _attach(owner, disk, volume, surroundings)
        elif volume is None:
            made, lacking = _make(owner, disk, surroundings)
            actions += made
            missing += lacking
        elif volume.going:
            missing.append(_going(disk, volume, is_open=volume.uid in surroundings.open_uids))
        elif not (volume.vm_uid or volume.settled):
            missing.append(Missing(disk.name, "Creating", {"volume": volume.name}))
        elif may_have(owner, disk, volume):
            no_growth = surroundings.growths.get(disk.name)
            if no_growth is not None:
                missing.append(no_growth)
            actions += _adjust(owner, disk, volume, may_grow=no_growth is None)
        else:
            missing.append(_conflict(disk, volume))
    actions += _leave(owner, disks, volumes, surroundings.open_uids)
    return VolumePlan(tuple(actions), tuple(missing))


def _going(disk: DiskWish, volume: VolumeView, *, is_open: bool) -> Missing:
    """Of one that is deleted: what is lost with the guest that has it, else what it is kept for."""
    if is_open:
        return Missing(disk.name, "VolumeInUse", {"lost": volume.name})
    reason = "VolumeInUse" if volume.kept_for else "Creating"
    return Missing(disk.name, reason, {"going": volume.name, **volume.kept_for})


def may_have(owner: Owner, disk: DiskWish, volume: VolumeView) -> bool:
    """Its own already, or one that a VM of that name left behind: attached to nothing, made from the same."""
    if volume.vm_uid:
        return volume.vm_uid == owner.uid
    return may_take_over(disk.source, volume.spec.get("source"), has_user=bool(volume.attached_to))


def _make(
    owner: Owner, disk: DiskWish, surroundings: Surroundings
) -> tuple[list[VolumeAction], list[Missing]]:
    """The Volume of a disk that has none yet, or what its source lacks."""
    lack = surroundings.sources.get(disk.name)
    if lack is not None:
        return [], [lack]
    return [CreateVolume(render_volume(owner, disk, surroundings))], []


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


def render_release(volume: VolumeView, owners: Sequence[Mapping[str, Any]] | None) -> PatchVolume:
    """Take the VM's mark off a Volume, so that it may be deleted or adopted. `owners`: None leaves them."""
    metadata: dict[str, Any] = {
        "labels": {LABEL_VIRTUAL_MACHINE_UID: None},
        "annotations": {ANNOTATION_VIRTUAL_MACHINE: None},
    }
    if owners is not None:
        metadata["ownerReferences"] = list(owners)
    return _patch(volume, {"metadata": metadata})


def _conflict(disk: DiskWish, volume: VolumeView) -> Missing:
    has_user = bool(volume.vm_uid or volume.attached_to)
    fields = conflict_fields(volume.name, volume.spec.get("source"), has_user=has_user)
    return Missing(disk.name, "VolumeConflict", fields)


def _attach(
    owner: Owner, disk: DiskWish, volume: VolumeView | None, surroundings: Surroundings
) -> list[Missing]:
    if volume is not None and volume.going and volume.uid in surroundings.open_uids:
        return [_going(disk, volume, is_open=True)]
    if volume is None or volume.going:
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
        metadata["labels"] = {LABEL_VIRTUAL_MACHINE_UID: owner.uid}
        metadata["annotations"] = {ANNOTATION_VIRTUAL_MACHINE: owner.name}
    owned = any(reference.get("uid") == owner.uid for reference in volume.owner_references)
    if owned != (disk.reclaim_policy == "Delete"):
        others = without_owner(volume.owner_references, owner.uid)
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
    """Volumes of disks that left spec, once hostd has let them go: kept or deleted as their disk said.
    What is protected is kept.
    """
    wanted = {disk.wanted_name for disk in disks}
    actions: list[VolumeAction] = []
    for volume in volumes.values():
        if volume.name in wanted or volume.vm_uid != owner.uid or volume.uid in open_uids or volume.denied:
            continue
        owned = any(reference.get("uid") == owner.uid for reference in volume.owner_references)
        others = without_owner(volume.owner_references, owner.uid)
        actions.append(replace(render_release(volume, others), disowns=owned))
        if owned and not volume.is_protected:
            actions.append(DeleteVolume(volume.name, volume.uid))
    return actions


def without_owner(references: Sequence[Mapping[str, Any]], uid: str) -> list[dict[str, Any]]:
    """The owner references but for those to the VM of that UID."""
    return [dict(reference) for reference in references if reference.get("uid") != uid]


def _patch(volume: VolumeView, patch: Mapping[str, Any]) -> PatchVolume:
    metadata = {"resourceVersion": volume.resource_version} | dict(patch.get("metadata") or {})
    return PatchVolume(volume.name, volume.resource_version, dict(patch) | {"metadata": metadata})
