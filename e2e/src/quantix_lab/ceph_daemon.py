"""One daemon of a Ceph for tests: a process that is ended, frozen and begun again by its pid.

Used by `ceph_cluster`. Its own socket says whether it works (docs.ceph.com, "Using the admin socket"), which
costs less than a command of Ceph's and no network.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.05


@dataclass
class CephDaemon:
    """`name` is like `osd.0`, `command` what runs it in the foreground, `works` whether it does by what its
    status says.
    """

    name: str
    directory: Path
    command: Sequence[str]
    status: str
    works: Callable[[dict[str, Any]], bool]
    stays: bool = False
    """Whether it outlives the thread that launches it."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """Of its process, which runs or ended last."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def socket(self) -> Path:
        return self.directory / "run" / f"{self.name}.asok"

    def launch(self) -> None:
        """Begin it; `await_working` waits for it."""
        self.socket.unlink(missing_ok=True)
        bound = () if self.stays else ("setpriv", "--pdeathsig", "KILL")
        with (self.directory / "log" / f"{self.name}.out").open("ab") as log:
            self._process = subprocess.Popen(
                [*bound, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=self.stays,
            )

    def await_working(self) -> None:
        """Raises RuntimeError with its last words where it does not work in time."""
        assert self._process is not None
        end = time.monotonic() + _START_TIMEOUT_S
        while not self._is_working():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not begin to work: {self._last_words()}")
            time.sleep(_POLL_S)

    def start(self) -> None:
        """Begin it and wait until it works."""
        self.launch()
        self.await_working()

    def freeze(self) -> None:
        """It answers nobody from now on, and keeps its connections (SIGSTOP)."""
        self._signal(signal.SIGSTOP)
        tasks = Path("/proc", str(self.pid), "task")
        while any(_state(task) != "T" for task in tasks.iterdir()):
            time.sleep(_POLL_S)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a loss of power would."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """End it in order, or after a while by force; one that is frozen, too, and one that has ended."""
        if self._process is None or self._process.poll() is not None:
            return
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def ask(self, prefix: str) -> dict[str, Any]:
        """What it answers on its own socket. Raises OSError while it does not listen."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(self.socket))
            connection.sendall(json.dumps({"prefix": prefix, "format": "json"}).encode() + b"\0")
            with connection.makefile("rb") as answer:
                (length,) = struct.unpack(">I", answer.read(4))
                found: dict[str, Any] = json.loads(answer.read(length) or b"{}")
                return found

    def _is_working(self) -> bool:
        try:
            return self.works(self.ask(self.status))
        except (OSError, ValueError, struct.error):
            return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait()

    def _last_words(self) -> str:
        files = [self.directory / "log" / f"{self.name}.{end}" for end in ("out", "log")]
        return " | ".join(file.read_text(errors="replace")[-800:] for file in files if file.exists())


def _state(task: Path) -> str:
    """Of a thread (proc(5), stat): its name, in parentheses, may hold anything."""
    return (task / "stat").read_text().rpartition(") ")[2][0]
