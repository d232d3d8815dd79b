"""Decides what is done next about a snapshot on this host, and what is said of it. Pure and total.

```
  wish ──Take, once nothing else is done with the VM──► moment ──kept──► copying ──all there──► taken ─► Ready
   ▲                                                      │ │               │
   └──── Undo: hostd was killed ──────────────────────────┘ └──── Undo ─────┴──► failed ─► Failed
  any ──deleted, and nobody needs it──RemoveData──► gone
```
What is written down (`kept`) is there before anything is stored, and goes once the API has it. A snapshot
that could not be taken once its moment had begun is not tried again: each try makes the guest stand still.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from quantix_api.conditions import ready_reason
from quantix_api.errors import QuantixError, TransientError, WaitingError
from quantix_api.message_table_phrases import A_RESTORE, A_VOLUME, DATA_GONE
from quantix_api.message_template import ANOTHER
from quantix_api.message_text import first_of
from quantix_api.messages import as_error, as_wait, message_of, over, render
from quantix_api.virtual_machine_snapshot import OVER
from quantix_hostd.claims import Holder
from quantix_hostd.snapshot.actions import Action, Forget, GoOn, RemoveData, Take, Thaw, Undo
from quantix_hostd.snapshot.kept import Kept, KeptDisk
from quantix_hostd.snapshot.observed import DiskSeen, SnapshotObserved
from quantix_hostd.snapshot.status import SnapshotVerdict, words_of

LOOK_AGAIN_S = 300.0
_SOON_S = 2.0
_AT_ONCE_S = 0.1
_KIND = "VirtualMachineSnapshot"


@dataclass(frozen=True)
class SnapshotPlan:
    """What is to be done. Once that is nothing, `verdict` says what is so (None: what was said before), or
    `error` what it waits for, and `again_s` when to look again. `after`: what is so as soon as all was done,
    without another look.
    """

    actions: tuple[Action, ...] = ()
    verdict: SnapshotVerdict | None = None
    error: QuantixError | None = None
    again_s: float = LOOK_AGAIN_S
    after: SnapshotVerdict | None = None


def plan_snapshot(seen: SnapshotObserved) -> SnapshotPlan:
    """The actions that bring the snapshot nearer to what the API wants."""
    try:
        if seen.snapshot.deleting:
            return _plan_removal(seen)
        if seen.snapshot.status.phase in OVER:
            return _plan_over(seen)
        return _plan_taking(seen)
    except QuantixError as obstacle:
        return SnapshotPlan(error=obstacle)


def _plan_over(seen: SnapshotObserved) -> SnapshotPlan:
    kept = seen.kept
    if kept is None:
        return SnapshotPlan()
    if kept.frozen:
        return SnapshotPlan((Thaw(kept),))
    return SnapshotPlan((Forget(),))


def _plan_taking(seen: SnapshotObserved) -> SnapshotPlan:
    kept = seen.kept
    if kept is None:
        return _plan_beginning(seen)
    if kept.step == "taken":
        name = seen.snapshot.spec.virtual_machine
        return SnapshotPlan(verdict=SnapshotVerdict("Taken", render("Taken", name=name).text, kept=kept))
    if kept.step == "failed":
        return SnapshotPlan(verdict=SnapshotVerdict(kept.reason, kept.message, kept=kept, failed=True))
    if seen.work.running:
        why = {"said": seen.work.untold} if seen.work.untold else {}
        said = render("Taking", host=seen.host, **why).text
        taking = SnapshotVerdict("Taking", said, kept=kept, progress=seen.work.progress)
        return SnapshotPlan(verdict=taking, again_s=_SOON_S)
    if isinstance(seen.work.error, WaitingError):
        # something else was begun with the VM before its moment came
        return SnapshotPlan((Undo(kept, None),))
    if seen.work.error is not None:
        reason, message = words_of(seen.work.error)
        kept = replace(kept, reason=reason, message=over(message, ANOTHER))
    if kept.reason:
        return SnapshotPlan((Undo(kept, replace(kept, step="failed")),))
    if kept.step == "copying":
        return SnapshotPlan((GoOn(kept),))
    # by a hostd that is gone: nothing that it kept is whole
    return SnapshotPlan((Undo(kept, None),))


def _plan_beginning(seen: SnapshotObserved) -> SnapshotPlan:
    try:
        live = is_live(seen)
    except WaitingError as wait:
        if seen.snapshot.status.data != "Present":
            raise
        # nothing is stored: another host may take it, should the VM go there
        verdict = SnapshotVerdict(*words_of(wait), gone=True)
        return SnapshotPlan(verdict=verdict, again_s=wait.retry_after_s)
    if seen.snapshot.status.data != "Present":
        # said before anything is stored: until this host takes it back, the object does not go
        said = render("Taking", host=seen.host).text
        return SnapshotPlan(verdict=SnapshotVerdict("Taking", said, data=True), again_s=_AT_ONCE_S)
    assert seen.vm is not None
    spec = seen.snapshot.spec
    kept = Kept(
        seen.uid,
        seen.snapshot.key,
        seen.vm.metadata.uid,
        seen.vm.metadata.name,
        "moment",
        live,
        tuple(_kept_disk(disk) for disk in seen.disks),
        memory=spec.memory,
        frozen=live and spec.quiesce != "Never",
        config=seen.vm.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    )
    return SnapshotPlan((Take(kept),))


def _kept_disk(disk: DiskSeen) -> KeptDisk:
    about = (disk.name, disk.volume, disk.volume_uid, disk.pool, disk.size_bytes)
    in_ceph = disk.place is not None and not disk.place.is_local
    return KeptDisk(*about, disk.target, disk.encrypted, in_ceph)


def is_live(seen: SnapshotObserved) -> bool:
    """Whether it is one of a guest that runs. Raises what it waits for."""
    vm, name = seen.vm, seen.snapshot.spec.virtual_machine
    if vm is None or vm.metadata.uid != seen.snapshot.status.virtual_machine_uid:
        raise as_wait("VirtualMachineNotFound", _SOON_S, missing=name)
    if vm.deleting:
        raise as_wait("VirtualMachineNotFound", _SOON_S, leaving=name)
    if seen.other:
        raise as_wait("SnapshotRunning", _SOON_S, name=name)
    if not seen.disks:
        raise as_wait("DiskMissing", _SOON_S, name=name, disk="root")
    for disk in seen.disks:
        _check_disk(disk, name)
    guest = seen.guest
    if guest is None:
        return _is_off(seen, name)
    if guest.leaves:
        raise as_wait("MigrationRunning", _SOON_S, name=name)
    wanted = Holder(seen.host, guest.held_epoch)
    ours = all(disk.claim is not None and disk.claim.holder == wanted for disk in seen.disks)
    plugged = all(disk.target and disk.live_place == disk.place for disk in seen.disks)
    if not (guest.steady and ours and plugged):
        raise as_wait("Starting", _SOON_S, starting=name)
    if seen.snapshot.spec.memory and guest.encrypted_disk:
        # plugged in since it was chosen, or on its way out
        raise as_wait("ConfigRefused", _SOON_S, name=name, encrypted=guest.encrypted_disk)
    return True


def _check_disk(disk: DiskSeen, name: str) -> None:
    claim = disk.claim
    if disk.place is None or not disk.size_bytes:
        raise as_wait("DiskMissing", _SOON_S, unmade=disk.name, name=name)
    if claim is None:
        raise as_error(TransientError, "DataDamaged", unclaimed=disk.place.shown_whole)
    if claim.moving_to or claim.moved or claim.partial:
        raise as_wait("Moving", _SOON_S, volume=disk.volume, pool=claim.moving_to or disk.pool)
    if claim.restoring:
        raise as_wait("RestoreInProgress", _SOON_S, name=name, restore=A_RESTORE)


def _is_off(seen: SnapshotObserved, name: str) -> bool:
    holder = next((disk.claim.holder for disk in seen.disks if disk.claim and disk.claim.holder), None)
    if holder is not None:
        # it starts or stops, or a copy of a disk is made
        raise as_wait("Starting", _SOON_S, starting=name)
    if seen.snapshot.spec.memory:
        raise as_wait("NotRunning", _SOON_S, off=name)
    return False


def _plan_removal(seen: SnapshotObserved) -> SnapshotPlan:
    kept, status = seen.kept, seen.snapshot.status
    gone = SnapshotVerdict("Deleting", render("Deleting", what=DATA_GONE).text, gone=True)
    if kept is not None and kept.under_way:
        return SnapshotPlan((Undo(kept, None),))
    if kept is not None and kept.frozen:
        # no other one that is being taken is stopped for that
        return SnapshotPlan((Thaw(kept),))
    if status.data != "Present" and kept is None:
        return SnapshotPlan(verdict=gone)
    if seen.unmade or seen.is_read:
        return _kept_for(seen, as_wait("InUse", LOOK_AGAIN_S, copies=first_of(seen.unmade or (A_VOLUME,))))
    if seen.restore:
        return _kept_for(seen, as_wait("InUse", LOOK_AGAIN_S, restore=seen.restore))
    return SnapshotPlan((RemoveData(),), after=gone)


def _kept_for(seen: SnapshotObserved, wait: WaitingError) -> SnapshotPlan:
    """What is to be made from it is made first."""
    verdict = SnapshotVerdict(ready_reason(_KIND, wait.reason), message_of(wait), kept=seen.kept)
    return SnapshotPlan(verdict=verdict, again_s=15.0)
