"""`qx plan`: which VMs would move where if a host went, what would not fit, and how long it takes.

Touches nothing: the operator plays it with the scheduler's own rules, and this shows the answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from quantix_api.message_text import cause_of
from quantix_api.quantities import counted
from quantix_cli.exits import CommandError, Exit
from quantix_cli.grammar import LazyGroup
from quantix_cli.helping import Verb
from quantix_cli.measures import duration, size
from quantix_cli.options import Invocation, common_options
from quantix_cli.tables import Cell, table
from quantix_cli.terminal import Terminal

if TYPE_CHECKING:
    from quantix_api.host_plan import HostPlan, Misfit, PlannedMove, Question

_NAMED = 5
_HEADER = ("VM", "DOES", "TO", "COPIED", "DONE AFTER", "REASON")


def refuse_other_clusters(invocation: Invocation, command: str) -> None:
    """Raise CommandError (2) for who names another cluster."""
    if invocation.kubeconfig or invocation.context:
        said = "A plan is asked of the operator on this machine, whatever a kubeconfig says."
        raise CommandError(Exit.USAGE, said, command)


def _command(question: Question, short_help: str, docstring: str) -> click.Command:
    @click.command(
        question, cls=Verb, short_help=short_help, help=docstring, examples=(f"qx plan {question} h1",)
    )
    @click.argument("host")
    @click.option(
        "-o", "--output", type=click.Choice(("table", "json")), default="table", help="How it is shown."
    )
    @common_options
    def command(invocation: Invocation, host: str, output: str) -> int:
        # what only shows its help loads neither pydantic nor aiohttp
        from quantix_api.host_plan import HostPlan
        from quantix_cli.operator_door import ask_for_plan

        refuse_other_clusters(invocation, f"qx plan {question} {host}")
        document = ask_for_plan(invocation.settings.layout.operator_socket, question, host)
        plan = HostPlan.parse(document)
        lines = [json.dumps(document, indent=2)] if output == "json" else report(plan, invocation.terminal)
        for line in lines:
            invocation.terminal.out(line)
        return Exit.NO if plan.misfits else Exit.DONE

    return command


maintenance_command = _command(
    "maintenance",
    "where the VMs of a host would go if it were emptied",
    "Say where each VM of HOST would go if it went into maintenance, what would stay, and how long it takes. "
    "Nothing is changed. Exit code 3 when something would stay.",
)
host_loss_command = _command(
    "host-loss",
    "what would be started elsewhere if a host failed",
    "Say which VMs of HOST would be started elsewhere if it failed, where, and which would not. "
    "Nothing is changed. Exit code 3 when some would not.",
)
_HERE = "quantix_cli.commands.planning"
plan_command = LazyGroup(
    "plan",
    places={
        "balance": "quantix_cli.commands.balancing:balance_command",
        "host-loss": f"{_HERE}:host_loss_command",
        "maintenance": f"{_HERE}:maintenance_command",
    },
    what="plan",
    help="What would happen, without doing it.",
)


def report(plan: HostPlan, terminal: Terminal) -> list[str]:
    """The lines of a plan; the last one is the verdict. Pure."""
    rows = [*map(_move_row, plan.moves), *map(_misfit_row, plan.misfits)]
    bare = terminal.is_tty and not any(row[-1].text for row in rows)
    width = len(_HEADER) - bare
    lines = table(_HEADER[:width], [row[:width] for row in rows], terminal) if rows else []
    return [*lines, terminal.plain(verdict(plan))]


def verdict(plan: HostPlan) -> str:
    """`h1 can be emptied of 12 in about 40 s; 2 cannot move: gpu-1 HostDevice, files-1 NoOtherHost`."""
    host, stay = plan.host, _named(plan.misfits)
    if not plan.vms:
        return f"{host} has no VMs that would have to leave it."
    if plan.question == "maintenance":
        done = f"{host} can be emptied of {len(plan.moves)} in about {duration(plan.seconds)}"
        return f"{done}; {len(plan.misfits)} cannot move: {stay}" if stay else done
    done = f"{len(plan.moves)} of {counted(plan.vms, 'VM')} on {host} would be started elsewhere"
    done += f" within about {duration(plan.seconds)}" if plan.moves else ""
    return f"{done}; {len(plan.misfits)} would not: {stay}" if stay else done


def _named(misfits: Sequence[Misfit]) -> str:
    named = ", ".join(f"{item.name} {item.reason}" for item in misfits[:_NAMED])
    return f"{named} and {len(misfits) - _NAMED} more" if len(misfits) > _NAMED else named


def _move_row(move: PlannedMove) -> tuple[Cell, ...]:
    does = {"Migrate": "moves", "Stop": "is shut down", "Restart": "is started anew"}[move.action]
    why = f"{move.reason}: {cause_of(move.message or '')}" if move.reason else ""
    copied = size(move.bytes) if move.bytes else "-"
    after = duration(move.seconds)
    return (
        Cell(f"{move.namespace}/{move.name}"),
        Cell(does),
        Cell(move.to or "-"),
        Cell(copied, right=True),
        Cell(after, right=True),
        Cell(why),
    )


def _misfit_row(item: Misfit) -> tuple[Cell, ...]:
    why = f"{item.reason}: {cause_of(item.message)}"
    return (
        Cell(f"{item.namespace}/{item.name}"),
        Cell("stays", "yellow"),
        Cell("-"),
        Cell("-", right=True),
        Cell("-", right=True),
        Cell(why),
    )
