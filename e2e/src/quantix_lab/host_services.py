"""Processes of a simulated host, seen from outside it, and ended by force at once.

Used by end-to-end tests. Supervisor starts the services of Quantix anew.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from quantix_cli.supervision.table import HOSTD_PORT
from quantix_lab.simulated_host import SimulatedHost
from quantix_lab.waiting import eventually

SERVICES = {"hostd": "bin/quantix-hostd", "libvirtd": "/libvirtd", "ovn-controller": "bin/ovn-controller"}
"""What their commands hold."""


def processes_of(host: SimulatedHost, pattern: str) -> dict[int, str]:
    """Those whose command matches a regular expression: their numbers outside, and their commands."""
    commands = {pid: _command(pid) for pid in host.processes()}
    return {pid: command for pid, command in commands.items() if re.search(pattern, command)}


def pids_of(host: SimulatedHost, pattern: str) -> list[int]:
    """The numbers alone. Raises AssertionError where there is none."""
    found = processes_of(host, pattern)
    assert found, f"no {pattern} runs on {host.name}"
    return list(found)


def kill(pids: Iterable[int]) -> None:
    """By force; one that has ended meanwhile is passed over."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_started_anew(host: SimulatedHost, pattern: str, before: Iterable[int]) -> None:
    """Until others run in the place of those that were killed."""

    def look() -> bool:
        now = processes_of(host, pattern)
        return bool(now) and now.keys().isdisjoint(before)

    eventually(f"{pattern} runs again on {host.name}", look, 60, 0.3)


def wait_served(host: SimulatedHost) -> None:
    """Until its hostd takes connections, as consoles need it."""

    def look() -> bool:
        try:
            host.connect(host.address, HOSTD_PORT, 3).close()
        except OSError:
            return False
        return True

    eventually(f"hostd serves on {host.name}", look, 60, 0.3)


def _command(pid: int) -> str:
    """ "" for one that has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
