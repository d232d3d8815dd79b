"""Other users of the machine read and reach nothing of ours that they have no business with."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from quantix_lab.machine_view import MachineView, Manifest

_PASSED = "QEMU's user, or a program of any user, reaches one path below; nobody lists it"
_PID = "the number of a process, which anybody sees in /proc"

# What others may do anything with, below the root, and why; names are patterns. A directory that may only be
# passed (x) hides what is in it from whoever does not know its name, and is here because it lets people pass.
OPEN = {
    "etc": "the system's",
    "run": "the system's",
    "var": "the system's",
    "var/lib": "the system's",
    "var/log": "the system's",
    "var/cache": "the system's",
    "var/cache/quantix": "qx, kubectl and the control plane's binary: programs for everybody",
    "etc/quantix": _PASSED,
    "run/quantix": _PASSED,
    "run/quantix/vm": _PASSED,
    "var/lib/quantix": _PASSED,
    "var/lib/quantix/pools": _PASSED,
    "var/lib/quantix/pools/*": _PASSED,
    "var/lib/quantix/pools/*/images": _PASSED,
    "var/lib/quantix/pools/*/volumes": _PASSED,
    "var/lib/quantix/vm": _PASSED,
    "run/quantix/libvirt": _PASSED,
    "run/quantix/libvirt/qemu": _PASSED,
    "run/quantix/libvirt/*.pid": _PID,
    "run/quantix/libvirt/qemu/*.pid": _PID,
    "var/lib/quantix/libvirt": _PASSED,
    "var/lib/quantix/libvirt/swtpm": _PASSED,
    "var/cache/quantix/libvirt": _PASSED,
}


def reachable(directory: Path) -> Iterator[Path]:
    """Everything below `directory` that another user can name, by walking or by guessing; links aside."""
    for entry in sorted(directory.iterdir()):
        if entry.is_symlink():
            continue
        yield entry
        if entry.is_dir() and entry.stat().st_mode & stat.S_IXOTH:
            yield from reachable(entry)


def is_named(path: Path, pattern: str) -> bool:
    """Whether the pattern names the path; an asterisk stands for one name."""
    return len(path.parts) == pattern.count("/") + 1 and path.match(pattern)


def is_open(path: Path) -> bool:
    """Whether others may read, write, list, pass, execute, or (a socket) connect."""
    return bool(path.lstat().st_mode & 0o007)


def test_nothing_is_open_to_other_users_that_is_not_on_the_list(view: MachineView, web: Manifest) -> None:
    root = view.machine.root
    modes = {path.relative_to(root): path.lstat().st_mode for path in reachable(root) if is_open(path)}
    why = {path: next((OPEN[known] for known in OPEN if is_named(path, known)), None) for path in modes}
    assert {str(path): stat.filemode(mode) for path, mode in modes.items() if why[path] is None} == {}
    passed = {str(path): stat.S_IMODE(mode) for path, mode in modes.items() if why[path] == _PASSED}
    assert passed == dict.fromkeys(passed, 0o711)


def test_a_guests_disk_console_and_sockets_have_the_owners_that_they_need(
    view: MachineView, web: Manifest
) -> None:
    layout, uid = view.machine.layout, web["metadata"]["uid"]
    directory = layout.vm_run(uid)
    assert (directory.owner(), directory.group()) == ("libvirt-qemu", "libvirt-qemu")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o710
    sockets = [path for path in directory.iterdir() if path.is_socket()]
    assert sockets
    assert {stat.S_IMODE(path.stat().st_mode) for path in sockets} == {0o600}
    for data in (layout.local_pool / "volumes").glob("*/data"):
        assert (data.owner(), data.group(), stat.S_IMODE(data.stat().st_mode)) == (
            "root",
            "libvirt-qemu",
            0o660,
        )
    for image in (layout.local_pool / "images").iterdir():
        assert (image.group(), stat.S_IMODE(image.stat().st_mode)) == ("quantix-image", 0o440)
    assert stat.S_IMODE((layout.vm_log(uid) / "console.log").stat().st_mode) & 0o137 == 0


def test_logs_are_closed_and_the_audit_log_is_roots_alone(view: MachineView, web: Manifest) -> None:
    log = view.machine.layout.log
    assert stat.S_IMODE(log.stat().st_mode) == 0o750
    assert stat.S_IMODE((log / "audit.log").stat().st_mode) == 0o600
    logs = [path for path in log.glob("*.log*") if path.name != "audit.log"]
    assert {"up.log", "supervisord.log", "hostd.log", "operator.log", "libvirtd.log", "ovn-nb.log"} <= {
        path.name for path in logs
    }
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in logs} == {
        path.name: "0o640" for path in logs
    }


def test_nobody_sees_and_reaches_nothing(view: MachineView, web: Manifest) -> None:
    """The same, asked of the kernel as another user."""
    layout = view.machine.layout
    places = [layout.log, layout.hostd_socket, layout.libvirt_socket, layout.ovn_nb_socket, layout.run]
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for place in places:
        done = subprocess.run(
            [
                *as_nobody,
                "find",
                str(place),
                "-maxdepth",
                "0",
                "-readable",
                "-o",
                "-maxdepth",
                "0",
                "-writable",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "", done
