"""Finds QEMU processes by their command line, since libvirt may deny a guest that runs.

Called before every start, at every release and by the inventory. Reads `/proc` only; ends a process only by
`end`, which names one pid and checks that it still is the process that was found.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_NAME_PREFIX = "guest="


@dataclass(frozen=True)
class QemuProcess:
    """`domain_uuid` and `domain_name` as QEMU was given them; `state` is the letter of proc(5), e.g. D."""

    pid: int
    domain_uuid: str
    domain_name: str
    state: str


class Processes(Protocol):
    """What the VM's reconciler asks of a process table. Blocking: run it in a thread."""

    def of_domain(self, uuid: str, name: str) -> tuple[QemuProcess, ...]:
        """The processes of one domain: by UUID or by name, so that neither alone can hide one."""

    def end(self, process: QemuProcess, *, force: bool) -> None:
        """SIGTERM, or SIGKILL by force, to that very QEMU; one that is gone already is no error."""


class ProcessTable:
    """The processes of this host (or of a `/proc` that a test made)."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    def qemu_processes(self) -> tuple[QemuProcess, ...]:
        """Every process that was started with `-uuid UUID` and `-name guest=NAME`, sorted by pid.

        Blocking (a read of /proc): run it in a thread.
        """
        found = (self._read(entry) for entry in self._proc.iterdir() if entry.name.isdigit())
        return tuple(sorted((process for process in found if process), key=lambda process: process.pid))

    def of_domain(self, uuid: str, name: str) -> tuple[QemuProcess, ...]:
        """The processes of one domain: by UUID or by name, so that neither alone can hide one."""
        return tuple(
            process
            for process in self.qemu_processes()
            if process.domain_uuid == uuid or process.domain_name == name
        )

    def end(self, process: QemuProcess, *, force: bool) -> None:
        """As `Processes.end`: the pid is held while its command line is read again."""
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return
        try:
            current = self._read(self._proc / str(process.pid))
            if current is not None and current.domain_uuid == process.domain_uuid:
                number = signal.SIGKILL if force else signal.SIGTERM
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)

    def _read(self, entry: Path) -> QemuProcess | None:
        try:
            items = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            state = _parse_state((entry / "stat").read_text(errors="replace"))
        except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
            return None  # it ended while we looked
        uuid, name = _argument(items, "-uuid"), _argument(items, "-name")
        domain_name = next(
            (part.removeprefix(_NAME_PREFIX) for part in name.split(",") if part.startswith(_NAME_PREFIX)), ""
        )
        # a zombie writes nothing any more and has no command line; anything with a UUID counts
        if not uuid and not domain_name:
            return None
        return QemuProcess(int(entry.name), uuid, domain_name, state)


def _argument(items: list[str], option: str) -> str:
    """The item after the exact item `option`, as QEMU reads its command line."""
    for position, item in enumerate(items[:-1]):
        if item == option:
            return items[position + 1]
    return ""


def _parse_state(stat: str) -> str:
    # the command in parentheses may hold anything, so the state is what follows the last one (proc(5))
    return stat.rpartition(")")[2].strip()[:1]
