"""The directories of an installation: who may pass, whatever the umask of who makes them."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_cli.directories import ensure, with_parents
from quantix_cli.settings import read_settings
from quantix_cli.up.run.runner import open_log
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import judge_settings


@pytest.fixture(params=[0o077, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """That of a hardened machine, and of a careless one."""
    former = os.umask(request.param)
    yield request.param
    os.umask(former)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.usefixtures("umask")
def test_qemus_user_passes_to_its_disks_and_nobody_lists_them(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ensure(with_parents(layout, layout.local_pool, layout.run / "vm", layout.run / "libvirt"))
    for passage in (layout.data, layout.local_pool.parent, layout.local_pool, layout.run, layout.run / "vm"):
        assert mode(passage) == 0o711
    assert mode(tmp_path / "var/lib") == 0o755


@pytest.mark.usefixtures("umask")
def test_logs_and_databases_are_closed_to_others(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ensure(with_parents(layout, layout.log, layout.data / "ovn", layout.etc / "supervisor/programs"))
    closed = (layout.log, layout.data / "ovn", layout.etc / "supervisor", layout.etc / "supervisor/programs")
    assert {mode(directory) for directory in closed} == {0o750}


@pytest.mark.usefixtures("umask")
def test_what_an_older_version_left_open_is_closed(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.log.mkdir(parents=True)
    layout.log.chmod(0o755)
    (layout.log / "up.log").write_text("")
    (layout.log / "up.log").chmod(0o644)
    open_log(replace(judge_settings(read_settings({})), layout=layout)).close()
    assert mode(layout.log) == 0o750
    assert mode(layout.log / "up.log") == 0o640


def test_a_log_that_lies_elsewhere_closes_nothing_of_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    UpLog(tmp_path / "up.log").close()
    assert mode(tmp_path) == 0o755


def test_a_directory_comes_after_those_above_it_and_once() -> None:
    layout = Layout(Path("/"))
    found = with_parents(layout, layout.local_pool, layout.data / "ovn", layout.log)
    assert [str(directory.path) for directory in found] == [
        "/var/lib/quantix",
        "/var/lib/quantix/pools",
        "/var/lib/quantix/pools/local",
        "/var/lib/quantix/ovn",
        "/var/log/quantix",
    ]
