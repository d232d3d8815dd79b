"""`make up`, `make down` and `make clean` of one installation do not work under each other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import click
import pytest

from quantix_api.errors import PermanentError
from quantix_api.layout import Layout
from quantix_cli.commands import down, up
from quantix_cli.settings import read_settings
from quantix_cli.terminal import Terminal
from quantix_cli.up import bootstrap, neighbours
from quantix_cli.up.run.alone import alone
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import UpSettings, judge_settings
from quantix_cli.up.stop import clean

PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UpSettings]:
    made = replace(judge_settings(read_settings({})), layout=Layout(tmp_path), checkout=tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(neighbours, "require_alone", lambda _: None)
    monkeypatch.setattr(neighbours, "require_own_programs", lambda venv, root: None)
    # the process ends with it open
    with closing(UpLog(tmp_path / "up.log")) as log:
        for module in (up, down, clean):
            monkeypatch.setattr(module, "judge_settings", lambda _: made)
            monkeypatch.setattr(module, "open_log", lambda _: log)
        yield made


def typed(command: click.Command, *words: str) -> None:
    command.main([*words], obj=read_settings({}), standalone_mode=False)


def refused(settings: UpSettings) -> bool:
    """Whether a `make up` would be, now."""
    try:
        with alone(settings, "make up"):
            return False
    except PermanentError as error:
        return error.reason == "UpAtWork"


def begun(settings: UpSettings, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Filled at each work of a command: whether another one would be refused meanwhile."""
    works = list[bool]()

    def work(*_: object, **__: object) -> int:
        works.append(refused(settings))
        return 0

    monkeypatch.setattr(module, "run_to_exit_code", work)
    return works


def test_the_second_is_refused_before_it_does_anything_and_told_which_is_at_work(
    settings: UpSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: object) -> tuple[int, bool]:
        raise AssertionError("it began")

    monkeypatch.setattr(bootstrap, "prepare", prepare)
    with alone(settings, "make down"):
        with pytest.raises(PermanentError, match=rf"make down is at work .* \(pid {os.getpid()}\)"):
            bootstrap.up(settings, PIPE, 0.0)
    with pytest.raises(AssertionError, match="it began"):
        bootstrap.up(settings, PIPE, 0.0)
    assert (settings.layout.log / "up.lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("module", "command"), [(up, up.up_command), (down, down.down_command)])
def test_who_works_keeps_others_off_all_the_time(
    settings: UpSettings, monkeypatch: pytest.MonkeyPatch, module: ModuleType, command: click.Command
) -> None:
    works = begun(settings, module, monkeypatch)
    typed(command)
    assert works == [True]
    with alone(settings, "make up"), pytest.raises(PermanentError, match="make up is at work"):
        typed(command)
    assert works == [True]
    assert not refused(settings)


def test_a_machine_that_stops_shuts_its_guests_down_whoever_is_at_work(
    settings: UpSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = begun(settings, down, monkeypatch)
    with alone(settings, "make up"):
        typed(down.down_command, "--guests")
    assert works == [True]


def half_made(settings: UpSettings) -> Callable[[], None]:
    return lambda: sys.exit(bootstrap.clean(settings, PIPE))


def installed(settings: UpSettings) -> Callable[[], None]:
    settings.layout.etc.mkdir(parents=True)
    return clean.main


@pytest.mark.parametrize("way", [half_made, installed])
def test_nothing_is_removed_while_another_is_at_work(
    settings: UpSettings,
    capsys: pytest.CaptureFixture[str],
    way: Callable[[UpSettings], Callable[[], None]],
) -> None:
    work = way(settings)
    with alone(settings, "make up"):
        with pytest.raises((SystemExit, PermanentError)) as ended:
            work()
        told = f"{ended.value}{capsys.readouterr().err}"
        assert "make up is at work" in told
        assert refused(settings), "the lock is still where the next one looks"


def test_what_is_removed_is_removed_alone(settings: UpSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    works = list[bool]()

    async def removal(*_: object) -> None:
        works.append(refused(settings))

    settings.layout.etc.mkdir(parents=True)
    monkeypatch.setattr(clean, "clean", removal)
    clean.main()
    assert works == [True]


def test_another_installation_is_another_matter(settings: UpSettings, tmp_path: Path) -> None:
    other = replace(settings, layout=Layout(tmp_path / "other"))
    with alone(settings, "make up"), alone(other, "make up"):
        pass


def test_what_was_started_meanwhile_does_not_hold_the_next_one_up(settings: UpSettings) -> None:
    with alone(settings, "make up"):
        service = subprocess.Popen(["sleep", "60"])
    try:
        with alone(settings, "make up"):
            pass
    finally:
        service.kill()
        service.wait()
