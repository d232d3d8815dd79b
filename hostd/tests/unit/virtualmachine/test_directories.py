"""The directories of one VM: who may enter, and who may connect."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.virtualmachine.directories import LOG_KEPT_S, VmDirectories

UID = "0d1e2f30-0000-4000-8000-000000000001"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def directories(layout: Layout) -> VmDirectories:
    made = VmDirectories(layout, FileOwner.current())
    made.prepare(UID)
    return made


@pytest.fixture
def serial(layout: Layout, directories: VmDirectories) -> Iterator[Path]:
    """A socket as libvirt leaves it."""
    path = layout.vm_run(UID) / "serial.sock"
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        # relative: pytest's directories are longer than a socket's name may be
        former = Path.cwd()
        os.chdir(path.parent)
        listener.bind(path.name)
        os.chdir(former)
        path.chmod(0o775)
        yield path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("directories")
def test_only_qemus_group_passes_and_only_root_reads_the_console(layout: Layout) -> None:
    assert mode(layout.vm_run(UID)) == 0o710
    assert mode(layout.vm_run(UID).parent) == 0o711
    assert mode(layout.vm_log(UID)) == 0o700


def test_a_guest_that_came_back_has_its_log_for_another_week(
    directories: VmDirectories, layout: Layout
) -> None:
    (layout.vm_log(UID) / "console.log").write_text("hello")
    for kept in ((), (UID,), ()):
        assert directories.sweep_logs(kept, LOG_KEPT_S - 1) == ()
    assert directories.sweep_logs((), 2) == (UID,)
    assert not layout.vm_log(UID).exists()


def test_sockets_are_closed_once(directories: VmDirectories, serial: Path) -> None:
    assert directories.close_sockets(UID) == 1
    assert mode(serial) == 0o600
    assert directories.close_sockets(UID) == 0


def test_what_a_guest_put_in_place_of_a_socket_is_left_alone(
    directories: VmDirectories, layout: Layout, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    precious.chmod(0o644)
    (layout.vm_run(UID) / "vnc.sock").symlink_to(precious)
    (layout.vm_run(UID) / "agent.sock").write_text("")
    (layout.vm_run(UID) / "agent.sock").chmod(0o644)
    assert directories.close_sockets(UID) == 0
    assert mode(precious) == 0o644
    assert mode(layout.vm_run(UID) / "agent.sock") == 0o644


def test_what_an_older_version_made_for_a_running_guest_is_put_right_once(
    directories: VmDirectories, serial: Path
) -> None:
    assert directories.correct() == 1
    assert mode(serial) == 0o600
    assert directories.correct() == 0


def test_nothing_is_put_right_where_nothing_runs(layout: Layout) -> None:
    assert VmDirectories(layout, FileOwner.current()).correct() == 0
