"""What `qx plan` says of a plan, and of an operator that cannot be asked."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from quantix_api.host_plan import HostPlan
from quantix_api.layout import Layout
from quantix_cli.commands.planning import report, verdict
from quantix_cli.completing.words import candidates
from quantix_cli.exits import CommandError, Exit
from quantix_cli.main import qx
from quantix_cli.settings import read_settings

MOVES = [
    {"namespace": "a", "name": "web-1", "action": "Migrate", "to": "h2", "bytes": 3 << 30, "seconds": 34},
    {
        "namespace": "a",
        "name": "old",
        "action": "Stop",
        "seconds": 40,
        "reason": "NoHostFits",
        "message": "No.",
    },
]
MISFITS = [
    {
        "namespace": "a",
        "name": "gpu-1",
        "reason": "HostDevice",
        "message": "It has gpu of h1. Try: unplug it",
    },
    {"namespace": "a", "name": "files-1", "reason": "NoOtherHost", "message": "No other host could run it."},
]


def plan(**different: Any) -> dict[str, Any]:
    usual = {"question": "maintenance", "host": "h1", "vms": 4, "seconds": 40}
    return HostPlan.parse({**usual, "moves": MOVES, "misfits": MISFITS, **different}).manifest()


@pytest.mark.parametrize(
    ("different", "said"),
    [
        (
            {},
            "h1 can be emptied of 2 in about 40 s; 2 cannot move: gpu-1 HostDevice, files-1 NoOtherHost",
        ),
        ({"misfits": [], "vms": 2}, "h1 can be emptied of 2 in about 40 s"),
        ({"misfits": [], "moves": [], "vms": 0}, "h1 has no VMs that would have to leave it."),
        (
            {"question": "host-loss", "seconds": 15},
            "2 of 4 VMs on h1 would be started elsewhere within about 15 s; "
            "2 would not: gpu-1 HostDevice, files-1 NoOtherHost",
        ),
        (
            {"question": "host-loss", "moves": [], "vms": 2},
            "0 of 2 VMs on h1 would be started elsewhere; 2 would not: gpu-1 HostDevice, files-1 NoOtherHost",
        ),
        (
            {"misfits": MISFITS[:1] * 7},
            "h1 can be emptied of 2 in about 40 s; 7 cannot move: " + "gpu-1 HostDevice, " * 4
            + "gpu-1 HostDevice and 2 more",
        ),
    ],
)  # fmt: skip
def test_the_last_line_is_the_verdict(different: dict[str, Any], said: str) -> None:
    assert verdict(HostPlan.parse(plan(**different))) == said


def test_every_vm_has_a_line_of_what_happens_to_it() -> None:
    terminal = read_settings({}, no_color=True).terminal
    lines = report(HostPlan.parse(plan()), terminal)
    assert [line.split() for line in lines[:5]] == [
        ["VM", "DOES", "TO", "COPIED", "DONE", "AFTER", "REASON"],
        ["a/web-1", "moves", "h2", "3", "GiB", "34", "s"],
        ["a/old", "is", "shut", "down", "-", "-", "40", "s", "NoHostFits:", "No"],
        ["a/gpu-1", "stays", "-", "-", "-", "HostDevice:", "It", "has", "gpu", "of", "h1"],
        ["a/files-1", "stays", "-", "-", "-", "NoOtherHost:", "No", "other", "host", "could", "run", "it"],
    ]


@contextmanager
def operator(root: Path, status: int, body: str) -> Iterator[list[str]]:
    """An operator that gives everybody this answer; the paths that it was asked for."""
    path = Layout(root).operator_socket
    path.parent.mkdir(parents=True)
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65536).decode().split()[1])
                head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n"
                connection.sendall(f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode())

        thread = threading.Thread(target=answer)
        thread.start()
        yield asked
        thread.join(10)


def run(root: Path, *words: str) -> Result:
    settings = read_settings({"QUANTIX_ROOT": str(root)}, no_color=True)
    return CliRunner().invoke(qx, ["plan", *words], obj=settings, standalone_mode=False)


@pytest.mark.parametrize(("misfits", "code"), [(MISFITS, Exit.NO), ([], Exit.DONE)])
def test_the_answer_is_shown_as_it_came(tmp_path: Path, misfits: Any, code: Exit) -> None:
    document = plan(misfits=misfits)
    with operator(tmp_path, 200, json.dumps(document)) as asked:
        result = run(tmp_path, "maintenance", "h1", "-o", "json")
    assert result.return_value == code
    assert json.loads(result.stdout) == document
    assert asked == ["/v1/plan/maintenance/h1"]


@pytest.mark.parametrize(
    ("status", "text", "code", "hint"),
    [
        (404, "There is no host h9. Try: qx host list", Exit.NOT_FOUND, "qx host list"),
        (503, "The operator on h2 leads. Try: the same on h2", Exit.UNREACHABLE, "the same on h2"),
        (500, "Internal error", Exit.FAILED, ""),
    ],
)  # fmt: skip
def test_a_refusal_has_its_own_exit_code(
    tmp_path: Path, status: int, text: str, code: Exit, hint: str
) -> None:
    with operator(tmp_path, status, text):
        error = run(tmp_path, "host-loss", "h9").exception
    assert isinstance(error, CommandError)
    assert (error.exit_code, error.hint) == (code, hint)


def test_where_no_operator_runs_that_is_said(tmp_path: Path) -> None:
    error = run(tmp_path, "host-loss", "h1").exception
    assert isinstance(error, CommandError)
    assert error.exit_code == Exit.UNREACHABLE
    assert error.message.startswith("No operator answers on this machine")


def test_a_plan_is_not_asked_of_another_cluster(tmp_path: Path) -> None:
    error = run(tmp_path, "host-loss", "h1", "--context", "elsewhere").exception
    assert isinstance(error, CommandError)
    assert error.exit_code == Exit.USAGE


def test_hosts_are_completed() -> None:
    names = {"host": ["h1", "h2"]}
    assert candidates(["plan", ""], lambda noun: names[noun]) == ["balance", "host-loss", "maintenance"]
    assert candidates(["plan", "maintenance", "h"], lambda noun: names[noun]) == ["h1", "h2"]
    assert candidates(["plan", "maintenance", "h1", "-o", "j"], lambda noun: names[noun]) == ["json"]
