"""What is said of the balance, from what was found and done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from quantix_api.facts import Fact, fact
from quantix_api.message_text import cause_of, first_of
from quantix_api.scheduling_policy import MOST_MOVES
from quantix_operator.balance.model import Better, Plan, Stays
from quantix_operator.balance.observe import Situation
from quantix_operator.policy.balance import Moves, Said


def derive_said(situation: Situation, plan: Plan, made: Sequence[Better]) -> Said:
    """`made`: those moves of the plan that were asked for just now."""
    due = [move for move in plan.moves if move not in made]
    return Said(_balanced(situation, plan, due, made), tuple(_move(move) for move in due[:MOST_MOVES]))


def _balanced(situation: Situation, plan: Plan, due: Sequence[Better], made: Sequence[Better]) -> Fact:
    if situation.observed.held is not None:
        return situation.observed.held
    recommends = situation.balancer.mode != "Automatic"
    if due and recommends:
        return fact("Balanced", "False", "MovesRecommended", moves=_named(due))
    if due and not situation.moves_left:
        count = situation.balancer.max_moves_per_hour
        return fact("Balanced", "False", "MovesCapped", moves=_named(due), count=count)
    if due or made:
        return fact("Balanced", "False", "MovesUnderWay", moves=_named((*made, *due)))
    if situation.history.ours:
        ours = situation.history.ours
        moves = first_of([f"{item.spec.virtual_machine} to {item.spec.target_host}" for item in ours])
        return fact("Balanced", "False", "MovesUnderWay", moves=moves)
    if plan.settling:
        return fact("Balanced", "False", "MovesUnderWay", hosts=first_of(plan.settling))
    return _helpless(plan)


def _helpless(plan: Plan) -> Fact:
    what = [f"{host} ({cause})" for host, cause in sorted(plan.troubled.items())]
    what += [f"{_key(stay)} ({stay.why.reason})" for stay in plan.stays if stay.grave]
    if not what:
        return fact("Balanced", "True", "Balanced")
    return fact("Balanced", "False", "NoMoveHelps", what=first_of(what))


def new_moves(said: Said, before: Iterable[Mapping[str, Any]]) -> Moves:
    """Those that status does not name yet."""
    known = {_identity(move) for move in before}
    return tuple(move for move in said.moves if _identity(move) not in known)


def _identity(move: Mapping[str, Any]) -> tuple[str, ...]:
    members = ("namespace", "virtualMachine", "targetHost", "reason")
    return tuple(str(move.get(name)) for name in members)


def _move(better: Better) -> Mapping[str, Any]:
    guest = better.mover.guest
    return {
        "namespace": guest.namespace,
        "virtualMachine": guest.name,
        "sourceHost": better.source,
        "targetHost": better.target,
        "reason": better.cause.value,
        "message": f"{cause_of(better.why.message)}.",
    }


def _named(moves: Iterable[Better]) -> str:
    return first_of([f"{item.mover.guest.name} to {item.target}" for item in moves])


def _key(stay: Stays) -> str:
    return f"{stay.guest.namespace}/{stay.guest.name}"
