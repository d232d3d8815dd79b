"""Decides what is done next about a volume on this host, and what is said of it. Pure and total.

```
  wish ──BringImage, until its image is in the pool──► Make ──► Available ──Grow, once promised──► Available
   └────until the volume that it is made from is free──► Copy ──────┘
                                                                   │ deleted, and all its copies are made
                                                                   └──Remove, under its claim──► gone
```
Data of a volume that a VM has is only changed by that VM's start and its QEMU; all other work takes the
volume's claim first (ha.md, section Ownership), under an epoch above its floor and the volume's own UID.
While a copy is made of it (`lent_to`) nothing of it is touched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from quantix_api.errors import QuantixError, TransientError, WaitingError
from quantix_api.message_table_phrases import DATA_GONE
from quantix_api.message_text import first_of
from quantix_api.messages import as_error, as_wait, message_of, render
from quantix_api.quantities import size_bytes
from quantix_hostd.claims import Claim, ClaimRefusedError, release, take_for_work
from quantix_hostd.restoring import give_up_restore
from quantix_hostd.volume.actions import Action, EndUpload, FreeClaim, Grow, Remove, StopCopy
from quantix_hostd.volume.making_plan import making
from quantix_hostd.volume.move_plan import plan_move, plan_removal, wait_for_clone
from quantix_hostd.volume.observed import VolumeObserved
from quantix_hostd.volume.status import VolumeVerdict, present
from quantix_hostd.volume.wanted import belongs_to_vm, granted_bytes, wanted_bytes

LOOK_AGAIN_S = 300.0
_SOON_S = 2.0
_PASSING_S = 5.0
_ROOM_LOOK_S = 30.0


@dataclass(frozen=True)
class VolumePlan:
    """What is to be done; once that is nothing, `verdict` says what is so, or `error` what it waits for."""

    actions: tuple[Action, ...] = ()
    verdict: VolumeVerdict | None = None
    error: QuantixError | None = None
    again_s: float = LOOK_AGAIN_S


def plan_volume(seen: VolumeObserved) -> VolumePlan:
    """The actions that bring the volume nearer to what the API wants."""
    try:
        return _plan_removal(seen) if seen.volume.deleting else _plan_data(seen)
    except QuantixError as obstacle:
        return VolumePlan(error=obstacle)


def _plan_data(seen: VolumeObserved) -> VolumePlan:
    if seen.capacity_bytes is None:
        return VolumePlan(making(seen))
    if seen.arrival is not None and seen.arrival.left:
        return VolumePlan((EndUpload(),))
    if seen.lent_to:
        wait_for_clone(seen)
    elif work := _work(seen, seen.capacity_bytes):
        return VolumePlan(work)
    text = render("Available").text
    found_so = VolumeVerdict("Available", text, seen.handle, seen.pool, seen.capacity_bytes)
    verdict = present(seen.volume, found_so)
    # the VM that has it makes it larger, or its first place is to be cleared up: soon
    growing = verdict.available and verdict.capacity_bytes < wanted_bytes(seen.volume)
    if growing and seen.growth:
        verdict = replace(verdict, message=seen.growth)
    passing = growing or (seen.claim is not None and bool(seen.claim.moved_from))
    if verdict.available and seen.full:
        return VolumePlan(verdict=_stalled(seen, verdict), again_s=_ROOM_LOOK_S)
    return VolumePlan(verdict=verdict, again_s=_PASSING_S if passing else LOOK_AGAIN_S)


def _stalled(seen: VolumeObserved, verdict: VolumeVerdict) -> VolumeVerdict:
    """Of data that is there, and that nobody can write to for now."""
    about = {"pool": seen.pool, "full": seen.full, "volume": seen.volume.metadata.name}
    text = message_of(as_wait("PoolFull", _ROOM_LOOK_S, **about))
    return replace(verdict, reason="PoolFull", message=text, serves=True)


def _work(seen: VolumeObserved, capacity_bytes: int) -> tuple[Action, ...]:
    """On data that is there."""
    claim, granted = seen.claim, 0 if seen.volume.deleting else granted_bytes(seen.volume, capacity_bytes)
    if claim is not None and seen.holder_gone and not _is_ours_for_work(seen, claim):
        return (FreeClaim(claim, _freed(seen, claim)),)
    if moving := plan_move(seen):
        return moving
    # what is held beside a copy in another pool is held for that move (`move_plan`)
    leaving = claim is not None and claim.moving_to
    if capacity_bytes < granted and not belongs_to_vm(seen.volume) and not leaving:
        found, held = _claim_for_work(seen)
        return (Grow(found, held, _freed(seen, held), granted),)
    if claim is not None and _is_ours_for_work(seen, claim):
        return (FreeClaim(claim, _freed(seen, claim)),)
    return ()


def _plan_removal(seen: VolumeObserved) -> VolumePlan:
    if seen.copy is not None:
        return VolumePlan((StopCopy(),))
    if seen.arrival is not None and seen.arrival.left:
        return VolumePlan((EndUpload(),))
    if not seen.there:
        text = render("Deleting", what=DATA_GONE).text
        return VolumePlan(verdict=VolumeVerdict("Deleting", text, seen.handle, seen.pool))
    if seen.lent_to:
        raise as_wait("InUse", _SOON_S, clone=seen.lent_to)
    if seen.unmade.names:
        return _keep(seen)
    if elsewhere := plan_removal(seen):
        return VolumePlan(elsewhere)
    return VolumePlan((Remove(*_claim_for_work(seen)),))


def _keep(seen: VolumeObserved) -> VolumePlan:
    """Serve what is still to be made from it: nobody holds it, and it is in one place."""
    capacity_bytes = size_bytes(seen.volume.status.capacity or "0")
    if work := _work(seen, capacity_bytes):
        return VolumePlan(work)
    again_s = seen.unmade.again_s
    said = message_of(as_wait("InUse", again_s, copies=first_of(seen.unmade.names)))
    kept = VolumeVerdict("InUse", said, seen.handle, seen.pool, capacity_bytes, serves=True)
    return VolumePlan(verdict=kept, again_s=again_s)


def _claim_for_work(seen: VolumeObserved) -> tuple[Claim, Claim]:
    """The claim as it is, and as this host holds it for work of its own. Raises WaitingError (InUse)."""
    if seen.claim_problem is not None:
        raise seen.claim_problem
    if seen.claim is None:
        raise as_error(TransientError, "DataDamaged", unclaimed=seen.place.shown_whole)
    if _is_ours_for_work(seen, seen.claim):
        return seen.claim, seen.claim
    free = _freed(seen, seen.claim) if seen.holder_gone else seen.claim
    if seen.volume.deleting and seen.restore_over:
        free = give_up_restore(free, seen.host)
    if free.holder is not None and free.cluster_uid == seen.cluster_uid:
        raise as_wait("InUse", _SOON_S, holder=free.holder.host)
    try:
        return seen.claim, take_for_work(free, seen.host, seen.volume.metadata.uid, seen.cluster_uid)
    except ClaimRefusedError as refused:
        raise WaitingError("InUse", refused.message, refused.hint, retry_after_s=_SOON_S) from refused


def _is_ours_for_work(seen: VolumeObserved, claim: Claim) -> bool:
    holder, uid = claim.holder, seen.volume.metadata.uid
    return holder is not None and holder.host == seen.host and claim.vm_uid == uid


def _freed(seen: VolumeObserved, held: Claim) -> Claim:
    return release(held, seen.host, held.holder.epoch if held.holder else 0)
