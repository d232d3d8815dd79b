"""A guest that runs and is known not to start again is not ended without a question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quantix_api.messages import render
from quantix_cli.commands import power
from quantix_cli.commands.power_questions import ask_first
from quantix_cli.exits import CommandError, Exit
from quantix_cli.selection import Picked
from quantix_lab.qx_session import qx_session

Manifest = dict[str, Any]
NO_ZONE = render("ConfigRefused", zone="Mars/Base", host="box")
BARRED = "web-1 runs, and would not start again: box does not know the time zone Mars/Base (ConfigRefused)"
RESTART = replace(power.START, verb="restart", already="")


def vm(reason: str = "ConfigRefused", status: str = "False", domain: str = "Present") -> Manifest:
    ready = {"type": "Ready", "status": status, "reason": reason, "message": NO_ZONE.text}
    known = {"conditions": [ready], "runtime": {"domain": domain}}
    return {"metadata": {"name": "web-1"}, "spec": {}, "status": known}


def ask(
    *vms: Manifest, change: power.Change = RESTART, sure: bool = False, grace_s: int | None = None
) -> None:
    session = replace(qx_session(None), assume_yes=sure)
    ask_first(session, Picked(vms, typed_out=True), change.verb, by_force=grace_s == 0)


@pytest.mark.parametrize("grace_s", [None, 0], ids=["restart", "restart --now"])
def test_why_it_would_not_start_is_told_and_asked(
    grace_s: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError) as unasked:
        ask(vm(), grace_s=grace_s)
    assert (unasked.value.exit_code, unasked.value.hint) == (Exit.USAGE, "--yes")
    assert f"  {BARRED}\n" in capsys.readouterr().err


def test_who_is_sure_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    ask(vm(), sure=True)
    assert capsys.readouterr().err == f"  {BARRED}\n"


@pytest.mark.parametrize(
    "barred",
    [vm("Running", "True"), vm("GuestNotReady"), vm(domain="Absent"), vm("PlugFailed")],
    ids=["runs", "its guest is not ready", "is off already", "says what a start may mend"],
)
def test_another_one_is_restarted_without_a_question(
    barred: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(barred)
    assert capsys.readouterr().err == ""


def test_what_ends_a_guest_for_good_asks_nothing_of_its_start() -> None:
    ask(vm(), change=power.STOP)
