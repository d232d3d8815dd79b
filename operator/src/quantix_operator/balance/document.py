"""What was found as the document of `qx plan balance`. Pure; used by what-ifs."""

from __future__ import annotations

from typing import cast

from quantix_api.balance_plan import BalancePlan, BetterPlace, HostBalance, Level
from quantix_api.host_plan import Misfit
from quantix_api.message_text import sentence_of
from quantix_operator.balance.model import Better, HostLoad, Plan, Stays
from quantix_operator.balance.observe import Situation


def balance_document(situation: Situation, plan: Plan) -> BalancePlan:
    """All that was looked at, hosts by their names."""
    held = situation.observed.held
    return BalancePlan(
        mode=situation.balancer.mode,
        held=sentence_of(held.message) if held is not None else None,
        moves_left=situation.moves_left,
        hosts=tuple(
            _host(load, situation.shares.get(name)) for name, load in sorted(situation.loads.items())
        ),
        moves=tuple(map(_move, plan.moves)),
        misfits=tuple(map(_misfit, plan.stays)),
    )


def _host(load: HostLoad, promised_permille: int | None) -> HostBalance:
    return HostBalance(
        name=load.name,
        cpu=cast("Level", load.cpu) if load.cpu else None,
        memory=cast("Level", load.memory) if load.memory else None,
        promised_percent=promised_permille // 10 if promised_permille is not None else None,
    )


def _move(better: Better) -> BetterPlace:
    guest = better.mover.guest
    return BetterPlace(
        namespace=guest.namespace,
        name=guest.name,
        from_=better.source,
        to=better.target,
        reason=better.cause.value,
        message=better.why.message,
    )


def _misfit(stay: Stays) -> Misfit:
    return Misfit(
        namespace=stay.guest.namespace,
        name=stay.guest.name,
        reason=stay.why.reason,
        message=stay.why.message,
    )
