"""`make up` begins on a Python that has nothing but its standard library."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_cli.settings import read_settings
from quantix_cli.terminal import Terminal
from quantix_cli.up.bootstrap import clean
from quantix_cli.up.run.runner import run_to_exit_code
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import judge_settings

PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)
CHECKOUT = Path(__file__).resolve().parents[3]


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


def test_sigterm_is_answered_like_an_interruption(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(10)
        return 0

    with closing(UpLog(tmp_path / "up.log")) as log:
        assert run_to_exit_code(work, PIPE, log, again="make up") == 143
    assert "make up goes on from here" in capsys.readouterr().err
