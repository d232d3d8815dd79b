"""The closed table of conditions: which kind has which condition, and the reasons it may give.

Used by whoever writes, reads or checks a condition, and by the documentation. A reason that is not here is a
bug: `checked` says so before it reaches a user.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from quantix_api.errors import InvariantError


class Said(Protocol):
    """Anything that says a condition: one of an object, or a `facts.Fact` that is to become one."""

    @property
    def type(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...


_Said = TypeVar("_Said", bound=Said)


@dataclass(frozen=True)
class ConditionRow:
    """One condition of one kind: the reasons while it is True, and those while it is False or Unknown."""

    kind: str
    type: str
    true: tuple[str, ...]
    otherwise: tuple[str, ...]


INTERNAL_ERROR = "InternalError"
READY_OF_EVERY_KIND = ("Pending", "Deleting", "InUse", INTERNAL_ERROR)
"""Reasons that Ready of any kind may give while it is not True."""


def _row(kinds: str, condition_type: str, true: str, otherwise: str) -> tuple[ConditionRow, ...]:
    return tuple(
        ConditionRow(kind, condition_type, tuple(true.split()), tuple(otherwise.split()))
        for kind in kinds.split()
    )


_SCHEDULED = (
    "NoHostFits NotEnoughMemory NotEnoughCPU DeviceUnavailable AntiAffinity HAReserve QuotaExceeded "
    "NotWanted Held WaitingForDependency RebuildingAssignments"
)
_VOLUMES_READY = (
    "Creating Copying Moving WaitingForHost VolumeNotFound VolumeInUse VolumeConflict ImageNotFound "
    "ImageDownloading Verifying WaitingForUpload ImageUnreachable AddressRefused ChecksumMismatch "
    "ImageRefused SnapshotNotFound SourceNotFound PoolNotFound PoolFull PoolUnreachable DataMissing "
    f"DataDamaged SecretNotFound SecretNotGranted PassphraseWrong ConfigRefused LibvirtDown ClaimForeign "
    f"ClaimStale {INTERNAL_ERROR}"
)
_NETWORK_READY = (
    "Programming NetworkNotFound NetworkNotAllowed AddressInUse AddressOutsideSubnet AddressesExhausted "
    "MACInUse SecurityGroupNotFound SubnetOverlap PhysicalNetworkUnknown NorthboundUnreachable"
)
_PROGRAMMED = (
    "Programming SubnetOverlap PhysicalNetworkUnknown NetworkNotFound GroupNotFound NoGatewayHost "
    "NorthboundUnreachable SuspiciousDeletion"
)
_VM_READY = (
    "Starting Stopping Restarting ShuttingDown PortNotBound DuplicateInterface SouthboundUnreachable "
    "WaitingForGuest OrphanProcess StateMissing GuestPanicked QEMUHangs StuckInIO "
    "InstanceTypeNotFound SecretNotFound "
    "IdentityConflict GuestNotReady GuestShutdown WatchdogFired QEMUCrashed StorageIOError PoolFull "
    "HostSuspect HostUnreachable HostFailed HostIsolated HostDownLocalDisk FenceUnproven FencingHeld "
    "ConfigRefused KernelLimit RestoreInProgress ClaimNotHeld"
)
_STAYS = "HostDevice CPUPassthrough PolicyBlock LocalMedium"

TABLE: tuple[ConditionRow, ...] = (
    *_row(
        "VirtualMachine",
        "Ready",
        "Running Stopped Paused",
        " ".join((_VM_READY, _SCHEDULED, _VOLUMES_READY, _NETWORK_READY)),
    ),
    *_row("VirtualMachine", "Scheduled", "Assigned", _SCHEDULED),
    *_row("VirtualMachine", "VolumesReady", "AllReady", _VOLUMES_READY),
    *_row("VirtualMachine", "NetworkReady", "AllReady", _NETWORK_READY),
    *_row(
        "VirtualMachine",
        "SizeGranted",
        "",
        "NotEnoughMemory NotEnoughCPU DeviceUnavailable InstanceTypeNotFound",
    ),
    *_row(
        "VirtualMachine",
        "Protected",
        "Protected",
        "LocalStorage HostDevice PolicyNever PolicyWait NoFencing NoOtherHost NoSpareRoom QuorumAtRisk",
    ),
    *_row("VirtualMachine", "Migratable", "Migratable", f"NoOtherHost {_STAYS}"),
    *_row("VirtualMachine", "PlacementOK", "AsAsked", "AffinityBroken AntiAffinityBroken SelectorBroken"),
    *_row("VirtualMachine", "AgentConnected", "Connected", "NotInstalled Silent Refused"),
    *_row("VirtualMachine", "GuestHealthy", "Healthy", "ServiceFailed NoAgent"),
    *_row("VirtualMachine", "RestartRequired", "RestartRequired", ""),
    *_row(
        "Volume",
        "Ready",
        "Available",
        "WaitingForHost Creating Copying Moving Resizing WaitingForUpload SourceNotFound ImageDownloading "
        "Verifying ImageUnreachable AddressRefused ChecksumMismatch ImageRefused PoolNotFound PoolFull "
        "PoolUnreachable HostFailed DataMissing DataDamaged VolumeInUse SecretNotFound SecretNotGranted "
        "PassphraseWrong ConfigRefused LibvirtDown ClaimForeign ClaimStale",
    ),
    *_row("Volume", "SizeGranted", "Granted", "PoolFull"),
    *_row("Volume", "MoveGranted", "", "PoolNotFound PoolFull PoolUnreachable"),
    *_row(
        "Image",
        "Ready",
        "Verified",
        "ImageDownloading Verifying WaitingForUpload ImageUnreachable AddressRefused ChecksumMismatch "
        "ImageRefused PoolFull PoolNotFound PoolUnreachable",
    ),
    *_row(
        "StoragePool",
        "Ready",
        "Reachable",
        "Unreachable NoHost CredentialsRefused Degraded DefaultConflict DirectoryMissing PathRefused "
        "PathShared PathBarred",
    ),
    *_row("StoragePool", "HasRoom", "Enough", "FillsUp PoolFull"),
    *_row("StoragePool", "Fenceable", "Blocklist", "LocalStorage NoCapability"),
    *_row("Network SecurityGroup", "Ready", "Programmed", _PROGRAMMED),
    *_row(
        "Router",
        "Ready",
        "Programmed",
        f"{_PROGRAMMED} AddressInUse AddressOutsideSubnet AddressesExhausted",
    ),
    *_row(
        "FloatingIP",
        "Ready",
        "Attached Allocated",
        "Programming NetworkNotFound NetworkNotAllowed NoSubnet AddressInUse AddressOutsideSubnet "
        "AddressesExhausted VirtualMachineNotFound NICNotFound NICNotReady NICInUse NoRoute NoGatewayHost "
        "NorthboundUnreachable",
    ),
    *_row(
        "Host",
        "Ready",
        "Healthy",
        "Joining Suspect Isolated StorageLost Failed Unreachable Fencing Fenced Cleaning ShuttingDown "
        "LibvirtDown NetworkDown OVNAlreadyConfigured SouthboundUnreachable",
    ),
    *_row("Host", "Schedulable", "Open", "Cordoned Maintenance Cleaning Flapping NotReady"),
    *_row("Host", "Drained", "Empty", "Draining Blocked"),
    *_row("Host", "KVMAvailable", "Works", "KVMUnusable"),
    *_row("Host", "StorageBeat", "Alive", "Lost NoSharedPool"),
    *_row(
        "Host",
        "StorageFence",
        "Ready",
        "NoSharedPool AddressShared AddressUnknown BMCUnreachable CredentialsRefused",
    ),
    *_row(
        "Host",
        "GuestTraffic",
        "Works",
        "HostFirewallDropsGuests UnderlayTooSmall TunnelInterfaceShared TunnelInterfaceUnusable "
        f"MigrationInterfaceUnusable PhysicalNetworkUnusable {INTERNAL_ERROR}",
    ),
    *_row("Host", "Confined", "AppArmor", "NoAppArmor"),
    *_row("Host", "GuestsKnown", "Known", "OrphanGuest"),
    *_row("Host", "VolumesKnown", "Owned", "OrphanVolume"),
    *_row("Host", "HugePagesSetAside", "PagesSetAside", "TooFewPages"),
    *_row(
        "VirtualMachineMigration",
        "Ready",
        "Succeeded",
        f"Queued Preparing Copying CuttingOver Cancelled NotRunning NoHostFits {_STAYS} CPUFeatureMissing "
        "MigrationTooSlow SourceFailed TargetFailed SnapshotRunning TimedOut",
    ),
    *_row(
        "HostRecovery",
        "Ready",
        "Recovered Cancelled",
        "FencingHeld Fencing FenceUnproven Restarting WaitingForReturn Cleaning Lifting",
    ),
    *_row("VirtualMachine Volume Image", "NamespaceKept", "", "NamespaceDeleting GoesWithNamespace"),
    # not in api.md's table, yet without it kstatus would wait for these for ever
    *_row("InstanceType HAPolicy SchedulingPolicy", "Ready", "Accepted", ""),
)

KSTATUS_TYPES = ("Reconciling", "Stalled")
"""Conditions that exist only while True, and then repeat the reason of Ready."""

STALLED_REASONS = frozenset(
    {
        "GuestShutdown",
        "ConfigRefused",
        "IdentityConflict",
        "VolumeConflict",
        "ChecksumMismatch",
        "ImageRefused",
        "AddressRefused",
        "DirectoryMissing",
        "PathRefused",
        "PathShared",
        "PathBarred",
        "AddressOutsideSubnet",
    }
)
"""Reasons of Ready under which nothing changes without a user."""

PASSING_REASONS = frozenset(
    {
        "Pending",
        "Creating",
        "Copying",
        "Moving",
        "Resizing",
        "SecretNotGranted",
        "Programming",
        "ImageDownloading",
        "Verifying",
    }
)
"""Reasons of Ready that pass by themselves: somebody works on it."""

LOST_REASONS = frozenset({"Suspect", "Isolated", "StorageLost", "Failed", "Unreachable", "Fencing", "Fenced"})
"""Reasons of a Host's Ready that only the operator writes, about one that it does not hear."""

_BY_PLACE = {(row.kind, row.type): row for row in TABLE}


def reasons_true(kind: str, condition_type: str) -> frozenset[str]:
    """The reasons that this condition may give while True; InvariantError when the kind has no such one."""
    return frozenset(_row_of(kind, condition_type).true)


def reasons_otherwise(kind: str, condition_type: str) -> frozenset[str]:
    """The reasons that this condition may give while False or Unknown; InvariantError as above."""
    row = _row_of(kind, condition_type)
    extra = READY_OF_EVERY_KIND if condition_type == "Ready" else ()
    return frozenset((*row.otherwise, *extra))


def ready_reason(kind: str, reason: str) -> str:
    """`reason`, of an error from anywhere, as Ready may give it while not True: one that the table does not
    know for this kind is InternalError. The error's own words say the rest.
    """
    return reason if reason in reasons_otherwise(kind, "Ready") else INTERNAL_ERROR


def checked(kind: str, conditions: Iterable[_Said]) -> tuple[_Said, ...]:
    """The same conditions, in a stable order; InvariantError for one that the table does not know."""
    found = tuple(sorted(conditions, key=lambda c: c.type))
    for condition in found:
        if condition.type in KSTATUS_TYPES:
            allowed = reasons_otherwise(kind, "Ready")
        elif condition.status == "True":
            allowed = reasons_true(kind, condition.type)
        else:
            allowed = reasons_otherwise(kind, condition.type)
        if condition.reason not in allowed:
            raise InvariantError(
                "ConditionUnknown",
                f"{kind} has no {condition.type}={condition.status} with reason {condition.reason}.",
            )
    return found


def condition_of(obj: Mapping[str, Any], condition_type: str = "Ready") -> dict[str, Any]:
    """The condition of this type of an object as the API has it, {} when it has none."""
    return condition_in(obj.get("status") or {}, condition_type)


def condition_in(status: Mapping[str, Any], condition_type: str = "Ready") -> dict[str, Any]:
    """The same of a status alone."""
    found = (item for item in status.get("conditions") or () if item.get("type") == condition_type)
    condition: dict[str, Any] = next(found, {})
    return condition


def is_current(condition: Mapping[str, Any], generation: int) -> bool:
    """Whether a condition was said of that generation of a spec, or of a later one."""
    return bool(condition.get("observedGeneration", 0) >= generation)


def _row_of(kind: str, condition_type: str) -> ConditionRow:
    try:
        return _BY_PLACE[kind, condition_type]
    except KeyError:
        raise InvariantError("ConditionUnknown", f"{kind} has no condition {condition_type}.") from None
