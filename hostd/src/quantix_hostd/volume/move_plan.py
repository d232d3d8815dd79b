"""Decides how a volume gets into another pool while no guest has it, and clears up after every move. Pure.

Called by `plan`. A volume that a guest has is copied by its QEMU (`virtualmachine.move_plan`); here that is
only told. Whoever copies, the claims say what is so (`moves`), and this plan goes on from there after any
crash: a copy that is not whole goes, and a volume that was handed on is followed.

One rule tells whether a copy without a copier is whole: the volume is held for work of this host's own. It is
taken for that only while there is no copy, and nobody writes while it is held.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.errors import QuantixError, WaitingError
from quantix_api.messages import as_wait
from quantix_api.times import render_epoch_time
from quantix_hostd import moves
from quantix_hostd.claims import Claim, VolumePlace, release, take_for_work
from quantix_hostd.volume.observed import OtherPlace, VolumeObserved
from quantix_hostd.volume.wanted import move_target

MOVING_S = 5.0
_SOON_S = 1.0
_RETRY_S = 30.0
_TOLD_AS_THEY_ARE = frozenset({"PoolFull", "PoolUnreachable", "PassphraseWrong"})


@dataclass(frozen=True)
class SetClaim:
    """Change the claim of the volume at `place`."""

    place: VolumePlace
    found: Claim
    wanted: Claim


@dataclass(frozen=True)
class CopyTo:
    """Begin to copy the volume, which is held, into `pool`; the copy gets `claim`."""

    pool: str
    claim: Claim


@dataclass(frozen=True)
class StopCopying:
    """End the copy that is being made."""


@dataclass(frozen=True)
class RemoveOther:
    """Remove what lies in `pool` beside the volume itself: a copy, or what the volume was copied from."""

    pool: str


MoveAction = SetClaim | CopyTo | StopCopying | RemoveOther


def plan_move(seen: VolumeObserved) -> tuple[MoveAction, ...]:
    """The next steps, none where there is nothing to do. Raises WaitingError while a move is under way."""
    claim = seen.claim
    if claim is None:
        return ()
    if claim.moved_from:
        return _clear_up(seen, claim)
    # of one that is deleted, and kept for what is still to be made from it, nobody wants that any more
    wanted = "" if seen.volume.deleting else move_target(seen.volume, seen.pool)
    if claim.moving_to and claim.moving_to != wanted:
        return _go_back(seen, claim)
    if not wanted:
        return ()
    if seen.other is not None and seen.other.problem is not None:
        raise _waiting(seen.other.problem)
    if _is_guests(seen, claim):
        raise _told(seen, wanted)
    return _move(seen, claim, wanted, seen.other or OtherPlace(wanted))


def wait_for_clone(seen: VolumeObserved) -> None:
    """A volume that is held still for one that is made from it moves afterwards: raises WaitingError."""
    wanted = move_target(seen.volume, seen.pool)
    if wanted:
        name = seen.volume.metadata.name
        raise as_wait("Moving", _SOON_S, volume=name, pool=wanted, clone=seen.lent_to)


def plan_removal(seen: VolumeObserved) -> tuple[MoveAction, ...]:
    """Of a volume that is deleted what lies in another pool goes first, since only this one tells of it."""
    claim, other = seen.claim, seen.other
    if claim is None or other is None or not (claim.moving_to or claim.moved_from):
        return ()
    if other.problem is not None:
        raise other.problem
    if not other.there:
        return ()
    if _is_held(other):
        raise as_wait("InUse", _SOON_S, holder=seen.host)
    return (RemoveOther(other.pool),)


def _clear_up(seen: VolumeObserved, claim: Claim) -> tuple[MoveAction, ...]:
    """This is the copy that became the volume: complete it, and let the other go once the API names this."""
    other = seen.other
    if claim.partial and other is not None and other.claim is not None:
        whole = moves.complete(claim, other.claim)
        return (SetClaim(seen.place, claim, whole),)
    if seen.volume.status.pool != seen.pool or other is None or other.problem is not None:
        return ()
    if other.there:
        return (RemoveOther(other.pool),)
    return (SetClaim(seen.place, claim, moves.settle(claim)),)


def _go_back(seen: VolumeObserved, claim: Claim) -> tuple[MoveAction, ...]:
    """Nobody wants it to go there any more: the copy goes, and nothing happened to the volume. Where another
    host has it the copy may be in a directory there.
    """
    if seen.copy is not None:
        return (StopCopying(),)
    other = seen.other
    if other is None or other.problem is not None:
        return ()
    if other.there and _is_held(other):
        raise as_wait("Moving", _SOON_S, volume=seen.volume.metadata.name, pool=other.pool)
    if other.there:
        return (_remove_copy(seen, other),)
    if claim.holder is not None and claim.holder.host != seen.host:
        raise as_wait("Moving", _SOON_S, volume=seen.volume.metadata.name, pool=claim.moving_to)
    free = moves.stay(claim)
    if _is_ours(seen, claim):
        free = release(free, seen.host, claim.holder.epoch if claim.holder else 0)
    return (SetClaim(seen.place, claim, free),)


def _move(seen: VolumeObserved, claim: Claim, wanted: str, other: OtherPlace) -> tuple[MoveAction, ...]:
    copy, holder = seen.copy, claim.holder
    if copy is not None and copy.running:
        raise as_wait("Moving", MOVING_S, volume=seen.volume.metadata.name, pool=wanted)
    # a copier that ended between the claim and the disk has left the claim alone
    copied = other.has_disk and claim.moving_to == other.pool and (copy is None or copy.error is None)
    if holder is not None and copied and other.claim is not None and other.place is not None:
        # what is released of the old one counts for the new one, too
        spent = release(claim, seen.host, holder.epoch)
        whole = moves.complete(other.claim, spent)
        return SetClaim(seen.place, claim, moves.hand_on(spent, other.pool)), SetClaim(
            other.place, other.claim, whole
        )
    if holder is not None:
        return (SetClaim(seen.place, claim, release(claim, seen.host, holder.epoch)),)
    if copy is not None and copy.error is not None and copy.retry_in_s != 0:
        raise _failed(seen, wanted, copy.error, copy.retry_in_s)
    if seen.passphrase_problem is not None:
        raise seen.passphrase_problem
    if other.there:
        return (_remove_copy(seen, other),)
    held = take_for_work(claim, seen.host, seen.volume.metadata.uid, seen.cluster_uid)
    leaving = SetClaim(seen.place, claim, moves.leave(held, wanted))
    return leaving, CopyTo(wanted, moves.copy_of(held, seen.pool, None, ""))


def _remove_copy(seen: VolumeObserved, other: OtherPlace) -> RemoveOther:
    """Raises WaitingError for what is no copy: where two pools are one directory it is the volume itself."""
    if other.claim is None or not other.claim.partial:
        name, path = seen.volume.metadata.name, other.place.shown_whole if other.place else ""
        raise as_wait("Moving", _RETRY_S, volume=name, pool=other.pool, path=path)
    return RemoveOther(other.pool)


def _is_guests(seen: VolumeObserved, claim: Claim) -> bool:
    """Whether a guest has it, or may have at any moment."""
    return seen.assigned or (claim.holder is not None and not _is_ours(seen, claim))


def _is_ours(seen: VolumeObserved, claim: Claim) -> bool:
    """Whether this host holds it for work of its own."""
    holder = claim.holder
    return holder is not None and holder.host == seen.host and claim.vm_uid == seen.volume.metadata.uid


def _is_held(other: OtherPlace) -> bool:
    return other.claim is not None and other.claim.holder is not None and not other.holder_gone


def _told(seen: VolumeObserved, wanted: str) -> WaitingError:
    """What the VM that has it tells of the move."""
    if seen.live is not None and seen.live.error is not None:
        return _waiting(seen.live.error)
    return as_wait("Moving", MOVING_S, volume=seen.volume.metadata.name, pool=wanted)


def _failed(seen: VolumeObserved, wanted: str, error: QuantixError, retry_in_s: float | None) -> WaitingError:
    again_s = _RETRY_S if retry_in_s is None else retry_in_s
    if error.reason in _TOLD_AS_THEY_ARE:
        return _waiting(error, again_s)
    at, said = render_epoch_time(seen.now_s + again_s), error.message.rstrip(".")
    return as_wait("Moving", again_s, volume=seen.volume.metadata.name, pool=wanted, at=at, said=said)


def _waiting(error: QuantixError, again_s: float = _RETRY_S) -> WaitingError:
    """The volume serves as before: what keeps it from moving is a wait, whatever it is."""
    return WaitingError(error.reason, error.message, error.hint, retry_after_s=again_s)
