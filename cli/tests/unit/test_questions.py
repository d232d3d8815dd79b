"""Questions before what cannot be taken back: what is lost is told, also where nobody is asked."""

from __future__ import annotations

import asyncio
import contextlib
import io

import pytest

from quantix_cli.exits import CommandError, Exit, Interrupted
from quantix_cli.questions import confirm
from quantix_cli.terminal import Terminal

PLAIN = Terminal(is_tty=False, colour=False, unicode=True, width=None)
EFFECTS = ["VM web-1 (deletes web-1-root with all data)", "VM web-2"]


def ask(*, assume_yes: bool) -> None:
    confirm("Delete 2 VMs?", EFFECTS, assume_yes=assume_yes, terminal=PLAIN, always_told=EFFECTS[:1])


def test_without_a_terminal_the_effects_are_told_and_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(CommandError, match="Nobody can be asked here; nothing was changed") as refused:
        ask(assume_yes=False)
    assert (refused.value.exit_code, refused.value.hint) == (Exit.USAGE, "--yes")
    assert capsys.readouterr().err.splitlines() == [f"  {effect}" for effect in EFFECTS]


def test_a_yes_in_advance_is_told_what_goes_with_its_data(capsys: pytest.CaptureFixture[str]) -> None:
    ask(assume_yes=True)
    assert capsys.readouterr().err == "  VM web-1 (deletes web-1-root with all data)\n"


@pytest.mark.parametrize("assume_yes", [True, False])
def test_of_many_none_that_loses_data_is_left_out(
    assume_yes: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    harmless, graves = ([f"VM {word}-{number}" for number in range(15)] for word in ("calm", "loses"))
    with contextlib.suppress(CommandError):
        confirm("Delete?", [*harmless, *graves], assume_yes=assume_yes, terminal=PLAIN, always_told=graves)
    said = capsys.readouterr().err.splitlines()
    assert said == [f"  {grave}" for grave in graves] + ([] if assume_yes else ["  and 15 more"])


@pytest.mark.usefixtures("heeded_interrupt")
async def test_a_ctrl_c_that_came_just_before_the_question_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_terminal = io.StringIO("y\n")
    monkeypatch.setattr(at_terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", at_terminal)
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        with pytest.raises(Interrupted, match="Nothing was changed"):
            ask(assume_yes=False)
    finally:
        task.uncancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
    assert "[y/N]" not in capsys.readouterr().err
