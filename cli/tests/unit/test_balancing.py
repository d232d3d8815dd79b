"""What `qx plan balance` says of what the operator found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from quantix_api.balance_plan import BalancePlan
from quantix_cli.commands.balancing import report, verdict
from quantix_cli.exits import CommandError, Exit
from quantix_cli.main import qx
from quantix_cli.settings import read_settings

from .test_planning import operator

MOVE = {
    "namespace": "a",
    "name": "web-1",
    "from": "h1",
    "to": "h2",
    "reason": "CPUPressure",
    "message": "web-1 uses 35 % of the CPUs of h1, which are short, and h2 has CPUs to spare.",
}
STAYS = {"namespace": "a", "name": "db", "reason": "PolicyBlock", "message": "It is Block. Try: change it."}
HOSTS = [
    {"name": "h1", "cpu": "High", "memory": "Some", "promisedPercent": 40},
    {"name": "h2", "cpu": "Low"},
]


def plan(**different: Any) -> dict[str, Any]:
    usual = {"mode": "Recommend", "movesLeft": 12, "hosts": HOSTS, "moves": [MOVE], "misfits": [STAYS]}
    return BalancePlan.parse({**usual, **different}).manifest()


@pytest.mark.parametrize(
    ("different", "said"),
    [
        (
            {},
            "1 VM would be better off elsewhere; balancer.mode is Recommend, so nothing is moved by itself.",
        ),
        (
            {"mode": "Automatic", "movesLeft": 2},
            "1 VM would be better off elsewhere; 2 moves may still be made within this hour.",
        ),
        ({"moves": []}, "No move helps now; 1 VM stays where it is, and why is said above."),
        (
            {"moves": [], "misfits": [STAYS, STAYS]},
            "No move helps now; 2 VMs stay where they are, and why is said above.",
        ),
        ({"moves": [], "misfits": []}, "No VM would be better off elsewhere."),
        ({"held": "Nothing is moved while h3 is Joining."}, "Nothing is moved while h3 is Joining."),
    ],
)
def test_the_last_line_is_the_verdict(different: dict[str, Any], said: str) -> None:
    assert verdict(BalancePlan.parse(plan(**different))) == said


def test_each_host_has_a_line_and_each_vm_one_with_why() -> None:
    lines = report(BalancePlan.parse(plan()), read_settings({}, no_color=True).terminal)
    assert [line.split() for line in lines[:6]] == [
        ["HOST", "CPU", "MEMORY", "PROMISED"],
        ["h1", "High", "Some", "40", "%"],
        ["h2", "Low", "?", "?"],
        ["VM", "DOES", "FROM", "TO", "REASON"],
        [*["a/web-1", "should", "move", "h1", "h2", "CPUPressure:"], *MOVE["message"].rstrip(".").split()],
        [*["a/db", "stays", "-", "-", "PolicyBlock:", "It", "is", "Block"]],
    ]


@pytest.mark.parametrize(("moves", "code"), [([MOVE], Exit.NO), ([], Exit.DONE)])
def test_the_answer_is_shown_as_it_came(tmp_path: Path, moves: list[Any], code: Exit) -> None:
    document = plan(moves=moves)
    with operator(tmp_path, 200, json.dumps(document)) as asked:
        settings = read_settings({"QUANTIX_ROOT": str(tmp_path)}, no_color=True)
        words = ["plan", "balance", "-o", "json"]
        result = CliRunner().invoke(qx, words, obj=settings, standalone_mode=False)
    assert result.return_value == code
    assert json.loads(result.stdout) == document
    assert asked == ["/v1/plan/balance"]


def test_a_balance_is_not_asked_of_another_cluster(tmp_path: Path) -> None:
    settings = read_settings({"QUANTIX_ROOT": str(tmp_path)}, no_color=True)
    words = ["plan", "balance", "--context", "elsewhere"]
    error = CliRunner().invoke(qx, words, obj=settings, standalone_mode=False).exception
    assert isinstance(error, CommandError)
    assert error.exit_code == Exit.USAGE
