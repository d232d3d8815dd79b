"""`qx plan balance`: which VMs would be better off on another host, and why.

Touches nothing: the operator finds it by the rules that the balancer goes by, and this shows the answer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from quantix_api.message_text import cause_of
from quantix_api.quantities import counted
from quantix_cli.commands.planning import refuse_other_clusters
from quantix_cli.exits import Exit
from quantix_cli.helping import Verb
from quantix_cli.options import Invocation, common_options
from quantix_cli.tables import Cell, table
from quantix_cli.terminal import Terminal

if TYPE_CHECKING:
    from quantix_api.balance_plan import BalancePlan, BetterPlace, HostBalance
    from quantix_api.host_plan import Misfit

_COMMAND = "qx plan balance"
_HOSTS = ("HOST", "CPU", "MEMORY", "PROMISED")
_VMS = ("VM", "DOES", "FROM", "TO", "REASON")
_UNKNOWN = "?"


@click.command(
    "balance",
    cls=Verb,
    short_help="which VMs would be better off on another host",
    help="Say which VMs would be better off on another host, and why: since their host is short of CPU or "
    "memory, or a rule of their placement is broken. Nothing is changed. Exit code 3 when there are any.",
    examples=(_COMMAND,),
)
@click.option(
    "-o", "--output", type=click.Choice(("table", "json")), default="table", help="How it is shown."
)
@common_options
def balance_command(invocation: Invocation, output: str) -> int:
    """Ask, show, and say by the code whether there is anything to do."""
    # what only shows its help loads neither pydantic nor aiohttp
    from quantix_api.balance_plan import BALANCE, BalancePlan
    from quantix_cli.operator_door import ask_for_plan

    refuse_other_clusters(invocation, _COMMAND)
    document = ask_for_plan(invocation.settings.layout.operator_socket, BALANCE)
    plan = BalancePlan.parse(document)
    lines = [json.dumps(document, indent=2)] if output == "json" else report(plan, invocation.terminal)
    for line in lines:
        invocation.terminal.out(line)
    return Exit.NO if plan.moves else Exit.DONE


def report(plan: BalancePlan, terminal: Terminal) -> list[str]:
    """The lines of a plan; the last one is the verdict. Pure."""
    hosts = table(_HOSTS, [_host_row(host) for host in plan.hosts], terminal) if plan.hosts else []
    rows = [*map(_move_row, plan.moves), *map(_misfit_row, plan.misfits)]
    vms = table(_VMS, rows, terminal) if rows else []
    return [*hosts, *vms, terminal.plain(verdict(plan))]


def verdict(plan: BalancePlan) -> str:
    """`2 VMs would be better off elsewhere; balancer.mode is Recommend, so nothing is moved by itself.`"""
    if plan.held is not None:
        return plan.held
    if not plan.moves:
        if not plan.misfits:
            return "No VM would be better off elsewhere."
        stay = "stays where it is" if len(plan.misfits) == 1 else "stay where they are"
        return f"No move helps now; {counted(len(plan.misfits), 'VM')} {stay}, and why is said above."
    found = f"{counted(len(plan.moves), 'VM')} would be better off elsewhere"
    if plan.mode != "Automatic":
        return f"{found}; balancer.mode is {plan.mode}, so nothing is moved by itself."
    return f"{found}; {counted(plan.moves_left, 'move')} may still be made within this hour."


def _host_row(host: HostBalance) -> tuple[Cell, ...]:
    promised = f"{host.promised_percent} %" if host.promised_percent is not None else _UNKNOWN
    return Cell(host.name), _level(host.cpu), _level(host.memory), Cell(promised, right=True)


def _level(level: str | None) -> Cell:
    return Cell(level, "yellow") if level == "High" else Cell(level or _UNKNOWN)


def _move_row(move: BetterPlace) -> tuple[Cell, ...]:
    why = f"{move.reason}: {cause_of(move.message)}"
    name = Cell(f"{move.namespace}/{move.name}")
    return name, Cell("should move"), Cell(move.from_), Cell(move.to), Cell(why)


def _misfit_row(item: Misfit) -> tuple[Cell, ...]:
    why = f"{item.reason}: {cause_of(item.message)}"
    return Cell(f"{item.namespace}/{item.name}"), Cell("stays", "yellow"), Cell("-"), Cell("-"), Cell(why)
