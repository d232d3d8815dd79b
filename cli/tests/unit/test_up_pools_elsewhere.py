"""What `make clean` says of the pools that it does not remove."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_cli.exits import CommandError
from quantix_cli.settings import read_settings
from quantix_cli.terminal import Terminal
from quantix_cli.up import bootstrap, neighbours
from quantix_cli.up.pools_elsewhere import left_told, pools_elsewhere
from quantix_cli.up.settings import judge_settings

PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)


def note(layout: Layout, *pools: Path) -> None:
    layout.data.mkdir(parents=True, exist_ok=True)
    layout.used_pools.write_text(json.dumps({f"u{number}": str(path) for number, path in enumerate(pools)}))


def with_data(pool: Path, *made: str) -> Path:
    for name in made:
        (pool / name / "a").mkdir(parents=True)
    return pool


def test_only_pools_outside_of_what_is_removed_are_left_and_only_where_they_hold_data(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "root")
    fast = with_data(tmp_path / "srv/fast", "volumes", "images")
    (with_data(tmp_path / "srv/new", "volumes") / "volumes/a").rmdir()
    note(layout, fast, tmp_path / "srv/new", tmp_path / "srv/away", with_data(layout.local_pool, "volumes"))
    assert pools_elsewhere(layout) == [fast / "images", fast / "volumes"]


@pytest.mark.parametrize("noted", [None, "{", "[]", '{"u1": 3}'])
def test_without_a_note_that_can_be_read_nothing_is_said_to_be_left(
    tmp_path: Path, noted: str | None
) -> None:
    layout = Layout(tmp_path)
    layout.data.mkdir(parents=True)
    if noted is not None:
        layout.used_pools.write_text(noted)
    assert pools_elsewhere(layout) == []


def test_what_is_left_is_named_at_the_end() -> None:
    fast, big = Path("/srv/fast/volumes"), Path("/mnt/big/volumes")
    assert left_told([]) == ""
    assert left_told([fast]) == "Left: guests' data in /srv/fast/volumes, of a pool."
    assert left_told([big, fast]) == "Left: guests' data in /mnt/big/volumes, /srv/fast/volumes, of 2 pools."


def test_what_is_left_is_named_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(judge_settings(read_settings({})), layout=Layout(tmp_path / "root"))
    note(settings.layout, with_data(tmp_path / "fast", "volumes"))
    monkeypatch.setattr(neighbours, "require_own_programs", lambda venv, root: None)
    monkeypatch.setattr(sys, "stdin", Refuser())
    with pytest.raises(CommandError, match="Nothing was changed"):
        bootstrap.clean(settings, PIPE)
    assert f"but for the data of pools in {tmp_path}/fast/volumes, which stays" in capsys.readouterr().err


class Refuser:
    """Somebody at a terminal who says no."""

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return "n\n"
