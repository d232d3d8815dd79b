"""A host that runs short of memory, as its daemon sees it: /proc/meminfo of the daemon alone says so."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


@contextmanager
def short_of_memory(hostd_pid: int, directory: Path) -> Iterator[None]:
    """While inside, none is available. `directory` is for the file that says so."""
    told = directory / "meminfo"
    told.write_text(re.sub(r"(?m)^MemAvailable:.*$", "MemAvailable: 0 kB", _MEMINFO.read_text()))
    inside = ("nsenter", f"--mount=/proc/{hostd_pid}/ns/mnt")
    subprocess.run([*inside, "mount", "--bind", told, _MEMINFO], check=True)
    try:
        yield
    finally:
        subprocess.run([*inside, "umount", _MEMINFO], check=True)
        told.unlink()
