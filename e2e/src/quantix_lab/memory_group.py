"""A control group of limited memory, in which the kernel runs out of it (cgroups(7), version 1 or 2)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_EMPTY_S = 10.0


@dataclass(frozen=True)
class MemoryGroup:
    path: Path

    def take(self, pid: int) -> None:
        """Put a process into it: what it allocates from now on counts."""
        (self.path / "cgroup.procs").write_text(f"{pid}\n")


@contextmanager
def memory_group(limit_bytes: int) -> Iterator[MemoryGroup]:
    """A group of the test's own, gone afterwards; its processes have ended by then."""
    first = (_CGROUPS / "memory").is_dir()
    path = (_CGROUPS / "memory" if first else _CGROUPS) / f"qx-{os.getpid()}"
    path.mkdir()
    try:
        limits = ("memory.limit_in_bytes",) if first else ("memory.max", "memory.swap.max")
        for name, value in zip(limits, (limit_bytes, 0), strict=False):
            (path / name).write_text(f"{value}\n")
        yield MemoryGroup(path)
    finally:
        deadline = time.monotonic() + _EMPTY_S
        while (path / "cgroup.procs").read_text().strip() and time.monotonic() < deadline:
            time.sleep(0.05)
        path.rmdir()
