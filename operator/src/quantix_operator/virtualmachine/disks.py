"""What a VM's disks are made from, and whether that is there.

Called by the VM controller's observe. Reads the cache only; a missing name is no error but a wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantix_api import (
    Condition,
    Image,
    StoragePool,
    VirtualMachine,
    Volume,
    VolumeSource,
    to_manifest,
    volume_name,
)
from quantix_api.conditions import PASSING_REASONS
from quantix_api.made_for_nothing import was_made_for_nothing
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, LABEL_VIRTUAL_MACHINE_UID
from quantix_api.unmade_copies import unmade_copies
from quantix_api.vm_devices import Disk
from quantix_operator.indexers import made_for, made_from
from quantix_operator.objects import Objects
from quantix_operator.virtualmachine.volume_model import DiskWish, Missing, VolumeView
from quantix_operator.volumedata.collected import is_going
from quantix_operator.volumedata.kept import Kept, Lack, kept_disk
from quantix_operator.volumedata.origin import is_made, unmade, volume_to_copy
from quantix_operator.volumedata.right import is_denied

_WRONG_FILE = frozenset({"ImageRefused", "ChecksumMismatch"})


def disk_wishes(vm: VirtualMachine) -> tuple[DiskWish, ...]:
    """The disks of spec as the plan of volumes reads them."""
    return tuple(_wish(vm, disk) for disk in vm.spec.disks)


def _wish(vm: VirtualMachine, disk: Disk) -> DiskWish:
    return DiskWish(
        name=disk.name,
        volume_name=volume_name(vm.metadata.name, disk.name),
        volume=disk.volume or "",
        source=_source(disk),
        copy_mode=disk.copy_mode or "",
        size=disk.size or "",
        pool=disk.pool or "",
        reclaim_policy=disk.reclaim_policy,
    )


def _source(disk: Disk) -> dict[str, object] | None:
    if disk.image:
        return {"image": disk.image}
    if disk.clone_of:
        return {"volume": disk.clone_of}
    if disk.snapshot:
        return {"snapshot": {"name": disk.snapshot, "disk": disk.snapshot_disk or disk.name}}
    return None


def missing_sources(objects: Objects, vm: VirtualMachine) -> Mapping[str, Missing | None]:
    """For each disk what its new Volume could not be made without, None when all is there."""
    return {disk.name: _missing(objects, vm, disk) for disk in vm.spec.disks}


def _missing(objects: Objects, vm: VirtualMachine, disk: Disk) -> Missing | None:
    namespace = vm.metadata.namespace or ""
    if disk.snapshot:
        kept = kept_disk(objects, namespace, VolumeSource.model_validate(_source(disk)))
        if isinstance(kept, Lack):
            return Missing(disk.name, kept.reason, kept.fields)
        if kept is not None and kept.disk.encrypted and disk.name not in inherited_encryption(objects, vm):
            of = kept.disk.volume or kept.disk.name
            return Missing(disk.name, "ConfigRefused", {"encrypted": of, "unsealed": disk.name})
    image = objects.referred(Image, disk.image, namespace) if disk.image else None
    if disk.image and image is None:
        return Missing(disk.name, "ImageNotFound", _image_fields(objects, vm, disk.name, disk.image))
    if image is not None and (refused := _refusal(image)) is not None:
        return Missing(disk.name, refused.reason, message=refused.message)
    if disk.clone_of:
        source = volume_to_copy(objects, namespace, disk.clone_of)
        if source is None:
            return Missing(disk.name, "SourceNotFound", {"kind": "volume", "source": disk.clone_of})
        if not is_made(objects, source):
            return Missing(disk.name, *unmade(objects, source))
    return _missing_pool(objects, disk, namespace)


def _refusal(image: Image) -> Condition | None:
    """What the image says of a file that was found to be wrong. Another try begins with another word, so that
    what may still come is waited for by what is to be made of it, with its room promised.
    """
    ready = image.status.condition("Ready")
    wrong = ready is not None and ready.status == "False" and ready.reason in _WRONG_FILE
    return ready if wrong and image.status.data != "Present" else None


def inherited_encryption(objects: Objects, vm: VirtualMachine) -> Mapping[str, Mapping[str, object]]:
    """By disk the encryption of the Volume that it is a clone of: a copy is as secret as its source."""
    found = {}
    for disk in vm.spec.disks:
        origin = disk.clone_of or _snapshotted(objects, vm, disk)
        source = objects.get(Volume, f"{vm.metadata.namespace}/{origin}") if origin else None
        if source is not None and source.spec.encryption is not None:
            found[disk.name] = to_manifest(source.spec.encryption)
    return found


def _snapshotted(objects: Objects, vm: VirtualMachine, disk: Disk) -> str:
    """The Volume whose state the snapshot of a disk keeps, "" for none: its Secret is the one."""
    if not disk.snapshot:
        return ""
    namespace = vm.metadata.namespace or ""
    kept = kept_disk(objects, namespace, VolumeSource.model_validate(_source(disk)))
    return (kept.disk.volume or "") if isinstance(kept, Kept) and kept.disk.encrypted else ""


def _missing_pool(objects: Objects, disk: Disk, namespace: str) -> Missing | None:
    pool = objects.get(StoragePool, disk.pool) if disk.pool else objects.default_pool()
    if pool is not None and not pool.deleting and objects.allows(pool.spec.allowed_namespaces, namespace):
        return None
    return Missing(disk.name, "PoolNotFound", _pool_fields(disk) if disk.pool else {})


def _pool_fields(disk: Disk) -> dict[str, str]:
    return {"pool": str(disk.pool), "path": f"the pool of disk {disk.name} in spec.disks"}


def _image_fields(objects: Objects, vm: VirtualMachine, disk: str, wanted: str) -> dict[str, str]:
    """The name that was not found, and why or one that is near to it, if any; the disk that waits for it,
    where the VM may not simply be deleted.
    """
    namespace = vm.metadata.namespace or ""
    if objects.is_going(Image, wanted, namespace):
        return {"going": wanted}
    near = objects.near_name(Image, wanted, namespace)
    fields = {"image": wanted, "name": vm.metadata.name} | ({"near": near} if near else {})
    return fields | {"disk": disk} if _may_hold_data(objects, vm) else fields


def _may_hold_data(objects: Objects, vm: VirtualMachine) -> bool:
    """Whether it has had a host, or a disk of it has data from before: deleting it may lose that."""
    keys = (f"{vm.metadata.namespace}/{wish.wanted_name}" for wish in disk_wishes(vm))
    volumes = filter(None, (objects.get(Volume, key) for key in keys))
    return vm.status.assignment is not None or any(one.status.host or one.status.data for one in volumes)


def volume_views(objects: Objects, vm: VirtualMachine) -> dict[str, VolumeView]:
    """The Volumes that its disks name, and those that still carry its label."""
    namespace = vm.metadata.namespace or ""
    named = (objects.get(Volume, f"{namespace}/{wish.wanted_name}") for wish in disk_wishes(vm))
    labelled = objects.by(Volume, made_for, vm.metadata.uid)
    found = [*filter(None, named), *(item for item in labelled if item.metadata.namespace == namespace)]
    return {volume.metadata.name: view_of(objects, volume) for volume in found}


def made_in_vain(objects: Objects, vm: Mapping[str, Any]) -> frozenset[str]:
    """The UIDs of its Volumes that hold nothing and go with a VM (its manifest) that never had a host."""
    labelled = objects.by(Volume, made_for, vm["metadata"]["uid"])
    manifests = filter(None, (objects.manifest(volume) for volume in labelled))
    found = [manifest for manifest in manifests if was_made_for_nothing(manifest, vm)]
    return frozenset(str(manifest["metadata"]["uid"]) for manifest in found)


def view_of(objects: Objects, volume: Volume) -> VolumeView:
    """A Volume as the plan reads it."""
    ready = volume.status.condition("Ready")
    denied = is_denied(objects, volume)
    manifest = objects.manifest(volume) or {}
    return VolumeView(
        name=volume.metadata.name,
        uid=volume.metadata.uid,
        resource_version=volume.metadata.resource_version,
        spec=manifest.get("spec") or {},
        vm_uid=volume.metadata.labels.get(LABEL_VIRTUAL_MACHINE_UID, ""),
        owner_references=tuple(manifest.get("metadata", {}).get("ownerReferences") or ()),
        attached_to=frozenset(attachment.uid for attachment in volume.status.attached_to),
        attached_names=tuple(attachment.name for attachment in volume.status.attached_to),
        shared=volume.spec.access_mode != "ReadWriteOnce",
        ready=_is_there(volume) and not denied,
        displaced=is_displaced(volume) and not denied,
        reason=ready.reason if ready and not denied else "Pending",
        message=ready.message or "" if ready and not denied else "",
        host=volume.status.host or "",
        denied=denied,
        settled=volume.status.host in (None, "", volume.status.confirmed_host),
        pool=volume.status.pool or "",
        going=is_going(objects, volume),
        kept_for=_kept_for(objects, volume) if volume.deleting else {},
    )


def _kept_for(objects: Objects, going: Volume) -> Mapping[str, str]:
    """The first Volume that is still to be made from one that is deleted, and that somebody has to use first,
    or the VM whose disk it is; {} for none, and while it comes about by itself.
    """
    found = objects.by(Volume, made_from, going.key)
    copies = {copy.metadata.name: copy for copy in found if not _comes_by_itself(copy)}
    manifests = filter(None, (objects.manifest(copy) for copy in copies.values()))
    for name in unmade_copies(objects.manifest(going) or to_manifest(going), manifests):
        vm = copies[name].metadata.annotations.get(ANNOTATION_VIRTUAL_MACHINE)
        return {"clone": vm} if vm else {"copy": name}
    return {}


def _comes_by_itself(copy: Volume) -> bool:
    ready = copy.status.condition("Ready")
    return ready is None or ready.reason in PASSING_REASONS


def _is_there(volume: Volume) -> bool:
    """A Volume that only grows, or waits for room to grow, still serves its VM."""
    ready = volume.status.condition("Ready")
    if ready is None:
        return False
    grows = ready.reason in ("Resizing", "PoolFull") and volume.status.data == "Present"
    return ready.status == "True" or grows or is_displaced(volume)


def is_displaced(volume: Volume) -> bool:
    """Whether it serves its VM from another pool than spec wants it in, and Ready says so."""
    ready, refused = volume.status.condition("Ready"), volume.status.condition("MoveGranted")
    if ready is None or volume.status.data != "Present":
        return False
    return ready.reason == "Moving" or (refused is not None and ready.reason == refused.reason)
