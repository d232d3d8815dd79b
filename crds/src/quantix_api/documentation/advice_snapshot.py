"""What to do about reasons of snapshots and restores of VMs. Data only."""

from __future__ import annotations

from quantix_api.documentation.advice_entry import Advice, waits

_SNAPSHOT = "`qx snapshot explain NAME`; [snapshots](snapshots.md)."
_RESTORE = "`kubectl describe vmrestore NAME`; [snapshots](snapshots.md)."

SNAPSHOT_ADVICE: dict[str, Advice] = {
    "Taking": waits(_SNAPSHOT, "The message names the host that it waits for."),
    "MigrationRunning": waits(
        "`qx migration list`.",
        "The VM is moved first; a host that is silent may hold that up.",
    ),
    "SnapshotRunning": waits(
        "`qx snapshot list`.",
        "A VM has one snapshot taken at a time, and none while it is moved or set back.",
    ),
    "RestoreInProgress": waits(
        "`kubectl get vmrestore`.", "The restore itself says what it waits for; the VM starts afterwards."
    ),
    "SnapshotNotFound": Advice(
        "`qx snapshot list`.",
        "Correct the name, or take the snapshot. One that is deleted serves what was asked of it before.",
    ),
    "SnapshotNotReady": Advice(_SNAPSHOT, "Wait for it; where it has failed, name another one."),
    "DiskMissing": Advice(
        _SNAPSHOT,
        "Name a disk that is there. A disk is set back only in the volume, the pool and on the host where "
        "it was when the snapshot was taken: move it back and restore again. A new volume can be made of it "
        "anyhow.",
    ),
    "PoolCannotSnapshot": Advice(_SNAPSHOT, "Name the disks that can be kept in `spec.disks`."),
    "QuiesceRequired": Advice(
        "`qx vm explain NAME`: does the agent answer?",
        "Start the agent in the guest, or take the snapshot with `quiesce: Auto`.",
    ),
    "NoAgent": Advice(
        "`qx vm explain NAME`.",
        "Install and start qemu-guest-agent in the guest, if its file systems are to be held still.",
    ),
    "NotAsked": Advice(_SNAPSHOT, "Nothing. Ask for it with `quiesce: Auto` or `Required`."),
    "FreezeFailed": Advice(_SNAPSHOT, "Do what the guest says, and take another one."),
    "FreezeTimedOut": Advice(_SNAPSHOT, "Take another one when the guest writes less."),
    "SnapshotInterrupted": Advice(_SNAPSHOT, "Take another one: the moment has passed."),
    "SnapshotFailed": Advice(_SNAPSHOT, "Do what the message says, and take another one."),
    "WaitingForStop": Advice(
        _RESTORE,
        "Stop the VM; it then goes on by itself. A restore with `stop: Force` switches it off.",
    ),
    "Restoring": waits(
        _RESTORE, "The message names the host that it waits for, or says when the next try is."
    ),
    "MemoryUnusable": Advice(
        _RESTORE,
        "Set those fields of the VM back to what `status.config` of the snapshot says, or leave the "
        "memory out: `memory: Never`.",
    ),
    "RestoreFailed": Advice(
        _RESTORE,
        "Do what the message says, and restore it again: the VM's disks are whole. Not so those in Ceph "
        "whose host was removed meanwhile: nobody uses them (VolumeInUse). Make volumes from the snapshot.",
    ),
}
