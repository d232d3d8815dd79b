"""What processes spend, by /proc (proc(5)): CPU time and memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Spent:
    """One process. `pss_bytes`: its memory, of shared pages only its part."""

    command: str
    cpu_s: float
    rss_bytes: int
    pss_bytes: int


def spent_by(pid: int, proc: Path = Path("/proc")) -> Spent | None:
    """What a process has spent so far; None when it has ended."""
    try:
        command = Path((proc / str(pid) / "cmdline").read_text(errors="replace").split("\0")[0]).name
        sizes = _sizes((proc / str(pid) / "smaps_rollup").read_text())
        return Spent(command, cpu_s(pid, proc), sizes["Rss"], sizes["Pss"])
    except (OSError, KeyError):
        return None


def cpu_s(pid: int, proc: Path = Path("/proc")) -> float:
    """Seconds of CPU, user's and system's, that a process and the children it waited for took so far."""
    return sum(int(field) for field in _stat(pid, proc)[11:15]) / _TICKS


def started_s(pid: int, proc: Path = Path("/proc")) -> float:
    """When a process began, in seconds since the boot of the machine (CLOCK_BOOTTIME), by the hundredth."""
    return int(_stat(pid, proc)[19]) / _TICKS


def _stat(pid: int, proc: Path) -> list[str]:
    # what follows the command, which may hold anything
    return (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _sizes(rollup: str) -> dict[str, int]:
    """The lines "NAME: N kB" in bytes."""
    lines = (line.split() for line in rollup.splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1] == "kB"}
