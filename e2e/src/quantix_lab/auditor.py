"""Looks at every QEMU of this machine, whatever host of a lab it runs in, and tells when two run one VM.

Outside all knowledge of the product: it reads /proc alone (proc(5)). A QEMU runs its guest while its threads
of virtual CPUs spend time; the half of a migration that waits to be filled, and a guest that is paused, spend
none but for moments, such as when it starts. So two ran beside each other that both did in `LOOKS` looks one
after the other; those that take turns within one are a hand-over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

LOOK_S = 0.05
LOOKS = 4
_PROGRAM = "qemu-system-"
_NAMED = "debug-threads=on"


@dataclass(frozen=True)
class Run:
    """A QEMU that has run the guest of VM `uuid` for some looks; `network` names the host that it is in."""

    uuid: str
    pid: int
    network: str


@dataclass(frozen=True)
class Violation:
    """Two that ran one VM beside each other; `at_s` is of CLOCK_MONOTONIC."""

    at_s: float
    runs: tuple[Run, ...]

    def __str__(self) -> str:
        where = " and ".join(f"pid {run.pid} in {run.network}" for run in self.runs)
        return f"VM {self.runs[0].uuid} ran twice: {where}, at {self.at_s:.2f} s"


class Auditor:
    """`with Auditor() as auditor: …; auditor.check()`. A thread of its own looks every `LOOK_S`."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="auditor", daemon=True)
        self._error: BaseException | None = None
        self.violations: list[Violation] = []
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def check(self) -> None:
        """Raise AssertionError when any VM ran twice since the last check, or nobody has looked."""
        assert self._error is None, f"the auditor failed: {self._error!r}"
        assert self._thread.is_alive(), "the auditor does not look any more"
        found, self.violations = self.violations, []
        assert not found, "; ".join(map(str, found[:3]))

    def _look_on(self) -> None:
        spent: dict[int, int] = {}
        streaks: dict[int, int] = {}
        try:
            while not self._ending.wait(LOOK_S):
                now = {pid: self._spent_ns(pid) for pid in self._machines()}
                ran = {pid for pid, cpu_ns in now.items() if cpu_ns > spent.get(pid, cpu_ns)}
                streaks = {pid: streaks.get(pid, 0) + 1 for pid in ran}
                runs = [self._run_of(pid) for pid, looks in streaks.items() if looks >= LOOKS]
                self.violations += violations(runs, time.monotonic())
                spent = now
                self.looks += 1
        except BaseException as error:
            self._error = error
            raise

    def _machines(self) -> Iterable[int]:
        """Those with a VM: libvirt asks others what QEMU can do. Raises AssertionError for one whose virtual
        CPUs cannot be told from its other threads.
        """
        for process in self._proc.iterdir():
            if process.name.isdigit() and _text(process / "comm").startswith(_PROGRAM):
                command = _text(process / "cmdline")
                if "\0-uuid\0" in command:
                    assert _NAMED in command, f"QEMU {process.name} was started without {_NAMED}"
                    yield int(process.name)

    def _spent_ns(self, pid: int) -> int:
        """What its virtual CPUs spent (schedstat: first number, in ns)."""
        total = 0
        for thread in self._threads(pid):
            if _text(thread / "comm").startswith("CPU "):
                total += int((_text(thread / "schedstat") or "0").split()[0])
        return total

    def _threads(self, pid: int) -> list[Path]:
        try:
            return list((self._proc / str(pid) / "task").iterdir())
        except OSError:
            # it has ended meanwhile
            return []

    def _run_of(self, pid: int) -> Run:
        words = _text(self._proc / str(pid) / "cmdline").split("\0")
        uuid = words[words.index("-uuid") + 1] if "-uuid" in words else f"of pid {pid}, which has ended"
        try:
            network = str((self._proc / str(pid) / "ns/net").readlink())
        except OSError:
            network = "a host that has ended"
        return Run(uuid, pid, network)


def violations(runs: Iterable[Run], at_s: float) -> list[Violation]:
    """Which VMs have more than one of these runs. Pure."""
    by_vm: dict[str, list[Run]] = {}
    for run in runs:
        by_vm.setdefault(run.uuid, []).append(run)
    return [Violation(at_s, tuple(several)) for several in by_vm.values() if len(several) > 1]


def _text(path: Path) -> str:
    """ "" for what has ended meanwhile."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
