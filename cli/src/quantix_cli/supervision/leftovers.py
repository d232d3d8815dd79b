"""Finds and ends services that outlived their supervisor.

Every service that supervisord starts carries its name and its installation's root in its environment. What
libvirtd started (QEMU, swtpm) may have inherited that, and belongs to guests: it is never found here.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

SERVICE_VARIABLE = "QUANTIX_SERVICE"
ROOT_VARIABLE = "QUANTIX_SERVICE_ROOT"
PATIENCE_S = 10.0
# a process that becomes another program (execve(2)) has no environment for a moment
_LOOKS, _MOMENT_S = 50, 0.001


def environment_of(process: Path) -> dict[str, str]:
    """The environment that a process (a directory of /proc) began with; {} where it cannot be read."""
    raw = b""
    try:
        for _ in range(_LOOKS):
            raw = (process / "environ").read_bytes()
            if raw or not _is_program(process):
                break
            time.sleep(_MOMENT_S)
    except OSError:
        # it ended, or it is another user's
        return {}
    pairs = (item.partition("=") for item in raw.decode(errors="replace").split("\0"))
    return {key: value for key, _, value in pairs}


def _is_program(process: Path) -> bool:
    """Neither a kernel thread nor one that has ended."""
    return os.access(process / "exe", os.F_OK)


def _belongs_to_guests(process: Path, service: str) -> bool:
    if service != "libvirtd":
        return False
    try:
        program = (process / "exe").readlink().name
    except OSError:
        return True
    return program != "libvirtd" and not program.startswith("python")


def find(root: Path, proc: Path = Path("/proc")) -> dict[int, str]:
    """Process id → service name of what runs for the installation at `root`."""
    found: dict[int, str] = {}
    for process in proc.iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            variables = environment_of(process)
            service = variables.get(SERVICE_VARIABLE, "")
            ours = service and variables.get(ROOT_VARIABLE) == str(root)
            if ours and not _belongs_to_guests(process, service):
                found[int(process.name)] = service
    return found


def end(root: Path) -> None:
    """SIGTERM to all of them, SIGKILL to those that are still there after 10 s."""
    _signal(find(root), signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    while (left := find(root)) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(left, signal.SIGKILL)


def _signal(processes: dict[int, str], number: signal.Signals) -> None:
    for pid in processes:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
