"""Services under a supervisord of our own, where systemd is not the init.

Renders its configuration and talks to it over its unix socket (supervisor 4.3, XML-RPC). Programs do not
start by themselves with it: `ensure` starts them in their order, and supervisord restarts those that end.
"""

from __future__ import annotations

import shlex
import subprocess
import time
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_cli import directories
from quantix_cli.supervision import ends, leftovers, restarts
from quantix_cli.supervision.service import OOM_SCORE, UMASK, Running, Service, in_start_order

START_TIMEOUT_S = 20.0
LOG_NAME = "supervisord.log"
# What a service may expect of its environment, and all that it gets besides its own
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
_NOT_RUNNING = 70
_ALREADY_STARTED = 60

T = TypeVar("T")


def render_main(layout: Layout) -> str:
    """The configuration of supervisord itself."""
    return f"""\
[unix_http_server]
file = {layout.run}/supervisor.sock
chmod = 0700

[supervisord]
identifier = quantix
pidfile = {layout.run}/supervisord.pid
logfile = {layout.log}/{LOG_NAME}
logfile_maxbytes = 5MB
logfile_backups = 2
directory = /
umask = {UMASK:03o}
nocleanup = true

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[include]
files = programs/*.conf
"""


def _escaped(text: str) -> str:
    """Supervisor expands `%(name)s` in every value."""
    return text.replace("%", "%%")


def _command(service: Service) -> str:
    """What supervisord runs: the service itself, below the kernel's other choices when memory runs out."""
    if not service.memory_protected:
        return shlex.join(service.argv)
    # a container without CAP_SYS_RESOURCE may not: then the service runs all the same
    protect = f'echo {OOM_SCORE} 2>/dev/null >/proc/self/oom_score_adj; exec "$@"'
    return shlex.join(("/bin/sh", "-c", protect, service.name, *service.argv))


def render_program(service: Service, layout: Layout) -> str:
    """The configuration of one service. A stop signals the process alone: guests are not in its way."""
    environment = {
        **service.environment,
        leftovers.SERVICE_VARIABLE: service.name,
        leftovers.ROOT_VARIABLE: str(layout.root),
    }
    pairs = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(environment.items()))
    return f"""\
[program:{service.name}]
command = {_escaped(_command(service))}
environment = {pairs}
autostart = false
{restarts.ALWAYS.supervisord}
{restarts.PAUSED.supervisord}
{restarts.WITHOUT_END.supervisord}
umask = {service.umask:03o}
stopsignal = TERM
stopwaitsecs = {service.stop_timeout_s}
stopasgroup = false
killasgroup = false
redirect_stderr = true
stdout_logfile = {_escaped(str(layout.log))}/{service.name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""


def running_of(name: str, info: Mapping[str, Any]) -> Running:
    """How a service is, of what `getProcessInfo` says of it; {} where it is not known."""
    pid = int(info.get("pid", 0))
    return Running(name, pid, up_s=max(0.0, float(info["now"] - info["start"])) if pid else 0.0)


class Supervisord:
    """The supervisord of one installation; `python` is the interpreter that it runs with."""

    def __init__(self, layout: Layout, python: Path) -> None:
        self._layout = layout
        self._python = python
        self._folder = layout.etc / "supervisor"
        self._socket = layout.run / "supervisor.sock"
        self._log = layout.log / LOG_NAME

    def observe(self, services: Sequence[Service]) -> dict[str, Running]:
        if not self._answers():
            return {service.name: Running(service.name, changed=True) for service in services}
        active = {info["name"]: info for info in self._ask(lambda server: server.getAllProcessInfo())}
        added, changed, _ = self._ask(lambda server: server.reloadConfig())[0]
        ended = ends.read_ends(self._log)
        return {
            service.name: replace(
                running_of(service.name, active.get(service.name, {})),
                changed=service.name in [*added, *changed] or not self._is_written(service),
                restarts=ended[service.name],
            )
            for service in services
        }

    def ensure(self, services: Sequence[Service]) -> list[str]:
        before = self.observe(services)
        for service in services:
            directories.ensure(service.directories)
            if not self._is_written(service):
                self._write(self._program(service.name), render_program(service, self._layout))
        if not self._answers():
            self._start()
        touched = []
        for service in in_start_order(services):
            if before[service.name].changed:
                self._define(service.name)
            if before[service.name].changed or not before[service.name].pid:
                self._tolerate(_ALREADY_STARTED, methodcaller("startProcess", service.name, False))
                touched.append(service.name)
        return touched

    def stop(self, name: str) -> bool:
        if not self._answers():
            return False
        known = {info["name"] for info in self._ask(lambda server: server.getAllProcessInfo())}
        if name not in known:
            return False
        return self._tolerate(_NOT_RUNNING, lambda server: server.stopProcess(name, True))

    def is_defined(self, name: str) -> bool:
        return self._program(name).exists()

    def forget(self) -> None:
        if self._answers():
            self._ask(lambda server: server.shutdown())
            deadline = time.monotonic() + START_TIMEOUT_S
            while leftovers.find(self._layout.root) and time.monotonic() < deadline:
                time.sleep(0.05)
        leftovers.end(self._layout.root)
        for path in self._folder.glob("programs/*.conf"):
            path.unlink()

    def last_words(self, name: str, lines: int) -> list[str]:
        path = self._layout.log / f"{name}.log"
        return path.read_text(errors="replace").splitlines()[-lines:] if path.exists() else []

    def _define(self, name: str) -> None:
        """Make supervisord take the definition on disk for its own, stopping what runs by an older one."""
        added, changed, _ = self._ask(lambda server: server.reloadConfig())[0]
        if name in changed:
            self._tolerate(_NOT_RUNNING, lambda server: server.stopProcess(name, True))
            self._ask(lambda server: server.removeProcessGroup(name))
        if name in [*added, *changed]:
            self._ask(lambda server: server.addProcessGroup(name))

    def _start(self) -> None:
        # what a supervisord that died left behind would hold the sockets and ports of its successor's
        leftovers.end(self._layout.root)
        places = (self._folder / "programs", self._layout.run, self._layout.log)
        directories.ensure(directories.with_parents(self._layout, *places))
        configuration = self._folder / "supervisord.conf"
        self._write(configuration, render_main(self._layout))
        marks = {leftovers.SERVICE_VARIABLE: "supervisord", leftovers.ROOT_VARIABLE: str(self._layout.root)}
        # -m: the script beside the interpreter is absent until the project itself is installed
        done = subprocess.run(
            [str(self._python), "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(configuration)],
            env=ENVIRONMENT | marks,
            # its own log is opened before it sets the umask that it was told
            umask=UMASK,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if done.returncode != 0 or time.monotonic() > deadline:
                said = (done.stderr.strip().splitlines() or ["it does not answer"])[-1]
                raise TransientError(
                    "SupervisorFailed", f"supervisord did not start: {said}.", "run qx up again"
                )
            time.sleep(0.05)

    def _program(self, name: str) -> Path:
        return self._folder / "programs" / f"{name}.conf"

    def _is_written(self, service: Service) -> bool:
        path = self._program(service.name)
        return path.exists() and path.read_text() == render_program(service, self._layout)

    def _write(self, path: Path, text: str) -> None:
        directories.ensure(directories.with_parents(self._layout, path.parent))
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text)
        partial.chmod(0o640)
        partial.rename(path)

    def _answers(self) -> bool:
        if not self._socket.exists():
            return False
        try:
            return bool(self._call(lambda server: server.getState()))
        except (OSError, xmlrpc.client.Error):
            # nobody listens, or it is about to end
            return False

    def _call(self, question: Callable[[Any], T]) -> T:
        # imported late: supervisor takes 0.2 s, and systemd machines never need it
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        try:
            # the address is not used: the transport knows the socket
            return question(xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor)
        finally:
            transport.close()

    def _ask(self, question: Callable[[Any], T]) -> T:
        try:
            return self._call(question)
        except (OSError, xmlrpc.client.Error) as error:
            raise TransientError(
                "SupervisorFailed", f"supervisord did not do as asked: {error}.", "run qx up again"
            ) from error

    def _tolerate(self, fault: int, question: Callable[[Any], object]) -> bool:
        """Ask; False when the answer is `fault`: it was already so."""
        try:
            self._call(question)
        except xmlrpc.client.Fault as error:
            if error.faultCode == fault:
                return False
            raise TransientError(
                "SupervisorFailed", f"supervisord says {error}.", "run qx up again"
            ) from error
        except OSError as error:
            raise TransientError("SupervisorFailed", f"supervisord: {error}.", "run qx up again") from error
        return True
