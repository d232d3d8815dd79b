"""Two `make up` of one installation do not work under each other."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.errors import PermanentError
from quantix_api.layout import Layout
from quantix_cli.settings import read_settings
from quantix_cli.terminal import Terminal
from quantix_cli.up import bootstrap, neighbours
from quantix_cli.up.run.alone import alone
from quantix_cli.up.settings import UpSettings, judge_settings

PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)


@pytest.fixture
def settings(tmp_path: Path) -> UpSettings:
    return replace(judge_settings(read_settings({})), layout=Layout(tmp_path), checkout=tmp_path)


def test_the_second_is_refused_before_it_does_anything_and_told_which_is_at_work(
    settings: UpSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: object) -> tuple[int, bool]:
        raise AssertionError("it began")

    monkeypatch.setattr(bootstrap, "prepare", prepare)
    monkeypatch.setattr(neighbours, "require_alone", lambda _: None)
    with alone(settings):
        with pytest.raises(PermanentError, match=rf"Another make up .* \(pid {os.getpid()}\)"):
            bootstrap.up(settings, PIPE, 0.0)
    with pytest.raises(AssertionError, match="it began"):
        bootstrap.up(settings, PIPE, 0.0)
    assert (settings.layout.log / "up.lock").stat().st_mode & 0o777 == 0o600


def test_another_installation_is_another_matter(settings: UpSettings, tmp_path: Path) -> None:
    with alone(settings), alone(replace(settings, layout=Layout(tmp_path / "other"))):
        pass


def test_what_was_started_meanwhile_does_not_hold_the_next_one_up(settings: UpSettings) -> None:
    with alone(settings):
        service = subprocess.Popen(["sleep", "60"])
    try:
        with alone(settings):
            pass
    finally:
        service.kill()
        service.wait()
