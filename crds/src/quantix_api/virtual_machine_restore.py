"""The kind VirtualMachineRestore: the wish to set a VM back to a snapshot (docs/adr/0050)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Doc, Fixed, Live, Range, Rule, Text, distinct, keyed, ordered, unchanged
from quantix_api.model import AGE, PHASE, REASON, ApiModel, ApiObject, Column, Definition, Progress, Status
from quantix_api.resources import VIRTUAL_MACHINE_RESTORES
from quantix_api.scalars import UID, Count, DeviceName, Name, Time
from quantix_api.virtual_machine_snapshot import MAX_DISKS

MAX_DIFFERENCES = 64
MAX_PATH = 253
"""Characters."""
OVER = ("Restored", "Failed")
"""Phases of one that came to its end."""


class VirtualMachineRestoreSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        unchanged(
            "virtualMachine",
            "snapshot",
            "disks",
            "memory",
            "stop",
            "ttlSecondsAfterFinished",
            message="a restore cannot change: make a new one",
        ),
    )

    virtual_machine: Annotated[Name, Fixed("The VM whose disks are set back.")]
    snapshot: Annotated[Name, Fixed("The VirtualMachineSnapshot that they are set back to.")]
    disks: Annotated[
        tuple[DeviceName, ...],
        distinct(MAX_DISKS),
        Fixed("Names of disks. Absent: all that the snapshot has."),
    ] = ()
    memory: Annotated[
        Literal["Auto", "Never"],
        Fixed("Auto: the next start goes on with the memory, if the snapshot has it. Never: it boots."),
    ] = "Auto"
    stop: Annotated[
        Literal["Never", "Force"],
        Fixed("Never: it waits until the VM is off. Force: the VM is switched off, as by pulling the plug."),
    ] = "Never"
    ttl_seconds_after_finished: Annotated[
        int | None,
        Range(0, 2592000),
        Fixed(
            "How long the finished restore is kept, in seconds. Absent: until it is deleted. Leave it out "
            "in Git: what a tool makes anew sets the VM back again."
        ),
    ] = None


class RestoreDisk(ApiModel):
    """A disk that is set back."""

    name: Annotated[DeviceName, Doc("Name of the disk, in the VM and in the snapshot.")]
    volume: Annotated[Name | None, Doc("Name of its Volume.")] = None
    volume_uid: Annotated[UID | None, Doc("UID of its Volume.")] = None
    pool: Annotated[Name | None, Doc("The pool that holds it.")] = None


class VirtualMachineRestoreStatus(Status):
    """What is so."""

    phase: Annotated[
        Literal["Pending", "Restoring", "Restored", "Failed"] | None,
        Doc("In one word, for people: how far it is."),
    ] = None
    host: Annotated[Name | None, Doc("The host that does it.")] = None
    virtual_machine_uid: Annotated[UID | None, Doc("The VM that it is about.")] = None
    snapshot_uid: Annotated[UID | None, Doc("The snapshot that it is about.")] = None
    epoch: Annotated[
        Count | None, Doc("The VM's epoch then: what was written under a later one is not set back.")
    ] = None
    disks: Annotated[
        tuple[RestoreDisk, ...], keyed("name", at_most=MAX_DISKS), Doc("The disks that are set back.")
    ] = ()
    progress: Annotated[Progress | None, Doc("How far copying has come.")] = None
    finished_at: Annotated[Time | None, Doc("When it ended.")] = None
    differences: Annotated[
        tuple[Annotated[str, Text(MAX_PATH, 1)], ...],
        ordered(MAX_DIFFERENCES),
        Doc("Where the VM's spec differs from the snapshot's config: no restore changes it."),
    ] = ()


class VirtualMachineRestore(ApiObject):
    """Sets the disks of a VM back to a snapshot. It happens once; the object stays to say how it went."""

    DEFINITION: ClassVar[Definition] = Definition(
        VIRTUAL_MACHINE_RESTORES,
        ("vmrestore",),
        (
            PHASE,
            Column("VM", ".spec.virtualMachine"),
            Column("Snapshot", ".spec.snapshot"),
            REASON,
            AGE,
        ),
        (".spec.virtualMachine", ".status.phase", ".status.host"),
    )

    spec: Annotated[VirtualMachineRestoreSpec, Live("What is wanted.")]
    status: VirtualMachineRestoreStatus = VirtualMachineRestoreStatus()
