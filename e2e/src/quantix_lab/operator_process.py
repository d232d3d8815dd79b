"""A real operator process for tests, in a root of its own and without a network unless told.

Used by contract tests; ends only what it started.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from quantix_api.resources import INSTANCE_TYPES
from quantix_client.api import ApiClient


class OperatorProcess:
    """`quantix-operator` with `--metrics` on a port of the kernel's choice; its log is in `output`."""

    def __init__(self, root: Path, kubeconfig: Path, *, flags: Sequence[str] = ()) -> None:
        self.root = root
        self.output = root / "operator.log"
        self._command = (
            *(sys.executable, "-c", "from quantix_operator.main import main; main()"),
            *("--root", str(root), "--kubeconfig", str(kubeconfig)),
            *("--metrics", "127.0.0.1:0", "--log-format", "json", *flags),
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def stop(self, *, timeout_s: float = 20.0) -> int:
        """SIGTERM; the exit code, 0 when it was not running."""
        return self._end(signal.SIGTERM, timeout_s)

    def kill9(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL, 10.0)

    def wait_for_end(self, *, timeout_s: float) -> int:
        """The exit code, when it ends by itself."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def wait_for_log(self, words: str, *, timeout_s: float = 30.0) -> str:
        """The first line of the log with `words`; TimeoutError when there is none in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in self.lines():
                if words in line:
                    return line
            time.sleep(0.05)
        raise TimeoutError(f"no {words!r} in:\n" + "\n".join(self.lines()[-20:]))

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of /metrics, /healthz or /readyz."""
        port = json.loads(self.wait_for_log("operator started"))["metrics_port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait_for_answer(self, path: str, words: str, *, timeout_s: float = 15.0) -> None:
        """Until `path` answers 200 with `words` in it; TimeoutError with what it says instead."""
        deadline = time.monotonic() + timeout_s
        while True:
            status, body = self.get(path)
            if status == 200 and words in body:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} says {status}: {body}")
            time.sleep(0.1)

    def lines(self) -> list[str]:
        """The log so far."""
        return self.output.read_text(errors="replace").splitlines() if self.output.exists() else []

    def _end(self, number: signal.Signals, timeout_s: float) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


async def becomes_ready(client: ApiClient, name: str, timeout_s: float) -> None:
    """Declare an instance type and wait until some operator said that it counts; TimeoutError."""
    body = {"metadata": {"name": name}, "spec": {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}}}
    await client.apply(INSTANCE_TYPES, body, manager="test")
    async with asyncio.timeout(timeout_s):
        while True:
            live = await client.get(INSTANCE_TYPES, name)
            if any(item.get("reason") == "Accepted" for item in live.get("status", {}).get("conditions", [])):
                return
            await asyncio.sleep(0.05)
