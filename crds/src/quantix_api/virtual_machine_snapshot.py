"""The kind VirtualMachineSnapshot: what the disks of a VM hold at one moment, kept (docs/adr/0050)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from quantix_api.markers import Doc, Fixed, FreeForm, Live, Rule, Text, distinct, keyed, unchanged
from quantix_api.model import (
    AGE,
    PHASE,
    READY,
    REASON,
    ApiModel,
    ApiObject,
    Column,
    Definition,
    Progress,
    Status,
    condition_column,
)
from quantix_api.resources import VIRTUAL_MACHINE_SNAPSHOTS
from quantix_api.scalars import UID, DataState, DeviceName, Name, Size, Time

MAX_DISKS = 32
OVER = ("Ready", "Failed")
"""Phases of one that was taken, or never will be."""


class VirtualMachineSnapshotSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        unchanged(
            "virtualMachine",
            "disks",
            "memory",
            "quiesce",
            message="a snapshot cannot change, but for deletionProtection: make a new one",
        ),
    )

    virtual_machine: Annotated[Name, Fixed("The VM whose disks are kept as they are at one moment.")]
    disks: Annotated[
        tuple[DeviceName, ...],
        distinct(MAX_DISKS),
        Fixed("Names of disks. Absent: all. What firmware and TPM remember is kept in any case."),
    ] = ()
    memory: Annotated[
        bool,
        Fixed("true: the memory, too, of a VM that runs: a restore goes on at that instant."),
    ] = False
    quiesce: Annotated[
        Literal["Auto", "Required", "Never"],
        Fixed(
            "Whether the guest's agent holds its file systems still for the moment. Auto: if it can. "
            "Required: else there is no snapshot."
        ),
    ] = "Auto"
    deletion_protection: Annotated[
        bool, Live("true: the snapshot cannot be deleted. Deleting a snapshot deletes what it keeps.")
    ] = False


class SnapshotDisk(ApiModel):
    """A disk of the snapshot. The scheduler says which Volume that is, the host what is kept of it."""

    name: Annotated[DeviceName, Doc("Name of the disk in the VM.")]
    volume: Annotated[Name | None, Doc("Name of its Volume.")] = None
    volume_uid: Annotated[UID | None, Doc("UID of its Volume.")] = None
    pool: Annotated[Name | None, Doc("The pool that holds the volume, and what is kept of it.")] = None
    handle: Annotated[
        str | None,
        Text(128),
        Doc("Name of what holds the data: UID of the volume, or UID/DISK of the snapshot. For people only."),
    ] = None
    encrypted: Annotated[
        bool | None, Doc("Whether it is encrypted; what is made from it has to be, too.")
    ] = None
    size: Annotated[Size | None, Doc("Size of the disk as the guest saw it.")] = None


class VirtualMachineSnapshotStatus(Status):
    """What is so."""

    phase: Annotated[
        Literal["Pending", "Taking", "Ready", "Failed"] | None,
        Doc("In one word, for people: how far it is."),
    ] = None
    host: Annotated[Name | None, Doc("The host that takes it, and acts on it from then on.")] = None
    virtual_machine_uid: Annotated[UID | None, Doc("The VM that it is of.")] = None
    taken_at: Annotated[Time | None, Doc("The moment whose state it keeps.")] = None
    config: Annotated[dict[str, Any] | None, FreeForm(), Doc("The VM's spec at that moment.")] = None
    disks: Annotated[
        tuple[SnapshotDisk, ...], keyed("name", at_most=MAX_DISKS), Doc("The disks that it keeps.")
    ] = ()
    memory_handle: Annotated[
        str | None,
        Text(128),
        Doc("Name of what holds the memory; absent: none is kept. For people only."),
    ] = None
    data: Annotated[
        DataState | None, Doc("Whether anything of it is stored; Absent: nothing is, so the object may go.")
    ] = None
    progress: Annotated[Progress | None, Doc("How far copying has come.")] = None


class VirtualMachineSnapshot(ApiObject):
    """What the disks of a VM held at one moment, and its memory if asked. Deleting it deletes that."""

    DEFINITION: ClassVar[Definition] = Definition(
        VIRTUAL_MACHINE_SNAPSHOTS,
        ("vmsnap",),
        (
            PHASE,
            READY,
            Column("VM", ".spec.virtualMachine"),
            condition_column("Quiesced", "Quiesced", "status"),
            REASON,
            AGE,
        ),
        (".spec.virtualMachine", ".status.phase", ".status.host"),
    )

    spec: Annotated[VirtualMachineSnapshotSpec, Live("What is wanted.")]
    status: VirtualMachineSnapshotStatus = VirtualMachineSnapshotStatus()
