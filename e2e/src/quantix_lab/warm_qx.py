"""`qx` in processes that begin with its modules loaded: what of a run is the same each time is done once.

Loading them is three quarters of the 0.6 s of CPU that `qx` takes, and its contract tests run it two hundred
times. Each run is a fork of a server that has loaded them and done nothing else: `python -m
quantix_lab.warm_qx`, which takes a line of JSON for each and answers with a line, its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import quantix_cli
from quantix_cli import main as entrance
from quantix_lab.control_plane import ControlPlane
from quantix_lab.qx_process import TIMEOUT_S, Qx

_OUTPUT, _ERRORS = "output", "errors"


class WarmQx(Qx):
    """As `Qx`, by a server of runs. Output goes through files: neither is a terminal."""

    def __init__(self, control_plane: ControlPlane, server: subprocess.Popen[str]) -> None:
        super().__init__(control_plane)
        self._server = server

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Raises RuntimeError when the server has ended: with a run that took longer than a minute."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with tempfile.TemporaryDirectory() as said:
            asked = {"arguments": arguments, "environment": self.environment(environment), "said": said}
            self._server.stdin.write(json.dumps(asked) + "\n")
            self._server.stdin.flush()
            watchdog = threading.Timer(TIMEOUT_S, self._server.kill)
            watchdog.start()
            answer = self._server.stdout.readline()
            watchdog.cancel()
            if not answer:
                raise RuntimeError(f"qx {' '.join(arguments)} took longer than {TIMEOUT_S:.0f} s")
            output, errors = (Path(said, name).read_text() for name in (_OUTPUT, _ERRORS))
        return subprocess.CompletedProcess(arguments, int(answer), output, errors)


@contextmanager
def warm_qx(control_plane: ControlPlane) -> Iterator[WarmQx]:
    """`qx` on that control plane, as long as one is inside."""
    environment = Qx(control_plane).environment({})
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "quantix_lab.warm_qx"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as server:
        try:
            yield WarmQx(control_plane, server)
        finally:
            server.kill()


def serve() -> None:
    """Run what comes by standard input, one after the other."""
    for module in pkgutil.walk_packages(quantix_cli.__path__, "quantix_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(asked: dict[str, Any]) -> NoReturn:
    """Run it in this process, which is nobody's yet, and end with it."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    said = Path(asked["said"])
    for number, path in ((0, Path(os.devnull)), (1, said / _OUTPUT), (2, said / _ERRORS)):
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    # as `python -m quantix_cli.main` leaves them, of which click makes the name of the program
    sys.modules["__main__"], sys.argv = entrance, [str(entrance.__file__), *asked["arguments"]]
    code: object = 1
    try:
        entrance.main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve()
