"""By what VMs and Volumes are found without a look at all of them: indexers for `Cache.by`.

Used by mappers and observe steps. Pure, on plain dicts, and content with half-filled objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from quantix_api.references import resolve_key
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_api.virtual_machine_restore import OVER as RESTORE_OVER
from quantix_api.virtual_machine_snapshot import OVER as SNAPSHOT_OVER
from quantix_client.api import Manifest

POOL_FULL = "PoolFull"
NO_HOST = ""
UNRESOLVED = ""
UNFINISHED = ""
RULED = ""


def made_for(volume: Manifest) -> Iterable[str]:
    """The UID of the VM whose label a Volume carries."""
    uid = (volume["metadata"].get("labels") or {}).get(LABEL_VIRTUAL_MACHINE_UID)
    return (str(uid),) if uid else ()


def home(obj: Manifest) -> Iterable[str]:
    """The namespace that an object is in."""
    namespace = obj["metadata"].get("namespace")
    return (str(namespace),) if namespace else ()


def volumes_attached(vm: Manifest) -> Iterator[str]:
    """The keys of the Volumes that a VM attaches by name."""
    return _named(vm, ("volume",))


def volumes_named(vm: Manifest) -> Iterator[str]:
    """The keys of the Volumes that a VM attaches or copies by name."""
    return _named(vm, ("volume", "cloneOf"))


def pools_named(vm: Manifest) -> Iterable[str]:
    """The pools that the disks of a VM name."""
    disks: list[dict[str, Any]] = (vm.get("spec") or {}).get("disks") or []
    return {str(disk["pool"]) for disk in disks if disk.get("pool")}


def volumes_open(vm: Manifest) -> Iterator[str]:
    """The UIDs of the Volumes that its guest has open."""
    runtime = (vm.get("status") or {}).get("runtime") or {}
    return (disk["volumeUID"] for disk in runtime.get("disks") or [] if disk.get("volumeUID"))


def own_uid(obj: Manifest) -> Iterable[str]:
    """Its UID, where objects of another kind name no more than that."""
    return (str(obj["metadata"].get("uid")),)


def made_from(volume: Manifest) -> Iterable[str]:
    """The key of the Volume that its content is copied from."""
    name = ((volume.get("spec") or {}).get("source") or {}).get("volume")
    return (f"{volume['metadata'].get('namespace')}/{name}",) if name else ()


def keeping_host(volume: Manifest) -> Iterable[str]:
    """The host that keeps its data, NO_HOST while none does."""
    return (str((volume.get("status") or {}).get("host") or NO_HOST),)


def unresolved(vm: Manifest) -> Iterable[str]:
    """UNRESOLVED for a VM that was not resolved yet; its size may stand there before, for people to see."""
    return () if ((vm.get("status") or {}).get("resolved") or {}).get("uuid") else (UNRESOLVED,)


def encrypted_in(volume: Manifest) -> Iterable[str]:
    """The namespace of a Volume that is encrypted."""
    encrypted = (volume.get("spec") or {}).get("encryption")
    return (str(volume["metadata"].get("namespace")),) if encrypted else ()


def assigned_host(vm: Manifest) -> Iterable[str]:
    """The host that a VM is assigned to."""
    host = ((vm.get("status") or {}).get("assignment") or {}).get("host")
    return (str(host),) if host else ()


def unfinished(migration: Manifest) -> Iterable[str]:
    """UNFINISHED for a migration that waits or goes on."""
    return () if (migration.get("status") or {}).get("finishedAt") else (UNFINISHED,)


def migrations_of(migration: Manifest) -> Iterable[str]:
    """The key of the VM that a migration is about."""
    name = (migration.get("spec") or {}).get("virtualMachine")
    return (f"{migration['metadata'].get('namespace')}/{name}",) if name else ()


def moving_to(vm: Manifest) -> Iterable[str]:
    """The host that a VM is on its way to."""
    host = ((vm.get("status") or {}).get("migration") or {}).get("targetHost")
    return (str(host),) if host else ()


def choosy_in(vm: Manifest) -> Iterable[str]:
    """The namespace of a VM that wants others near or away."""
    placement = (vm.get("spec") or {}).get("placement") or {}
    choosy = placement.get("affinity") or placement.get("antiAffinity")
    return (str(vm["metadata"].get("namespace")),) if choosy else ()


def ruled(vm: Manifest) -> Iterable[str]:
    """RULED for a VM that says where it wants to be."""
    placement = (vm.get("spec") or {}).get("placement") or {}
    says = any(placement.get(name) for name in ("affinity", "antiAffinity", "hostSelector"))
    return (RULED,) if says else ()


def refused_for(obj: Manifest) -> Iterator[str]:
    """The reasons of an object's conditions, such as PoolFull."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return (str(item["reason"]) for item in conditions if item.get("reason"))


def floating_ips_of_vm(floating_ip: Manifest) -> Iterable[str]:
    """The key of the VM that a FloatingIP shall lead to."""
    vm = (floating_ip.get("spec") or {}).get("virtualMachine")
    return (f"{floating_ip['metadata'].get('namespace')}/{vm}",) if vm else ()


def floating_ips_on(floating_ip: Manifest) -> Iterable[str]:
    """The key of the Network that a FloatingIP has its address of."""
    return _in_network(floating_ip, (floating_ip.get("spec") or {}).get("network"))


def leading_through(floating_ip: Manifest) -> Iterable[str]:
    """The key of the Router that a FloatingIP leads through, by its status."""
    router = (floating_ip.get("status") or {}).get("router")
    return (resolve_key(floating_ip["metadata"].get("namespace") or "", router),) if router else ()


def routers_through(router: Manifest) -> Iterable[str]:
    """The key of the Network that a Router has its way out through."""
    return _in_network(router, ((router.get("spec") or {}).get("external") or {}).get("network"))


def _in_network(obj: Manifest, reference: str | None) -> Iterable[str]:
    return (resolve_key(obj["metadata"].get("namespace") or "", reference),) if reference else ()


def _named(vm: Manifest, members: tuple[str, ...]) -> Iterator[str]:
    disks: list[dict[str, Any]] = (vm.get("spec") or {}).get("disks") or []
    names = {disk[member] for disk in disks for member in members if disk.get(member)}
    return (f"{vm['metadata'].get('namespace')}/{name}" for name in names)


def being_taken_of(snapshot: Manifest) -> Iterable[str]:
    """The key of the VM of which a host takes this snapshot."""
    status = snapshot.get("status") or {}
    name = (snapshot.get("spec") or {}).get("virtualMachine")
    going_on = status.get("host") and status.get("phase") not in SNAPSHOT_OVER
    return (f"{snapshot['metadata'].get('namespace')}/{name}",) if going_on and name else ()


def working_host(obj: Manifest) -> Iterable[str]:
    """The host that takes or deletes a snapshot, or sets a VM back."""
    status = obj.get("status") or {}
    over = status.get("phase") in (*SNAPSHOT_OVER, *RESTORE_OVER)
    leaves = obj["metadata"].get("deletionTimestamp") and status.get("data") == "Present"
    host = status.get("host")
    return (str(host),) if host and (leaves or not over) else ()


def pools_kept_in(snapshot: Manifest) -> Iterable[str]:
    """The pools that hold something of a snapshot, or are about to."""
    status = snapshot.get("status") or {}
    if status.get("data") == "Absent":
        return ()
    return {str(disk["pool"]) for disk in status.get("disks") or [] if disk.get("pool")}


def open_or_going(obj: Manifest) -> Iterable[str]:
    """UNFINISHED for a snapshot or a restore that waits, goes on, or is being deleted, and while it is said
    of one that is over that it goes on.
    """
    status = obj.get("status") or {}
    over = status.get("phase") in (*SNAPSHOT_OVER, *RESTORE_OVER)
    said = any(item.get("type") == "Reconciling" for item in status.get("conditions") or [])
    going = obj["metadata"].get("deletionTimestamp")
    return () if over and not said and not going else (UNFINISHED,)


def made_from_snapshot(volume: Manifest) -> Iterable[str]:
    """The key of the snapshot that its content is copied from."""
    snapshot = ((volume.get("spec") or {}).get("source") or {}).get("snapshot") or {}
    name = snapshot.get("name")
    return (f"{volume['metadata'].get('namespace')}/{name}",) if name else ()


def snapshots_named(vm: Manifest) -> Iterator[str]:
    """The keys of the snapshots that disks of a VM are made from."""
    return _named(vm, ("snapshot",))
