"""Plans how a running guest's disk gets into another pool. Pure; called by `running_plan` before all else.

```
  on the old file ──MakeCopy, CopyDisk──► copying ──whole──► SwitchToCopy, HandOn ──► on the new file
         ▲                                   │                (the guest stands still)
         └──── DropCopy: taken back, full ───┘
```
The guest stands still from before the switch until the claim in the old pool names the new one as the volume:
so the old file is right until that one write, and the new one after it, however QEMU, hostd or the host end.
One disk of a VM is copied at a time, and its claims must be held under the present epoch. Those of other VMs
go first while as many are copied as may be; what was begun goes on (`transfer.turns`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from quantix_api.errors import QuantixError, WaitingError
from quantix_api.message_table_phrases import COPY_ENDED, COPY_STOOD_STILL
from quantix_api.messages import as_wait
from quantix_api.times import render_epoch_time
from quantix_hostd.claims import Claim, VolumePlace, pools_in_ceph
from quantix_hostd.domainxml.render import render_copy
from quantix_hostd.facts.copies import OtherCopies
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.virtualmachine.actions import (
    Action,
    PutDownClaims,
    Resume,
    SaveRecord,
    SaveState,
    Suspend,
)
from quantix_hostd.virtualmachine.disk_move import GIVEN_UP_S, DiskMove, wait_for_turn
from quantix_hostd.virtualmachine.firmware import keeps_state
from quantix_hostd.virtualmachine.io_error_plan import is_paused_by_io_error
from quantix_hostd.virtualmachine.move_actions import (
    CopyDisk,
    DropCopy,
    HandOn,
    MakeCopy,
    SwitchToCopy,
    TakeTurn,
    TryPassphrase,
)
from quantix_hostd.virtualmachine.observed import Observed, disk_places
from quantix_hostd.virtualmachine.record import MoveTry, Record

_LOOK_S = 1.0
_WAIT_S = 30.0
_FIRST_RETRY_S, _LAST_RETRY_S = 10.0, 300.0
# why a try failed that ended between the guest's standing still and the copy's becoming the volume
_SWITCHING = "Switching"
_STOOD_STILL = "StoodStill"


@dataclass(frozen=True)
class MovePlan:
    """With `actions` nothing else is done in this round, but that the guest is paused or let go on as spec
    asks first; `record` is to be saved before them. `held`: the guest must stand still, and nothing of it
    change.
    """

    record: Record
    actions: tuple[Action, ...] = ()
    wait: QuantixError | None = None
    again_s: float | None = None
    held: bool = False


def plan_moves(observed: Observed, record: Record) -> MovePlan:
    """The next step, or what is waited for."""
    switched = next((move for move in observed.moves if move.switched), None)
    if switched is not None:
        return MovePlan(record, _settle(observed, record, switched), held=True)
    adrift = next((move.problem for move in observed.moves if move.adrift), None)
    if adrift is not None:
        return MovePlan(record, wait=_waiting(adrift), again_s=_LOOK_S, held=True)
    # what is not wanted any more is given up although its pool is away
    unseen = next(
        (move.problem for move in observed.moves if move.copying and move.wanted and move.problem), None
    )
    if unseen is not None:
        return MovePlan(record, wait=_waiting(unseen), again_s=_LOOK_S, held=_is_switching(record))
    if dropped := _drop(observed, record):
        there = any(isinstance(action, DropCopy) for action in dropped)
        return MovePlan(record, dropped, held=there and _is_switching(record))
    wanted = _first_wanted(observed)
    if wanted is not None:
        return _advance(observed, record, wanted)
    refused = next((move.refusal for move in observed.moves if move.refusal is not None), None)
    return MovePlan(record if record.move is None else replace(record, move=None), wait=refused)


def may_be_between(observed: Observed, record: Record) -> bool:
    """Whether a guest whose moves are not looked at may be on a file that its claim does not call the volume,
    or come to be: then it must not go on.
    """
    opened = disk_places(observed.live).values()
    claims = [found for found in observed.claims if found.place in opened]
    if any(found.problem is not None or (found.claim and found.claim.partial) for found in claims):
        return True
    devices = observed.live.devices.values() if observed.live is not None else ()
    return _is_switching(record) and any("copy" in device for device in devices)


def waits_for_turn(observed: Observed, record: Record) -> DiskMove | None:
    """The disk that would be copied now, were it not for others that are."""
    move = _first_wanted(observed)
    if move is None or move.copying or move.has_turn or record.stop is not None:
        return None
    tried = record.move if record.move and record.move.is_of(move.uid, move.pool) else None
    held_up = is_paused_by_io_error(observed) or _obstacle(
        observed, replace(move, others=OtherCopies()), tried
    )
    return None if held_up else move


def _first_wanted(observed: Observed) -> DiskMove | None:
    """One disk at a time: that which is copied already, else one that was begun."""
    moves = (move for move in observed.moves if move.wanted)
    wanted = sorted(moves, key=lambda move: (not move.copying, not move.begun))
    return wanted[0] if wanted else None


def _is_switching(record: Record) -> bool:
    """Whether the guest stands still for a switch, which may come about late although it was told to fail."""
    return record.move is not None and record.move.reason == _SWITCHING


def _drop(observed: Observed, record: Record) -> tuple[Action, ...]:
    """Copies that nobody wants, and claims of copies that are not made any more."""
    live = observed.live.devices if observed.live is not None else {}
    kept = {move.disk for move in observed.moves if move.wanted and move.copying}
    actions: list[Action] = [
        DropCopy(device["dev"])
        for alias, device in live.items()
        if "copy" in device and alias.removeprefix("ua-") not in kept
    ]
    # not before: a guest that stands still for a switch would go on while the copy is there
    forgotten = (SaveRecord(replace(record, move=None)),) if record.move else ()
    left = tuple(
        move.target
        for move in observed.moves
        if move.target is not None and not move.wanted and _is_held(observed, move.target_claim)
    )
    given_up = (PutDownClaims(left, observed.epoch),) if left else ()
    return (*actions, *forgotten, *given_up) if actions or given_up else ()


def _advance(observed: Observed, record: Record, move: DiskMove) -> MovePlan:
    tried = record.move if record.move and record.move.is_of(move.uid, move.pool) else None
    if move.copying:
        if not move.ready and move.lacks_room(0):
            return _failed(observed, record, move, "PoolFull", DropCopy(move.dev))
        if move.is_given_up:
            return _failed(observed, record, move, _STOOD_STILL, DropCopy(move.dev))
        may_switch = move.ready and _is_held(observed, move.claim) and _is_held(observed, move.target_claim)
        if not may_switch:
            return MovePlan(record, wait=_moving(move), again_s=_LOOK_S)
        if tried is not None and tried.reason == _SWITCHING:
            # it stands still since then, and is to go on where it is
            return _failed(observed, record, move, "Moving", DropCopy(move.dev))
        switching = MoveTry(move.uid, move.pool, True, tried.failures if tried else 0, reason=_SWITCHING)
        return MovePlan(
            replace(record, move=switching), _switch(observed, record, move), _moving(move), _LOOK_S
        )
    if tried is not None and tried.begun:
        return _failed(observed, record, move, "Moving")
    obstacle = _obstacle(observed, move, tried)
    if obstacle is not None or move.target is None:
        return MovePlan(record, wait=obstacle, again_s=obstacle.retry_after_s if obstacle else None)
    begun = MoveTry(move.uid, move.pool, begun=True, failures=tried.failures if tried else 0)
    return MovePlan(record, _begin(observed, replace(record, move=begun), move, move.target), _moving(move))


def _begin(observed: Observed, begun: Record, move: DiskMove, target: VolumePlace) -> tuple[Action, ...]:
    secret, encrypted = (move.uid, move.volume) if move.encrypted else ("", "")
    # a Secret that was changed since the start would open the copy, and what it held before would not
    check: tuple[Action, ...] = (TryPassphrase(move.source, encrypted),) if encrypted else ()
    made = MakeCopy(move.source, move.source_pool, move.pool, move.size_bytes, observed.epoch, encrypted)
    xml = render_copy(target.shown, secret, move.target_ceph)
    copy = CopyDisk(move.dev, xml, (encrypted,) if encrypted else (), pools_in_ceph((target,)))
    turn = TakeTurn(move.uid, move.volume, move.key, move.pool)
    return (turn, *check, SaveRecord(begun), made, copy)


def _obstacle(observed: Observed, move: DiskMove, tried: MoveTry | None) -> WaitingError | None:
    """What keeps a copy from being begun."""
    if tried is not None and observed.now_s < tried.next_s:
        return _try_again(observed, move, tried)
    if move.problem is not None:
        return _waiting(move.problem)
    claim, target = move.claim, move.target_claim
    if not _is_held(observed, claim) or claim is None or claim.moved_from:
        return _moving(move)
    if move.target is not None and move.target_there and (target is None or not target.partial):
        path = move.target.shown_whole
        return as_wait("Moving", _WAIT_S, volume=move.volume, pool=move.pool, path=path)
    if claim.moving_to not in ("", move.pool) or move.grows or _is_busy(observed, move):
        return _moving(move)
    if move.lacks_room(move.stored_bytes):
        return as_wait("PoolFull", _WAIT_S, pool=move.pool, what=f"volume {move.volume}")
    if not move.has_turn:
        return wait_for_turn(move.volume, move.pool)
    return None


def _is_busy(observed: Observed, move: DiskMove) -> bool:
    """Whether a snapshot of the VM is being taken, or a migration is to bring it to another host: that waits
    for what was begun (`leaving_plan`), and goes before what was not.
    """
    return observed.kept_still or (observed.leaving is not None and not move.begun)


def _switch(observed: Observed, record: Record, move: DiskMove) -> tuple[Action, ...]:
    assert observed.domain is not None
    runs = observed.domain.state is not DomainState.PAUSED
    switch = (SwitchToCopy(move.dev), *_settle(observed, record, move))
    return (Suspend(), *switch, Resume()) if runs else switch


def _settle(observed: Observed, record: Record, move: DiskMove) -> tuple[Action, ...]:
    """QEMU is on the new file and the guest stands still: that file becomes the volume."""
    assert move.target is not None
    target = move.target
    places = tuple(target if place == move.source else place for place in record.places)
    first = bool(record.places) and record.places[0] == move.source
    keeps = observed.vm is not None and keeps_state(observed.vm) and first
    state: tuple[Action, ...] = (SaveState(target, observed.uuid, observed.epoch),) if keeps else ()
    return (
        *state,
        HandOn(move.source, target, move.pool, observed.epoch),
        SaveRecord(replace(record, places=places, move=None)),
    )


def _failed(observed: Observed, record: Record, move: DiskMove, reason: str, *actions: Action) -> MovePlan:
    failures = 1 + (record.move.failures if record.move and record.move.is_of(move.uid, move.pool) else 0)
    again_s = min(_FIRST_RETRY_S * 2.0 ** min(failures - 1, 10), _LAST_RETRY_S)
    tried = MoveTry(move.uid, move.pool, failures=failures, next_s=observed.now_s + again_s, reason=reason)
    wait, failed = _try_again(observed, move, tried), replace(record, move=tried)
    if not actions:
        return MovePlan(failed, (), wait, again_s)
    # not before: a guest that stands still for a switch would go on while the copy is there
    return MovePlan(record, (*actions, SaveRecord(failed)), wait, again_s, held=_is_switching(record))


def _try_again(observed: Observed, move: DiskMove, tried: MoveTry) -> WaitingError:
    again_s = max(tried.next_s - observed.now_s, 0.1)
    if tried.reason == "PoolFull":
        return as_wait("PoolFull", again_s, pool=move.pool, what=f"volume {move.volume}")
    at = render_epoch_time(observed.wall_s + again_s)
    stood_still = COPY_STOOD_STILL.format(minutes=round(GIVEN_UP_S / 60))
    said = stood_still if tried.reason == _STOOD_STILL else COPY_ENDED
    return as_wait("Moving", again_s, volume=move.volume, pool=move.pool, at=at, said=said)


def _moving(move: DiskMove) -> WaitingError:
    return as_wait("Moving", _LOOK_S, volume=move.volume, pool=move.pool)


def _waiting(error: QuantixError) -> WaitingError:
    if isinstance(error, WaitingError):
        return error
    return WaitingError(error.reason, error.message, error.hint, retry_after_s=_WAIT_S)


def _is_held(observed: Observed, claim: Claim | None) -> bool:
    return claim is not None and claim.held_by(observed.facts.name, observed.epoch)
