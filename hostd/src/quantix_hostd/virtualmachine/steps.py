"""The result of planning, shared by the planners of starting, running and ending. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from quantix_api.errors import InvariantError, QuantixError, WaitingError
from quantix_hostd.endless import endless
from quantix_hostd.virtualmachine.actions import Action, CreatePaused, SaveRecord
from quantix_hostd.virtualmachine.live_actions import PlugDevice
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.record import Record

_OF_POOLS = frozenset({"DataMissing", "DataDamaged", "PoolUnreachable"})


@dataclass(frozen=True)
class Plan:
    """`record` is what is known after looking; `wait` says why the VM is not as spec wants it.

    `requeue_after_s`: look again then (0: at once, since an action changes what can be seen).
    """

    record: Record
    actions: tuple[Action, ...] = ()
    wait: QuantixError | None = None
    requeue_after_s: float | None = None


def with_record(
    observed: Observed,
    record: Record,
    *actions: Action,
    wait: QuantixError | None = None,
    requeue_after_s: float | None = None,
) -> Plan:
    """A plan that saves `record` first, if it differs from the one on disk."""
    save: tuple[Action, ...] = () if record == observed.record else (SaveRecord(record),)
    return Plan(record, (*save, *actions), wait, requeue_after_s)


def is_for_later(plan: Plan, done: tuple[Action, ...]) -> bool:
    """Whether what is planned was `done` a moment ago and takes its time, as the end of a sending does: it is
    tried again when the plan says.
    """
    return plan.actions == done and bool(plan.requeue_after_s)


def unsettled(plan: Plan) -> InvariantError | None:
    """For the plan of the last round that a look may take: what it finds to do is done again and again.

    Law: after a successful apply the plan is empty, unless it waits for something.
    """
    if not plan.actions or (plan.wait is not None and plan.wait.reason != "Starting"):
        return None
    return endless(plan.actions)


@dataclass(frozen=True)
class Refusal:
    """`of` is what could not be carried through, as its event is called."""

    of: Literal["StartRefused", "PlugFailed"]
    error: QuantixError


def refusal_of(plan: Plan, error: QuantixError | None) -> Refusal | None:
    """What kept a start or a plug from being carried through; None for what is merely waited for."""
    if error is None or isinstance(error, WaitingError):
        return None
    done = {type(action) for action in plan.actions}
    if CreatePaused in done:
        return Refusal("StartRefused", error)
    return Refusal("PlugFailed", error) if PlugDevice in done else None


def is_detained(observed: Observed, plan: Plan, error: QuantixError | None) -> bool:
    """Whether nothing of the VM is left here but what it holds in a pool that is away."""
    ended = plan.record.ended or plan.record.remains is not None
    gone = observed.domain is None and not observed.processes
    return ended and gone and error is not None and error.reason in _OF_POOLS
