"""Messages about VMs that are moved, or would be, to even out the load or to mend a rule. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

_POLICY = "SchedulingPolicy"

_WHY_IT_MOVES = (
    Template(
        "CPUPressure",
        _POLICY,
        "{name} uses {percent} % of the CPUs of {source}, which are short, and {target} has CPUs to spare.",
    ),
    Template(
        "MemoryPressure",
        _POLICY,
        "The memory of {source} is short, and {target} has room for {name}.",
    ),
    Template(
        "MemoryPromised",
        _POLICY,
        "The memory of {source} is almost all promised, and {target} has room for {name}.",
    ),
    Template(
        "SelectorBroken",
        _POLICY,
        "{name} asks for hosts with {rule}: {source} is none, and {target} is one.",
    ),
    Template(
        "AffinityBroken",
        _POLICY,
        "{owner} is to be near VMs with {rule}, and is once {name} is on {target}.",
    ),
    Template(
        "AntiAffinityBroken",
        _POLICY,
        "{owner} is to be away from VMs with {rule}, and is once {name} is on {target}.",
    ),
    Template(
        "PreferenceUnmet",
        _POLICY,
        "{owner} would rather be {place} VMs with {rule}, and is once {name} is on {target}.",
    ),
)

_WHY_IT_STAYS = (
    Template(
        "LocalStorage",
        _POLICY,
        "Volume {volume} of {name} is on {source} only, and copying it costs more than it helps: it moves "
        "only to mend a rule that it must keep.",
        "a pool that several hosts reach, or qx vm migrate {name}",
    ),
    Template(
        "PolicyStop",
        _POLICY,
        "The migration.onMaintenance of {name} is Stop.",
        "set it to Migrate if it may move by itself, or qx vm migrate {name}",
    ),
    Template(
        "MovedLately",
        _POLICY,
        "{name} was moved, or was to be, within the last {minutes} min.",
        NOTHING_TO_DO,
    ),
    Template(
        "NoMoveHelps",
        _POLICY,
        "No other host has room for {name} without being short itself.",
        "add a host, or stop a VM",
    ),
    Template(
        "NoMoveHelps",
        _POLICY,
        "No host that fits {name} ({rule}) would mend what is broken without breaking another rule.",
        "add a host, or change spec.placement of the VMs",
    ),
)

_OF_THE_POLICY = (
    Template("Balanced", _POLICY, "No host is short, and no rule is broken."),
    Template(
        "BalanceHeld",
        _POLICY,
        "Nothing is moved while {host} is {what}.",
        "qx host explain {host}",
    ),
    Template(
        "MovesRecommended",
        _POLICY,
        "It would be better to move {moves}.",
        "qx plan balance says why; with spec.balancer.mode Automatic it is done by itself",
    ),
    Template("MovesUnderWay", _POLICY, "VMs are on their way to better places: {moves}.", NOTHING_TO_DO),
    Template(
        "MovesUnderWay",
        _POLICY,
        "It shows within some minutes how it is on {hosts} after a migration.",
        NOTHING_TO_DO,
    ),
    Template(
        "MovesCapped",
        _POLICY,
        "It would be better to move {moves}, but {count} were made within an hour, and no more may be.",
        "nothing, it goes on when the hour is over; or raise spec.balancer.maxMovesPerHour",
    ),
    Template("NoMoveHelps", _POLICY, "No move would help: {what}.", "qx plan balance says why"),
)

_EVENTS = (
    Template("MoveRecommended", _POLICY, "{name} would be better off on {target}: {why}."),
    Template(
        "BalancerMoves",
        f"{_POLICY}, VirtualMachine",
        "{name} is moved from {source} to {target}: {why}.",
    ),
)

BALANCE_TEMPLATES: tuple[Template, ...] = (*_WHY_IT_MOVES, *_WHY_IT_STAYS, *_OF_THE_POLICY, *_EVENTS)
