"""Looks at every QEMU of this machine, whatever host of a lab it runs in, and tells when two run one VM.

Outside all knowledge of the product: it reads /proc alone (proc(5)). A QEMU runs its guest while its threads
of virtual CPUs spend time; the half of a migration that waits to be filled, and a guest that is paused, spend
none but for moments, such as when it starts. A guest that rests wakes some times a second. So two ran beside
each other that took turns `TURNS` times within `WINDOW` looks; one after the other is a hand-over.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from types import TracebackType
from typing import Self

LOOK_S = 0.05
WINDOW = 60
TURNS = 8
_PROGRAM = "qemu-system-"
_NAMED = "debug-threads=on"


@dataclass(frozen=True)
class Run:
    """A QEMU that runs the guest of VM `uuid`; `network` names the host that it is in."""

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

    def check(self, vm: str = "") -> None:
        """Raise AssertionError when any VM ran twice since the last check, or nobody has looked; with `vm`,
        only when that one did: where others run beside a test, which may be there to run one twice.
        """
        assert self._error is None, f"the auditor failed: {self._error!r}"
        assert self._thread.is_alive(), "the auditor does not look any more"
        assert self.looks, "the auditor has not looked yet"
        seen, self.violations = self.violations, []
        found = [violation for violation in seen if vm in ("", violation.runs[0].uuid)]
        assert not found, "; ".join(map(str, found[:3]))

    def _look_on(self) -> None:
        spent: dict[Run, int] = {}
        window: deque[frozenset[Run]] = deque(maxlen=WINDOW)
        try:
            while not self._ending.wait(LOOK_S):
                now = {run: self._spent_ns(run.pid) for run in self._machines()}
                window.append(frozenset(run for run, ns in now.items() if ns > spent.get(run, ns)))
                self.violations += violations(window, time.monotonic())
                spent = now
                self.looks += 1
        except BaseException as error:
            self._error = error
            raise

    def _machines(self) -> Iterable[Run]:
        """Those with a VM: libvirt asks others what QEMU can do. Raises AssertionError for one whose virtual
        CPUs cannot be told from its other threads.
        """
        for process in self._proc.iterdir():
            if process.name.isdigit() and _text(process / "comm").startswith(_PROGRAM):
                command = _text(process / "cmdline")
                if "\0-uuid\0" in command:
                    assert _NAMED in command, f"QEMU {process.name} was started without {_NAMED}"
                    words = command.split("\0")
                    yield Run(words[words.index("-uuid") + 1], int(process.name), self._network(process))

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

    def _network(self, process: Path) -> str:
        try:
            return str((process / "ns/net").readlink())
        except OSError:
            return "a host that has ended"


def violations(window: Sequence[frozenset[Run]], at_s: float) -> list[Violation]:
    """Which pairs ran one VM beside each other, by who spent time in each look. Pure."""
    seen = sorted(frozenset().union(*window), key=lambda run: run.pid)
    pairs = (pair for pair in combinations(seen, 2) if pair[0].uuid == pair[1].uuid)
    return [Violation(at_s, pair) for pair in pairs if _turns(window, *pair) >= TURNS]


def _turns(window: Sequence[frozenset[Run]], one: Run, other: Run) -> int:
    """How often they took turns; a look in which both spent time is a turn, too."""
    turns, last = 0, None
    for ran in window:
        both = one in ran and other in ran
        now = one if one in ran else other if other in ran else last
        turns += both or (last is not None and now is not last)
        last = now
    return turns


def _text(path: Path) -> str:
    """ "" for what has ended meanwhile."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
