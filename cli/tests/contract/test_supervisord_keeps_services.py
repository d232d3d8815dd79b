"""Our own supervisord, for real: order, restarts, changes, and what outlives a supervisor that was killed."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_cli.directories import with_parents
from quantix_cli.supervision import leftovers
from quantix_cli.supervision.service import Service
from quantix_cli.supervision.supervisord import Supervisord
from quantix_lab.waiting import eventually

SLEEPER = ("/bin/sh", "-c", "echo started; exec sleep 1000")


@pytest.fixture
def layout() -> Iterator[Layout]:
    # short: a unix socket's path has at most 107 bytes
    root = Path(tempfile.mkdtemp(prefix="qxs"))
    yield Layout(root)
    Supervisord(Layout(root), Path(sys.executable)).forget()
    shutil.rmtree(root)


@pytest.fixture
def supervisor(layout: Layout) -> Supervisord:
    return Supervisord(layout, Path(sys.executable))


def table(layout: Layout) -> list[Service]:
    return [
        Service("first", "", SLEEPER, directories=with_parents(layout, layout.data / "made")),
        Service("second", "", SLEEPER, after=("first",)),
    ]


def test_services_run_once_and_a_second_time_changes_nothing(supervisor: Supervisord, layout: Layout) -> None:
    services = table(layout)
    assert supervisor.ensure(services) == ["first", "second"]
    pids = {name: running.pid for name, running in supervisor.observe(services).items()}
    assert all(pids.values())
    assert supervisor.ensure(services) == []
    assert {name: running.pid for name, running in supervisor.observe(services).items()} == pids
    assert (layout.data / "made").is_dir()


def test_its_logs_and_configuration_are_closed_to_other_users(
    supervisor: Supervisord, layout: Layout
) -> None:
    supervisor.ensure(table(layout))
    logs = [layout.log / "supervisord.log", layout.log / "first.log", layout.log / "second.log"]
    configuration = [path for path in (layout.etc / "supervisor").rglob("*.conf") if path.is_file()]
    eventually("the logs are there", lambda: all(path.exists() for path in logs))
    assert {path: path.stat().st_mode & 0o777 for path in (*logs, *configuration)} == dict.fromkeys(
        (*logs, *configuration), 0o640
    )
    assert layout.log.stat().st_mode & 0o777 == 0o750


def test_only_what_changed_is_restarted(supervisor: Supervisord, layout: Layout) -> None:
    first, second = table(layout)
    supervisor.ensure([first, second])
    before = supervisor.observe([first, second])
    changed = replace(second, environment={"CODE": "new"})
    assert supervisor.observe([first, changed])["second"].changed
    assert supervisor.ensure([first, changed]) == ["second"]
    after = supervisor.observe([first, changed])
    assert after["first"].pid == before["first"].pid
    assert after["second"].pid != before["second"].pid


def test_a_service_that_dies_is_started_again(supervisor: Supervisord, layout: Layout) -> None:
    services = table(layout)
    supervisor.ensure(services)
    pid = supervisor.observe(services)["first"].pid
    os.kill(pid, signal.SIGKILL)
    eventually("its restart", lambda: supervisor.observe(services)["first"].pid not in (0, pid))


def test_a_service_that_cannot_stay_up_is_known_for_it(supervisor: Supervisord, layout: Layout) -> None:
    first, second = table(layout)
    ailing = replace(second, argv=("/bin/sh", "-c", "sleep 1.1; exit 1"))
    supervisor.ensure([first, ailing])
    eventually(
        "its third end", lambda: supervisor.observe([first, ailing])["second"].begins_again_and_again, 30
    )
    assert not supervisor.observe([first, ailing])["first"].begins_again_and_again


def test_stopping_says_whether_there_was_something_to_stop(supervisor: Supervisord, layout: Layout) -> None:
    services = table(layout)
    assert not supervisor.stop("first")
    supervisor.ensure(services)
    assert supervisor.stop("first")
    assert not supervisor.stop("first")
    assert supervisor.observe(services)["first"].pid == 0
    assert supervisor.ensure(services) == ["first"]


def test_a_killed_supervisor_leaves_no_second_copy_of_a_service(
    supervisor: Supervisord, layout: Layout
) -> None:
    services = table(layout)
    supervisor.ensure(services)
    old = set(leftovers.find(layout.root))
    os.kill(int((layout.run / "supervisord.pid").read_text()), signal.SIGKILL)
    assert supervisor.ensure(services) == ["first", "second"]
    eventually("the end of the old ones", lambda: not old & set(leftovers.find(layout.root)))
    # between fork and exec a service still looks like its supervisor
    eventually(
        "one of each",
        lambda: sorted(leftovers.find(layout.root).values()) == ["first", "second", "supervisord"],
    )


def test_the_last_words_of_a_service_are_its_log(supervisor: Supervisord, layout: Layout) -> None:
    service = Service("talker", "", ("/bin/sh", "-c", "echo one; echo 100%; exec sleep 1000"))
    supervisor.ensure([service])
    eventually("the log", lambda: supervisor.last_words("talker", 1) == ["100%"])


def test_forgetting_ends_all(supervisor: Supervisord, layout: Layout) -> None:
    supervisor.ensure(table(layout))
    supervisor.forget()
    assert leftovers.find(layout.root) == {}
