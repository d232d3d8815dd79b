"""What the kernel says of processes that it ended for want of memory: read from its log, nothing else of it.

Asked by `virtualmachine.observe` when a QEMU is gone that nobody ended. Where the log cannot be read (a
container without it), nothing is known, and nothing is claimed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

# mm/oom_kill.c, __oom_kill_process (Linux 6.1): "Out of memory: Killed process 12 (comm) total-vm: …", and
# "Memory cgroup out of memory: …"; the prefix is that of Documentation/ABI/testing/dev-kmsg
_KILLED = re.compile(
    r"^\d+,\d+,(\d+),[^;]*;(?:Out of memory|Memory cgroup out of memory)[^:]*: Killed process (\d+) "
)
_RECORD_BYTES = 8192
_MOST_RECORDS = 100_000


class KernelLog(Protocol):
    """Blocking: ask in a thread."""

    def killed_for_memory(self, pid: int, since_s: float) -> bool:
        """Whether the kernel ended this process for want of memory, `since_s` seconds after the boot or
        later; False also where nobody can tell.
        """


class DevKmsg:
    """The log of the kernel that this host runs on."""

    def __init__(self, path: Path = Path("/dev/kmsg")) -> None:
        self._path = path

    def killed_for_memory(self, pid: int, since_s: float) -> bool:
        """As `KernelLog.killed_for_memory`."""
        # the kernel's stamps do not count time asleep
        asleep_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
        try:
            return was_killed(_records(self._path), pid, since_s - asleep_s)
        except OSError:
            return False


def was_killed(records: Iterable[str], pid: int, since_s: float) -> bool:
    """Whether one of the log's records says so of `pid`, stamped `since_s` or later. Pure."""
    found = (_KILLED.match(record) for record in records)
    return any(match and int(match[2]) == pid and int(match[1]) / 1e6 >= since_s for match in found)


def _records(path: Path) -> Iterator[str]:
    """One record a read (dev-kmsg), from the oldest that is kept to the newest."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for _ in range(_MOST_RECORDS):
            try:
                record = os.read(descriptor, _RECORD_BYTES)
            except BrokenPipeError:
                continue  # it was overwritten before it was read
            except BlockingIOError:
                return
            if not record:
                return
            yield record.decode(errors="replace")
    finally:
        os.close(descriptor)
