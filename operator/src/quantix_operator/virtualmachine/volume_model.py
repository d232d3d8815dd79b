"""What the plan of a VM's Volumes is made from and consists of: disks, Volumes as they are, and steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from quantix_api.conditions import reasons_otherwise
from quantix_api.resources import VIRTUAL_MACHINES
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
    (`volumedata.right`); `going`: it is deleted, or will be (`volumedata.collected`); `settled`: it has no
    host, or a confirmed one: it may go from one VM to another. `kept_for`: the first Volume that waits to be
    made from it while it is deleted, by `copy`, or its VM by `clone`.
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
    going: bool = False
    denied: bool = False
    settled: bool = True
    kept_for: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_protected(self) -> bool:
        """Whether it stays, whatever its disk says."""
        return bool(self.spec.get("deletionProtection"))

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
