"""The rows of the closed table of conditions. Data only; `conditions` says what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

INTERNAL_ERROR = "InternalError"


@dataclass(frozen=True)
class ConditionRow:
    """One condition of one kind: the reasons while it is True, and those while it is False or Unknown."""

    kind: str
    type: str
    true: tuple[str, ...]
    otherwise: tuple[str, ...]


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
    "ImageRefused SnapshotNotFound SnapshotNotReady DiskMissing SourceNotFound "
    "PoolNotFound PoolFull PoolUnreachable DataMissing "
    "DataDamaged SecretNotFound SecretNotGranted PassphraseWrong ConfigRefused LibvirtDown HostUnreachable "
    f"ClaimForeign ClaimStale {INTERNAL_ERROR}"
)
_NETWORK_READY = (
    "Programming NetworkNotFound NetworkNotAllowed AddressInUse AddressOutsideSubnet AddressReserved "
    "AddressesExhausted MACInUse SecurityGroupNotFound SubnetOverlap PhysicalNetworkUnknown "
    "NorthboundUnreachable"
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
    "ConfigRefused KernelLimit RestoreInProgress ClaimNotHeld MemoryUnusable"
)
_OF_DISKS = (
    "PoolNotFound PoolFull PoolUnreachable VolumeInUse DataMissing DataDamaged LibvirtDown ClaimForeign "
    "ClaimStale"
)
"""What a disk that is copied may lack."""
_UNBALANCED = "BalanceHeld MovesRecommended MovesUnderWay MovesCapped NoMoveHelps"
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
        "NotEnoughMemory NotEnoughCPU DeviceUnavailable InstanceTypeNotFound ConfigRefused",
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
        "WaitingForHost Creating Copying Moving Resizing WaitingForUpload SourceNotFound SnapshotNotFound "
        "SnapshotNotReady DiskMissing ImageDownloading Verifying ImageUnreachable AddressRefused "
        "ChecksumMismatch ImageRefused PoolNotFound PoolFull "
        "PoolUnreachable HostUnreachable DataMissing DataDamaged VolumeInUse SecretNotFound SecretNotGranted "
        "PassphraseWrong ConfigRefused LibvirtDown ClaimForeign ClaimStale",
    ),
    *_row("Volume", "SizeGranted", "Granted", "PoolFull"),
    *_row(
        "Volume",
        "MoveGranted",
        "",
        "PoolNotFound PoolFull PoolUnreachable ConfigRefused WaitingForHost HostUnreachable Moving",
    ),
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
    *_row(
        "Network",
        "Ready",
        "Programmed",
        f"{_PROGRAMMED} AddressesExhausted UnderlayTooSmall PhysicalNetworkUnusable",
    ),
    *_row("SecurityGroup", "Ready", "Programmed", _PROGRAMMED),
    *_row(
        "Router",
        "Ready",
        "Programmed",
        f"{_PROGRAMMED} AddressInUse AddressOutsideSubnet AddressReserved AddressesExhausted",
    ),
    *_row(
        "FloatingIP",
        "Ready",
        "Attached Allocated",
        "Programming NetworkNotFound NetworkNotAllowed NoSubnet AddressInUse AddressOutsideSubnet "
        "AddressReserved "
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
        "HostFirewallDropsGuests PlatformUnknown UnderlayTooSmall TunnelInterfaceShared "
        f"TunnelInterfaceUnusable MigrationInterfaceUnusable PhysicalNetworkUnusable {INTERNAL_ERROR}",
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
        "SourceFailed TargetFailed PostCopyFailed SnapshotRunning TimedOut",
    ),
    *_row(
        "VirtualMachineSnapshot",
        "Ready",
        "Taken",
        "Taking VirtualMachineNotFound NotRunning Starting MigrationRunning SnapshotRunning "
        "RestoreInProgress Moving DiskMissing QuiesceRequired PoolCannotSnapshot ConfigRefused "
        f"SnapshotInterrupted SnapshotFailed {_OF_DISKS}",
    ),
    *_row("VirtualMachineSnapshot", "Quiesced", "Frozen", "NotAsked NoAgent FreezeFailed FreezeTimedOut"),
    *_row(
        "VirtualMachineRestore",
        "Ready",
        "Restored",
        "Restoring WaitingForStop VirtualMachineNotFound SnapshotNotFound SnapshotNotReady "
        "MigrationRunning SnapshotRunning RestoreInProgress Moving DiskMissing MemoryUnusable RestoreFailed "
        f"{_OF_DISKS}",
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
    *_row("SchedulingPolicy", "Balanced", "Balanced", _UNBALANCED),
)
