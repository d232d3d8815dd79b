"""Which processes belong to an installation, also in the moment in which one becomes another program."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_cli.supervision import leftovers


def process(proc: Path, pid: int, environ: str, *, is_program: bool = True) -> Path:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "environ").write_text(environ)
    (folder / "exe").symlink_to("/bin/sh" if is_program else "/nowhere/gone")
    return folder


def marked(root: str) -> str:
    return f"QUANTIX_SERVICE=first\0QUANTIX_SERVICE_ROOT={root}\0"


def test_one_that_becomes_another_program_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turning = process(tmp_path, 4000001, "")
    waits: list[float] = []

    def moment(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            (turning / "environ").write_text(marked("/q"))

    monkeypatch.setattr("time.sleep", moment)
    assert leftovers.find(Path("/q"), tmp_path) == {4000001: "first"}
    assert len(waits) == 3


def test_nothing_is_waited_for_that_runs_no_program_or_has_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(tmp_path, 4000001, "", is_program=False)
    process(tmp_path, 4000002, marked("/q"))
    process(tmp_path, 4000003, marked("/other"))
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("it waited"))
    assert leftovers.find(Path("/q"), tmp_path) == {4000002: "first"}


def test_one_without_any_environment_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(tmp_path, 4000001, "")
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert leftovers.find(Path("/q"), tmp_path) == {}
