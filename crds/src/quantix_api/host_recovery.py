"""The kind HostRecovery: what follows the failure of a host, step by step."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Doc, Fixed, Live, NotBuilt, Range, Rule, Text, keyed, ordered, unchanged
from quantix_api.model import AGE, PHASE, REASON, ApiModel, ApiObject, Column, Definition, Status
from quantix_api.resources import HOST_RECOVERIES
from quantix_api.scalars import UID, Count, DeviceName, Message, Name, Time, Word

Address = Annotated[str, Text(128)]


class ConfirmedDead(ApiModel):
    """An administrator's word that the host is off."""

    by: Annotated[Word, Fixed("Who says so: the user who writes this.")]
    at: Annotated[Time, Fixed("When that was seen.")]
    reason: Annotated[str, Text(1024, 1), Fixed("How that is known, such as: pulled from the rack.")]


class HostRecoverySpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        unchanged("host", "hostUID", "cause", message="host, hostUID and cause cannot change"),
        Rule(
            "!has(oldSelf.confirmedDead) "
            "|| (has(self.confirmedDead) && self.confirmedDead == oldSelf.confirmedDead)",
            "a confirmation can neither change nor be taken back",
        ),
        Rule("!oldSelf.cancel || self.cancel", "a cancel cannot be taken back"),
    )

    host: Annotated[Name, Fixed("The host that failed.")]
    host_uid: Annotated[UID | None, Fixed("Hardware identity of that host, from its status.hostUID.")] = None
    cause: Annotated[
        Literal["LeaseAndStorageLost", "LeaseLost", "StorageLost", "PowerOff", "Adopted", "Manual", "Drill"],
        Fixed("What was noticed."),
    ]
    cancel: Annotated[bool, Live("true: call it off; heeded only before anything was done.")] = False
    confirmed_dead: Annotated[
        ConfirmedDead | None, Live("An administrator's word that the host is off; given once.")
    ] = None


class Fence(ApiModel):
    """The proof that the host cannot write any more."""

    method: Annotated[
        Literal["RBDBlocklist", "Redfish", "IPMI", "Manual"], Doc("How the host was kept from writing.")
    ]
    at: Annotated[Time, Doc("When that was proven.")]
    addresses: Annotated[tuple[Address, ...], ordered(64), Doc("Addresses that were shut out.")] = ()
    instances: Annotated[tuple[Address, ...], ordered(1024), Doc("Ceph clients that were shut out.")] = ()
    osd_epoch: Annotated[Count | None, Doc("Epoch of the Ceph map that holds the shut-out.")] = None
    barrier: Annotated[bool | None, Doc("Whether all of Ceph was seen to know that epoch.")] = None
    power_state: Annotated[str | None, Text(32), Doc("What the host's BMC said.")] = None
    by: Annotated[Word | None, Doc("Who confirmed it, with method Manual.")] = None


class RecoveryStep(ApiModel):
    """One step and how it went."""

    name: Annotated[
        Literal["Detect", "Brake", "Fence", "Barrier", "Place", "Start", "Clean", "Lift"],
        Doc("Name of the step."),
    ]
    started_at: Annotated[Time | None, Doc("When it began.")] = None
    finished_at: Annotated[Time | None, Doc("When it ended.")] = None
    result: Annotated[str | None, Text(32), Doc("How it ended, in one word.")] = None
    message: Annotated[Message | None, Doc("How it ended, in a sentence.")] = None


class RecoveredVM(ApiModel):
    """A VM of the host and what became of it."""

    uid: Annotated[UID, Doc("UID of the VM.")]
    namespace: Annotated[DeviceName | None, Doc("Its namespace.")] = None
    name: Annotated[Name | None, Doc("Its name.")] = None
    epoch: Annotated[int | None, Range(1), Doc("Epoch of its new assignment.")] = None
    outcome: Annotated[
        Literal["Waiting", "Restarted", "LeftAlone", "LocalStorage", "NoRoom", "Failed"] | None,
        Doc("What became of it."),
    ] = None
    new_host: Annotated[Name | None, Doc("The host that it was started on.")] = None
    finished_at: Annotated[Time | None, Doc("When that was done.")] = None
    message: Annotated[str | None, Text(512), Doc("Why, in a sentence.")] = None


class HostRecoveryStatus(Status):
    """What is so."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.fence) || (has(self.fence) && self.fence == oldSelf.fence)",
            "a proof of fencing can neither change nor be removed",
        ),
    )

    phase: Annotated[
        Literal[
            "Intent",
            "Fencing",
            "Proven",
            "Restarting",
            "WaitingForReturn",
            "Clean",
            "Lifting",
            "Done",
            "Cancelled",
        ]
        | None,
        Doc("In one word: how far the recovery is."),
    ] = None
    fence: Annotated[Fence | None, Doc("The proof that the host cannot write any more.")] = None
    steps: Annotated[tuple[RecoveryStep, ...], keyed("name"), Doc("The steps so far.")] = ()
    virtual_machines: Annotated[
        tuple[RecoveredVM, ...],
        keyed("uid", at_most=1024),
        Doc("The VMs of the host and what became of them."),
    ] = ()


class HostRecovery(ApiObject):
    """What follows the failure of a host: it is fenced, and its VMs start elsewhere. Made by the operator."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.status) || !has(oldSelf.status.fence) "
            "|| (has(self.status) && has(self.status.fence))",
            "a proof of fencing can neither change nor be removed",
        ),
    )
    DEFINITION: ClassVar[Definition] = Definition(
        HOST_RECOVERIES,
        ("hrec",),
        (
            Column("Host", ".spec.host"),
            PHASE,
            Column("Fence", ".status.fence.method"),
            REASON,
            AGE,
        ),
        (".spec.host", ".status.phase"),
    )

    spec: Annotated[HostRecoverySpec, Live("What is wanted."), NotBuilt()]
    status: HostRecoveryStatus = HostRecoveryStatus()
