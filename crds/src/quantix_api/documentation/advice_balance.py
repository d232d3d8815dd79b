"""What to do about reasons of the balancer. Data only."""

from __future__ import annotations

from quantix_api.documentation.advice_entry import Advice, waits

_PLAN = "`qx plan balance`; [balancing](balancing.md)."
_RULES = "`spec.placement` of the VMs that the message names; `qx plan balance`."

BALANCE_ADVICE: dict[str, Advice] = {
    "CPUPressure": Advice(
        _PLAN, "Make the move (`qx vm migrate NAME --to HOST`), or set `spec.balancer.mode` to Automatic."
    ),
    "MemoryPressure": Advice(
        _PLAN, "Make the move (`qx vm migrate NAME --to HOST`), or set `spec.balancer.mode` to Automatic."
    ),
    "MemoryPromised": Advice(
        _PLAN, "Make the move (`qx vm migrate NAME --to HOST`), or set `spec.balancer.mode` to Automatic."
    ),
    "PreferenceUnmet": Advice(_RULES, "Make the move, or take the preference out of the VM."),
    "PolicyStop": Advice("`spec.migration.onMaintenance` of the VM.", "Set it to Migrate if it may move."),
    "MovedLately": waits(_PLAN, "A VM that moved rests, so that nothing moves back and forth."),
    "NoMoveHelps": Advice(
        _PLAN, "Add a host, stop a VM, or change the rules: moving what there is would help nothing."
    ),
    "BalanceHeld": Advice(
        "`qx host list`.",
        "Bring that host back, or empty it and leave it in maintenance (`qx host drain HOST`): an empty one "
        "holds nothing up.",
    ),
    "MovesRecommended": Advice(
        _PLAN, "Make the moves that you agree with, or set `spec.balancer.mode` to Automatic."
    ),
    "MovesUnderWay": waits("`qx migration list`.", "A migration that fails says why."),
    "MovesCapped": Advice(
        _PLAN, "Raise `spec.balancer.maxMovesPerHour` of SchedulingPolicy `default`, if that is too few."
    ),
}
