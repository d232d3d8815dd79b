"""The kind VirtualMachineMigration: the wish to move a running VM, and how it goes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Doc, Fixed, Live, Range, Rule, unchanged
from quantix_api.model import AGE, PHASE, REASON, ApiModel, ApiObject, Column, Definition, Progress, Status
from quantix_api.resources import VIRTUAL_MACHINE_MIGRATIONS
from quantix_api.scalars import UID, Count, Message, Name, Time, Word
from quantix_api.vm_status import MAX_CLAIM_EPOCH

OVER = ("Succeeded", "Failed", "Cancelled")
"""Phases of one that came to its end."""
HandedEpoch = Annotated[int, Range(1, MAX_CLAIM_EPOCH)]
"""Bounded, since hosts say it."""


class VirtualMachineMigrationSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        unchanged(
            "virtualMachine",
            "targetHost",
            "autoConverge",
            "postCopy",
            "ttlSecondsAfterFinished",
            message="a migration cannot change, but for cancel: make a new one",
        ),
        Rule("!oldSelf.cancel || self.cancel", "a cancelled migration stays cancelled: make a new one"),
    )

    virtual_machine: Annotated[Name, Fixed("The VM to move.")]
    target_host: Annotated[Name | None, Fixed("Where to. Absent: the scheduler chooses.")] = None
    cancel: Annotated[bool, Live("true: give it up; the VM stays where it is.")] = False
    auto_converge: Annotated[
        bool | None, Fixed("Slow the guest down if it must be. Absent: what the VM says.")
    ] = None
    post_copy: Annotated[
        bool | None,
        Fixed("Switch before all memory is copied, if it must be. Absent: what the VM says."),
    ] = None
    ttl_seconds_after_finished: Annotated[
        int, Range(0, 2592000), Fixed("How long the finished migration is kept, in seconds.")
    ] = 86400


class MigrationSource(ApiModel):
    """What the source host reports. `outcome` is its last word: after it, nothing of this migration changes
    on its side (docs/adr/0044).
    """

    mode: Annotated[
        Literal["PreCopy", "PostCopy"] | None,
        Doc("How memory is copied. PostCopy: the guest goes on at the target, and the rest follows."),
    ] = None
    post_copy: Annotated[
        Literal["Possible", "LocalDisks", "NoDisk", "NotAllowed"] | None,
        Doc(
            "Whether it may be switched before all memory is copied; absent where nobody wishes it. "
            "LocalDisks: it has data in a pool of its host. NoDisk: it has no disk whose claim tells who may "
            "run it. NotAllowed: the target's kernel does not let programs take faults of the kernel "
            "(vm.unprivileged_userfaultfd)."
        ),
    ] = None
    dirty_bytes_per_second: Annotated[
        Count | None, Doc("Memory that the guest changes, in bytes in a second.")
    ] = None
    downtime_milliseconds: Annotated[
        Count | None, Doc("How long the guest stood still, in milliseconds.")
    ] = None
    outcome: Annotated[
        Literal["HandedOver", "GaveUp"] | None,
        Doc("HandedOver: the claims of the disks name the target. GaveUp: the VM stays, and this holds."),
    ] = None
    epoch: Annotated[HandedEpoch | None, Doc("Under which the claims were handed over.")] = None
    reason: Annotated[Word | None, Doc("Why it was given up, or what it waits for.")] = None
    message: Annotated[Message | None, Doc("The same as a sentence.")] = None


class MigrationTarget(ApiModel):
    """What the target host reports."""

    prepared: Annotated[bool | None, Doc("Whether it is ready to receive the VM.")] = None
    post_copy: Annotated[
        bool | None, Doc("Whether memory may come after the guest; absent where nobody wishes it.")
    ] = None
    outcome: Annotated[
        Literal["Running", "Lost", "Refused", "Gone"] | None,
        Doc(
            "Running: the guest runs here. Lost: the VM is this host's, but a part of its memory did not "
            "come, and it starts from its disks. Refused: it cannot be received. "
            "Gone: nothing of it is left here, since it was given up, or never handed over."
        ),
    ] = None
    epoch: Annotated[HandedEpoch | None, Doc("Under which the claims name this host.")] = None
    reason: Annotated[Word | None, Doc("Why it is refused, or what it waits for.")] = None
    message: Annotated[Message | None, Doc("The same as a sentence.")] = None


class VirtualMachineMigrationStatus(Status):
    """What is so."""

    phase: Annotated[
        Literal["Queued", "Preparing", "Copying", "CuttingOver", "Succeeded", "Failed", "Cancelled"] | None,
        Doc("In one word, for people: how far it is."),
    ] = None
    virtual_machine_uid: Annotated[UID | None, Doc("The VM that it is about.")] = None
    source_host: Annotated[Name | None, Doc("The host that the VM comes from.")] = None
    target_host: Annotated[Name | None, Doc("The host that it goes to.")] = None
    progress: Annotated[Progress | None, Doc("How much of memory and local disks is copied.")] = None
    source: Annotated[MigrationSource | None, Doc("What the source host reports.")] = None
    target: Annotated[MigrationTarget | None, Doc("What the target host reports.")] = None
    started_at: Annotated[Time | None, Doc("When the hosts were chosen.")] = None
    finished_at: Annotated[Time | None, Doc("When it ended.")] = None


class VirtualMachineMigration(ApiObject):
    """Moves a running VM to another host. It happens once; the object stays to say how it went."""

    DEFINITION: ClassVar[Definition] = Definition(
        VIRTUAL_MACHINE_MIGRATIONS,
        ("vmm",),
        (
            PHASE,
            Column("VM", ".spec.virtualMachine"),
            Column("From", ".status.sourceHost"),
            Column("To", ".status.targetHost"),
            REASON,
            AGE,
        ),
        (".spec.virtualMachine", ".status.phase", ".status.sourceHost", ".status.targetHost"),
    )

    spec: Annotated[VirtualMachineMigrationSpec, Live("What is wanted.")]
    status: VirtualMachineMigrationStatus = VirtualMachineMigrationStatus()
