"""Messages about snapshots of VMs, and about VMs that are set back to one. Data only."""

from __future__ import annotations

from quantix_api.message_template import ANOTHER, NOTHING_TO_DO, Template

_SNAPSHOT, _RESTORE = "VirtualMachineSnapshot", "VirtualMachineRestore"
_BOTH = f"{_SNAPSHOT}, {_RESTORE}"
_COPIES = f"{_RESTORE}, Volume, VirtualMachine"

_WAITS = (
    Template(
        "VirtualMachineNotFound",
        _BOTH,
        "There is no VM {missing} here.",
        "create it; it then goes on by itself",
    ),
    Template("VirtualMachineNotFound", _SNAPSHOT, "VM {leaving} is being deleted.", "qx vm list"),
    Template("MigrationRunning", _BOTH, "{name} is being moved to another host.", NOTHING_TO_DO),
    Template(
        "SnapshotRunning",
        f"{_BOTH}, VirtualMachineMigration",
        "A snapshot of {name} is being taken.",
        NOTHING_TO_DO,
    ),
    Template("RestoreInProgress", _BOTH, "{restore} is setting the disks of {name} back.", NOTHING_TO_DO),
    Template("DiskMissing", _BOTH, "{name} has no disk {disk}.", "qx vm show {name} lists its disks"),
    Template(
        "DiskMissing",
        _BOTH,
        "Disk {unmade} of {name} has no data yet.",
        "qx vm start {name}; it then goes on by itself",
    ),
)

_OF_SNAPSHOTS = (
    Template("Taking", _SNAPSHOT, "{host} is taking it.", NOTHING_TO_DO),
    Template(
        "Taking",
        _SNAPSHOT,
        "{host} is taking it, and is not told how far its disks are copied. Said: {said}.",
        "look at libvirt and the guest's QEMU on {host}; it goes on by itself",
    ),
    Template(
        "Taking",
        _SNAPSHOT,
        "It waits for {silent}, which is silent.",
        "bring {silent} back; then it goes on by itself",
    ),
    Template("Taken", _SNAPSHOT, "It keeps what {name} held."),
    Template("Starting", _SNAPSHOT, "It waits until {starting} has started or stopped.", NOTHING_TO_DO),
    Template(
        "NotRunning",
        _SNAPSHOT,
        "Only a VM that runs has memory to keep, and {off} does not.",
        "qx vm start {off} and take another one, or one without memory",
    ),
    Template(
        "ConfigRefused",
        _SNAPSHOT,
        "Disk {encrypted} of {name} is encrypted, and memory, kept in the clear, has what was read of it.",
        "a snapshot without memory",
    ),
    Template(
        "PoolCannotSnapshot",
        _SNAPSHOT,
        "The disks of {name} are kept by several hosts: {hosts}.",
        "a snapshot for the disks of each (spec.disks)",
    ),
    Template(
        "Deleting",
        _SNAPSHOT,
        "It is being deleted, and waits for {silent}, which is silent.",
        "bring {silent} back; then it goes on by itself",
    ),
    Template("InUse", _SNAPSHOT, "It is deleted once {restore} has set its disks back.", NOTHING_TO_DO),
    Template("Frozen", _SNAPSHOT, "The guest's agent held its file systems still."),
    Template("NotAsked", _SNAPSHOT, "Nobody asked the guest to hold its file systems still."),
    Template("NotAsked", _SNAPSHOT, "{name} was off, so nothing had to be held still."),
    Template("NoAgent", _SNAPSHOT, "No agent in the guest of {name} answers."),
    Template(
        "FreezeFailed", _SNAPSHOT, "The guest's agent did not hold the file systems still. Said: {said}."
    ),
    Template(
        "FreezeTimedOut", _SNAPSHOT, "The guest did not hold its file systems still within {seconds} s."
    ),
    Template(
        "QuiesceRequired",
        _SNAPSHOT,
        "It was to be taken only with file systems held still: {why}.",
        "look after the agent in the guest and take another one, or one with quiesce Auto",
    ),
    Template("SnapshotInterrupted", _SNAPSHOT, "It was not finished: {what}.", ANOTHER),
    Template("SnapshotFailed", _SNAPSHOT, "It was not taken. Said: {said}.", ANOTHER),
)

_OF_RESTORES = (
    Template("Restoring", _RESTORE, "{host} is setting the disks back.", NOTHING_TO_DO),
    Template(
        "Restoring",
        _RESTORE,
        "It waits for {silent}, which is silent.",
        "bring {silent} back; then it goes on by itself",
    ),
    Template(
        "Restoring",
        _RESTORE,
        "{host} tries again at {at} to set the disks back. Said: {said}.",
        NOTHING_TO_DO,
    ),
    Template("Restored", _RESTORE, "{name} is as snapshot {snapshot} kept it."),
    Template(
        "WaitingForStop",
        _RESTORE,
        "It waits until {name} is off.",
        "qx vm stop {name}; it then goes on by itself",
    ),
    Template("WaitingForStop", _RESTORE, "It waits until {host} has switched {name} off.", NOTHING_TO_DO),
    Template(
        "VirtualMachineNotFound",
        _RESTORE,
        "Snapshot {snapshot} is of another VM: {name} that it was of was deleted.",
        "qx volume create NAME --from-snapshot {snapshot} --disk DISK",
    ),
    Template(
        "VirtualMachineNotFound",
        _RESTORE,
        "VM {gone} was deleted before its disks were set back.",
        "qx volume create NAME --from-snapshot {snapshot} --disk DISK",
    ),
    Template(
        "VirtualMachineNotFound",
        _RESTORE,
        "Snapshot {snapshot} is of VM {owner}, not of {name}.",
        "qx snapshot list names the VM of each",
    ),
    Template(
        "DiskMissing",
        _RESTORE,
        "Disk {disk} is on {host} now, and snapshot {snapshot} keeps it on {place}.",
        "move the VM back to {place} while it runs (qx vm migrate), and restore it again",
    ),
    Template(
        "DiskMissing",
        _RESTORE,
        "Disk {disk} is in pool {pool} now, and snapshot {snapshot} keeps it in pool {before}.",
        "qx volume move {volume} --pool {before}, and restore it again",
    ),
    Template(
        "DiskMissing",
        _RESTORE,
        "Disk {disk} is not volume {volume} any more, which snapshot {snapshot} keeps.",
        "qx volume create NAME --from-snapshot {snapshot} --disk {disk}",
    ),
    Template(
        "MemoryUnusable",
        _RESTORE,
        "{name} is another machine now than the memory of snapshot {snapshot} is of: {paths} differ.",
        "set that back, or qx snapshot restore {snapshot} --no-memory",
    ),
    Template(
        "MemoryUnusable",
        _RESTORE,
        "What {name} was, when snapshot {unread} kept its memory, is not to be read any more.",
        "qx snapshot restore {unread} --no-memory",
    ),
    Template(
        "MemoryUnusable",
        "VirtualMachine",
        "It is another machine now than that memory is of: {unlike} differ.",
        "set that back, and restore the snapshot again",
    ),
    Template(
        "MemoryUnusable",
        "VirtualMachine",
        "{name} boots, since the memory that was kept of it cannot be used. Said: {said}.",
        "restore the snapshot again once that is no more so",
    ),
    Template(
        "ClaimStale",
        _RESTORE,
        "Disk {disk} was written under epoch {floor}, and this restore knows of epoch {epoch} and no later.",
        "start the VM and stop it again, and restore anew if it is still wanted",
    ),
    Template("RestoreFailed", _RESTORE, "The disks were not set back. Said: {said}.", "restore it again"),
    Template(
        "RestoreFailed",
        _RESTORE,
        "Host {removed} was removed before it had set the disks back.",
        "restore it again, or qx volume create NAME --from-snapshot {snapshot} --disk DISK",
    ),
)

_OF_COPIES = (
    Template(
        "SnapshotNotFound",
        _COPIES,
        "There is no snapshot {snapshot} here.",
        "qx snapshot list; it goes on by itself once there is one of that name",
    ),
    Template("SnapshotNotFound", _COPIES, "Snapshot {going} is being deleted."),
    Template(
        "SnapshotNotReady",
        _COPIES,
        "Snapshot {snapshot} is not taken yet.",
        "nothing; it goes on by itself, and qx snapshot explain {snapshot} says what that waits for",
    ),
    Template(
        "SnapshotNotReady",
        _COPIES,
        "Snapshot {failed} was not taken, and will not be.",
        "qx snapshot explain {failed}, and take another one",
    ),
    Template(
        "DiskMissing",
        _COPIES,
        "Snapshot {snapshot} has no disk {disk}.",
        "qx snapshot show {snapshot} lists its disks",
    ),
    Template(
        "ConfigRefused",
        "Volume, VirtualMachine",
        "Disk {encrypted} is encrypted in snapshot {snapshot}, so {copy} has to be, too.",
        "name a Secret with the same passphrase (spec.encryption)",
    ),
)

_EVENTS = (
    Template("SnapshotTaken", "VirtualMachine", "Snapshot {snapshot} was taken."),
    Template("SnapshotFailed", _SNAPSHOT, "Snapshot {snapshot} was not taken: {why}."),
    Template("RestoreDone", "VirtualMachine", "Its disks were set back to snapshot {snapshot}."),
    Template("RestoreFailed", _RESTORE, "Its disks were not set back to {snapshot}: {why}."),
)

SNAPSHOT_TEMPLATES: tuple[Template, ...] = (
    *_WAITS,
    *_OF_SNAPSHOTS,
    *_OF_RESTORES,
    *_OF_COPIES,
    *_EVENTS,
)
