"""Which Volumes this host acts on, and what they are made from: pure, over the cached objects.

Called by the volume controller and by `dispatch`, which fetches by name what no selection delivers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from quantix_api import Condition, VirtualMachine, Volume, volume_name
from quantix_api.messages import render
from quantix_api.quantities import size_bytes
from quantix_api.references import resolve_key
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    IMAGES,
    LABEL_VIRTUAL_MACHINE_UID,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VOLUMES,
    Resource,
)


def is_mine(volume: Volume, host: str, machines: Iterable[VirtualMachine]) -> bool:
    """Whether this host acts on it: it says so, or no host does and it belongs to a VM of this host.

    To name it is not enough: it may have been given to another VM, whose host makes its data now.
    """
    if volume.status.host:
        return volume.status.host == host
    return has_guest_here(volume, host, machines)


def has_guest_here(volume: Volume, host: str, machines: Iterable[VirtualMachine]) -> bool:
    """Whether a VM that has it is assigned to this host."""
    owners = owner_uids(volume)
    return any(
        vm.metadata.uid in owners and volume.metadata.name in volume_names(vm)
        for vm in machines
        if vm.metadata.namespace == volume.metadata.namespace and assigned_to(vm, host)
    )


def owner_uids(volume: Volume) -> frozenset[str]:
    """The UIDs of the VMs that have it, or for which it was made."""
    made_for = volume.metadata.labels.get(LABEL_VIRTUAL_MACHINE_UID)
    return frozenset(filter(None, (made_for, *(item.uid for item in volume.status.attached_to))))


def assigned_to(vm: VirtualMachine, host: str) -> bool:
    assignment = vm.status.assignment
    return assignment is not None and assignment.host == host


def volume_names(vm: VirtualMachine) -> Iterator[str]:
    """The names of the Volumes that stand for the VM's disks."""
    for disk in vm.spec.disks:
        yield disk.volume or volume_name(vm.metadata.name, disk.name)


def volume_keys(vm: VirtualMachine) -> Iterator[str]:
    """The same, as keys."""
    for name in volume_names(vm):
        yield f"{vm.metadata.namespace}/{name}"


def needed_objects(
    machines: Iterable[VirtualMachine], known: Mapping[str, Volume], own: Mapping[str, Volume]
) -> Iterator[tuple[Resource, str]]:
    """The Volumes of this host's VMs, and what those and its `own` Volumes are made from; `known` holds the
    Volumes that were read already.
    """
    needed = list(own.values())
    images: set[str] = set()
    for vm in machines:
        for key in volume_keys(vm):
            yield VOLUMES, key
            if key in known and key not in own:
                needed.append(known[key])
        images |= {resolve_key(vm.metadata.namespace, cdrom.image) for cdrom in vm.spec.cdroms if cdrom.image}
    images |= {image_key_of(volume) or "" for volume in needed}
    # what has data needs its source no more, which may be gone for good
    unmade = [volume for volume in needed if volume.status.data != "Present"]
    sources = {source_volume_key_of(volume) or "" for volume in unmade}
    snapshots = {source_snapshot_key_of(volume) or "" for volume in unmade}
    yield from ((VOLUMES, key) for key in sources - {""})
    yield from ((VIRTUAL_MACHINE_SNAPSHOTS, key) for key in snapshots - {""})
    yield from ((IMAGES, key) for key in images - {""})


def image_key_of(volume: Volume) -> str | None:
    """The key of the Image that a Volume is made from."""
    source = volume.spec.source
    if source is None or source.image is None:
        return None
    return resolve_key(volume.metadata.namespace, source.image)


def source_volume_key_of(volume: Volume) -> str | None:
    """The key of the Volume that a Volume is made from: never one of another namespace."""
    source = volume.spec.source
    return f"{volume.metadata.namespace}/{source.volume}" if source and source.volume else None


def source_snapshot_key_of(volume: Volume) -> str | None:
    """The key of the snapshot that a Volume is made from a disk of: never one of another namespace."""
    source = volume.spec.source
    return f"{volume.metadata.namespace}/{source.snapshot.name}" if source and source.snapshot else None


def source_of(volume: Volume) -> str:
    """What a Volume is made from, by name, as people are told; "" for nothing."""
    source = volume.spec.source
    if source is not None and source.upload is not None:
        return f"The file of volume {volume.metadata.name}"
    if source is not None and source.snapshot is not None:
        return f"{source.snapshot.name}, disk {source.snapshot.disk}"
    return (source.volume or image_key_of(volume) or "") if source else ""


def belongs_to_vm(volume: Volume) -> bool:
    """Whether a VM has it, running or not: then only that VM's start and its QEMU may change its data."""
    return LABEL_VIRTUAL_MACHINE_UID in volume.metadata.labels or bool(volume.status.attached_to)


def wanted_bytes(volume: Volume) -> int:
    """The size that spec names, 0 where it names none."""
    return size_bytes(volume.spec.size) if volume.spec.size else 0


def granted_bytes(volume: Volume, has_bytes: int) -> int:
    """The size that data of `has_bytes` may have now: what spec wants, once the pool has promised it.

    For a VM's own volume the operator asks the pool before it writes the size into spec; the size of other
    volumes is their users', so that the operator's answer is the condition SizeGranted.
    """
    wanted = wanted_bytes(volume)
    if wanted <= has_bytes or LABEL_VIRTUAL_MACHINE_UID in volume.metadata.labels:
        return wanted
    answer = size_answer(volume)
    return wanted if answer is not None and answer.status == "True" else has_bytes


def growth_text(volume: Volume, machines: Iterable[VirtualMachine]) -> str:
    """What the size of spec waits for, of data that its VM is to make larger; "" where a guest has it, which
    does that at once, or no VM does. `machines`: those of its VMs that are assigned to this host.
    """
    about, size = volume.metadata, volume.spec.size
    having = tuple(machines)
    if any(disk.volume_uid == about.uid for vm in having for disk in vm.status.runtime.disks):
        return ""
    for vm in having:
        pending = {change.path for change in vm.status.runtime.pending_changes}
        named = zip(volume_names(vm), vm.spec.disks, strict=True)
        if any(name == about.name and f"spec.disks[{disk.name}]" in pending for name, disk in named):
            return render("Available", size=size, waiting=vm.metadata.name).text
    users = [user.name for user in volume.status.attached_to]
    user = next(iter(users), about.annotations.get(ANNOTATION_VIRTUAL_MACHINE, ""))
    return render("Available", size=size, user=user).text if user and size else ""


def size_answer(volume: Volume) -> Condition | None:
    """What the operator says of the size that spec names now, None while it has not said."""
    answer = volume.status.condition("SizeGranted")
    current = answer is not None and answer.observed_generation == volume.metadata.generation
    return answer if current else None


def move_target(volume: Volume, pool: str) -> str:
    """The pool that data in `pool` is to go to now, "" for none: that of spec, once it has promised room."""
    wanted = volume.spec.pool or ""
    return wanted if wanted != pool and wanted == volume.status.moving_to else ""


def move_refusal(volume: Volume, pool: str) -> Condition | None:
    """Why it may not go from `pool` to that of spec."""
    answer = volume.status.condition("MoveGranted")
    current = answer is not None and answer.observed_generation == volume.metadata.generation
    return answer if current and volume.spec.pool not in (None, pool) else None
