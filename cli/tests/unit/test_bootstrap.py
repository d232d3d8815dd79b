"""`make up` begins on a Python that has nothing but its standard library."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.errors import PermanentError
from quantix_api.layout import Layout
from quantix_cli.exits import CommandError
from quantix_cli.settings import read_settings
from quantix_cli.terminal import Terminal
from quantix_cli.up import neighbours
from quantix_cli.up.bootstrap import clean
from quantix_cli.up.run.runner import run_to_exit_code
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import judge_settings
from quantix_lab.checkout import CHECKOUT

PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)


def test_the_bootstrap_needs_no_package() -> None:
    # -S: no site-packages, as on a machine where nothing is installed yet
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", "import quantix_cli.up.bootstrap"],
        env={"PYTHONPATH": f"{CHECKOUT / 'crds/src'}:{CHECKOUT / 'cli/src'}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr


def test_clean_removes_what_a_preparation_that_never_ended_has_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(judge_settings(read_settings({})), layout=Layout(tmp_path), checkout=tmp_path)
    half_made = [settings.venv / "bin", settings.layout.log]
    for folder in half_made:
        folder.mkdir(parents=True)
    assert clean(settings, PIPE) == 0
    assert not any(folder.exists() for folder in half_made)
    assert str(settings.layout.log) in capsys.readouterr().out
    assert clean(settings, PIPE) == 0
    assert capsys.readouterr().out == "Nothing to remove.\n"


def test_clean_keeps_the_programs_that_another_installation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(judge_settings(read_settings({})), layout=Layout(tmp_path), checkout=tmp_path)
    settings.venv.mkdir()

    def refuse(venv: Path, root: Path) -> None:
        raise PermanentError("CheckoutInUse", f"{venv} is in use, not by {root}.")

    monkeypatch.setattr(neighbours, "require_own_programs", refuse)
    with pytest.raises(PermanentError, match="is in use"):
        clean(settings, PIPE)
    assert settings.venv.exists()


def test_sigterm_is_answered_like_an_interruption(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(10)
        return 0

    with closing(UpLog(tmp_path / "up.log")) as log:
        assert run_to_exit_code(work, PIPE, log, again="make up") == 143
    assert "make up goes on from here" in capsys.readouterr().err


class Typed(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_clean_asks_whoever_sits_at_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    layout = Layout(tmp_path)
    layout.data.mkdir(parents=True)
    monkeypatch.setattr("sys.stdin", Typed(answer))
    with pytest.raises(CommandError, match="Nothing was changed"):
        clean(replace(judge_settings(read_settings({})), layout=layout, checkout=tmp_path), PIPE)
    assert f"every VM of it, and all data in {layout.data}" in capsys.readouterr().err
    assert layout.data.exists()


@pytest.mark.parametrize("name", ["Bad Name", "", "-a", "a" * 64])
def test_a_name_that_no_host_can_have_is_refused_before_anything_is_done(name: str) -> None:
    given = replace(read_settings({}), host_name=name)
    with pytest.raises(PermanentError, match="no name of a host"):
        judge_settings(given)
