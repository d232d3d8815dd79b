"""One real control plane for tests: built by controlplane/build.sh, in a directory and on a port of its own.

Used by the contract tests of every component and by the lab, from a test's own thread or from asyncio by
`asyncio.to_thread`. It speaks to nothing but loopback and ends only the process that it started.
"""

from __future__ import annotations

import base64
import http.client
import os
import signal
import ssl
import subprocess
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import yaml

from quantix_lab.checkout import CHECKOUT

_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="control-plane-starter")
"""Starts every control plane. By --pdeathsig one ends with a test run that is killed; to the kernel that is
the death of the starting thread (prctl(2)), so this one lives as long as the test run."""

LAVISH: Mapping[str, str] = {"GOGC": "400"}
"""An environment in which it collects its garbage seldom: it takes some 100 MB more, and a seventh less CPU.
Who measures it gives another one."""
BUILD_TIMEOUT_S = 3600.0
"""A first build, module download included, on a slow and busy machine."""


class ControlPlaneError(Exception):
    """The control plane, or kubectl, ended with an error. `exit_code` is that of the process."""

    def __init__(self, message: str, exit_code: int | None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def build_control_plane() -> Path:
    """The path of the built binary; builds it when the cache has none of these sources (minutes)."""
    script = CHECKOUT / "controlplane/build.sh"
    done = subprocess.run(
        [str(script)], stdout=subprocess.PIPE, text=True, check=True, timeout=BUILD_TIMEOUT_S
    )
    return Path(done.stdout.strip())


class ControlPlane:
    """A control plane below `root`; use it as a context manager, or call start() and stop().

    `flags` go to `serve` after those that this class sets; `wrapper` is a command that executes the rest of
    its arguments in its own place (`nsenter …`, `ip netns exec …`); `environment` is added to our own.
    Directories survive stop() and kill9(), so start() goes on with the same data and the same port.
    """

    def __init__(
        self,
        root: Path,
        *,
        flags: Sequence[str] = (),
        wrapper: Sequence[str] = (),
        environment: Mapping[str, str] = LAVISH,
        ready_timeout_s: float = 60.0,
    ) -> None:
        self.root = root
        self.data_dir = root / "data"
        self.config_dir = root / "etc"
        self.run_dir = root / "run"
        self.log_dir = root / "log"
        self.output = root / "serve.log"
        self.ready_s = 0.0
        """How long the last start took until /readyz, in seconds."""
        self._flags = tuple(flags)
        self._wrapper = tuple(wrapper)
        self._environment = dict(environment)
        self._ready_timeout_s = ready_timeout_s
        self._binary = build_control_plane()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def binary(self) -> Path:
        return self._binary

    @property
    def admin_kubeconfig(self) -> Path:
        return self.config_dir / "admin.kubeconfig"

    @property
    def operator_kubeconfig(self) -> Path:
        return self.config_dir / "operator.kubeconfig"

    @property
    def ca_pem(self) -> str:
        """What a client has to trust, known from the first start on."""
        return base64.b64decode(self._cluster["certificate-authority-data"]).decode()

    @property
    def server(self) -> str:
        """https://127.0.0.1:PORT, known from the first start on."""
        return self._cluster["server"]

    @property
    def port(self) -> int:
        port = urlsplit(self.server).port
        assert port is not None
        return port

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ControlPlaneError("the control plane is not running", None)
        return self._process.pid

    def start(self) -> None:
        """Starts it and returns when it is ready; ControlPlaneError with its last line when it ends."""
        began = time.monotonic()
        port = self.port if self.admin_kubeconfig.exists() else 0
        self.root.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self._process = _STARTER.submit(
                subprocess.Popen,
                ["setpriv", "--pdeathsig", "KILL", *self._wrapper, str(self._binary), *self._arguments(port)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self._environment},
            ).result()
        while not self._answers():
            code = self._process.poll()
            if code is not None:
                self._process = None
                raise ControlPlaneError(self.last_line(), code)
            if time.monotonic() - began > self._ready_timeout_s:
                self.kill9()
                raise ControlPlaneError(f"not ready in {self._ready_timeout_s} s: {self.last_line()}", None)
            time.sleep(0.05)
        self.ready_s = time.monotonic() - began

    def stop(self, *, timeout_s: float = 20.0) -> int:
        """Asks it to end (SIGTERM) and gives its exit code; 0 when it was not running."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def kill9(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def wait_for_end(self, *, timeout_s: float) -> int:
        """Waits until it ends by itself and gives its exit code."""
        if self._process is None:
            raise ControlPlaneError("the control plane is not running", None)
        code = self._process.wait(timeout_s)
        self._process = None
        return code

    def last_line(self) -> str:
        """The last line that it wrote: after a failure, the sentence for a person."""
        lines = self.output.read_text(errors="replace").splitlines() if self.output.exists() else []
        return lines[-1] if lines else ""

    def rss_mb(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise ControlPlaneError("the process has no memory: it is ending", None)

    def get_anonymously(self, path: str) -> int:
        """The HTTP status of a GET without any credentials; OSError when there is no answer within 5 s."""
        context = ssl.create_default_context(cadata=self.ca_pem)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def kubectl(
        self,
        *arguments: str,
        stdin: str | None = None,
        kubeconfig: Path | None = None,
        timeout_s: float = 60.0,
    ) -> str:
        """Runs the embedded kubectl and gives its output; ControlPlaneError with what it complained of."""
        done = subprocess.run(
            [str(self._binary), "kubectl", *arguments],
            input=stdin if stdin is not None else "",
            env={
                **os.environ,
                # it lives too short to collect garbage
                "GOGC": "off",
                "KUBECONFIG": str(kubeconfig or self.admin_kubeconfig),
                "QUANTIX_KUBECONFIG": "",
            },
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode != 0:
            raise ControlPlaneError(done.stderr.strip(), done.returncode)
        return done.stdout

    def _arguments(self, port: int) -> list[str]:
        return [
            "serve",
            f"--data-dir={self.data_dir}",
            f"--config-dir={self.config_dir}",
            f"--run-dir={self.run_dir}",
            f"--log-dir={self.log_dir}",
            f"--port={port}",
            *self._flags,
        ]

    def _answers(self) -> bool:
        """Whether /readyz says ok, asked as a stranger."""
        if not self.admin_kubeconfig.exists():
            return False
        with warnings.catch_warnings():
            # Python 3.11 leaves its socket to the garbage when the server ends before the handshake (ssl.py)
            warnings.simplefilter("ignore", ResourceWarning)
            try:
                return self.get_anonymously("/readyz") == http.client.OK
            except (OSError, http.client.HTTPException):
                return False

    @property
    def _cluster(self) -> dict[str, str]:
        config = yaml.safe_load(self.admin_kubeconfig.read_text())
        cluster: dict[str, str] = config["clusters"][0]["cluster"]
        return cluster
