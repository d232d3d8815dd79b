"""Finds QEMU processes by their command line, since libvirt may deny a guest that runs.

Called before every start, at every release and by the inventory. Reads `/proc` only; ends a process only by
`end`, which names one pid and checks that it still is the process that was found.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Protocol

from quantix_hostd.facts.process import DomainProcesses, QemuProcess, processes_of

_NAME_PREFIX = "guest="
_UUID_OPTION = b"-uuid"


class Processes(Protocol):
    """What the VM's reconciler asks of a process table. Blocking: run it in a thread."""

    def of_domain(self, uuid: str, name: str) -> DomainProcesses:
        """The processes of one domain, and those that have its UUID without being its own."""

    def end(self, process: QemuProcess, *, force: bool) -> None:
        """SIGTERM, or SIGKILL by force, to that very QEMU; one that is gone already is no error."""

    def raise_oom_score(self, process: QemuProcess, score: int) -> None:
        """See to it that the kernel ends this QEMU at least as early as `score` (-1000 to 1000, proc(5)) says
        when memory runs out; it is never lowered. Raises OSError.
        """


class ProcessTable:
    """The processes of this host (or of a `/proc` that a test made)."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    def qemu_processes(self) -> tuple[QemuProcess, ...]:
        """Every process that was started with `-uuid UUID` and `-name guest=NAME`, sorted by pid.

        Blocking (a read of /proc): run it in a thread.
        """
        names = os.listdir(self._proc)  # noqa: PTH208
        found = (self._read(name) for name in names if name.isdigit())
        return tuple(sorted((process for process in found if process), key=lambda process: process.pid))

    def of_domain(self, uuid: str, name: str) -> DomainProcesses:
        """As `Processes.of_domain`. Blocking, as `qemu_processes`."""
        return processes_of(uuid, name, self.qemu_processes())

    def end(self, process: QemuProcess, *, force: bool) -> None:
        """As `Processes.end`: the pid is held while its command line is read again."""
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return
        try:
            current = self._read(str(process.pid))
            if current is not None and _is_same_guest(current, process):
                number = signal.SIGKILL if force else signal.SIGTERM
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)

    def raise_oom_score(self, process: QemuProcess, score: int) -> None:
        """As `Processes.raise_oom_score`."""
        path = self._proc / str(process.pid) / "oom_score_adj"
        try:
            if int(path.read_text()) < score:
                path.write_text(f"{score}\n")
        except (FileNotFoundError, ProcessLookupError):
            return

    def _read(self, pid: str) -> QemuProcess | None:
        # every start looks at every process of the host several times: a Path for each costs three times more
        folder = f"{self._proc}/{pid}"
        try:
            with open(f"{folder}/cmdline", "rb", buffering=0) as file:  # noqa: PTH123
                line = file.readall()
            if _UUID_OPTION not in line and _NAME_PREFIX.encode() not in line:
                return None  # by far most processes of a host
            items = line.decode(errors="replace").split("\0")
            state = _parse_state(Path(folder, "stat").read_text(errors="replace"))
        except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
            return None  # it ended while we looked
        uuid, name = _argument(items, "-uuid"), _argument(items, "-name")
        domain_name = next(
            (part.removeprefix(_NAME_PREFIX) for part in name.split(",") if part.startswith(_NAME_PREFIX)), ""
        )
        # a zombie writes nothing any more and has no command line; anything with a UUID counts
        if not uuid and not domain_name:
            return None
        return QemuProcess(int(pid), uuid, domain_name, state)


def _is_same_guest(one: QemuProcess, other: QemuProcess) -> bool:
    return (one.domain_uuid, one.domain_name) == (other.domain_uuid, other.domain_name)


def _argument(items: list[str], option: str) -> str:
    """The item after the exact item `option`, as QEMU reads its command line."""
    for position, item in enumerate(items[:-1]):
        if item == option:
            return items[position + 1]
    return ""


def _parse_state(stat: str) -> str:
    # the command in parentheses may hold anything, so the state is what follows the last one (proc(5))
    return stat.rpartition(")")[2].strip()[:1]
