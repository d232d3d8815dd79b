"""Services under systemd: renders units, and drives systemctl.

Used where systemd is the machine's init. The units start at boot; a unit of its own shuts guests down when
the machine does, before anything that they need.
"""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from quantix_api.errors import TransientError
from quantix_cli.supervision import restarts
from quantix_cli.supervision.service import OOM_SCORE, Running, Service, in_start_order
from quantix_cli.supervision.table import GUESTS, HOSTD

UNITS = Path("/etc/systemd/system")
PREFIX = "quantix-"
_SHOWN = ("MainPID", "NRestarts", "ExecMainStartTimestampMonotonic")
MARK = "# Written by qx up; changes are lost.\n"


def unit_name(service_name: str) -> str:
    return f"{PREFIX}{service_name}.service"


def _quoted(word: str) -> str:
    """One word of a command line (systemd.service(5), "Command lines")."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(c in escaped for c in " ;'\"") else escaped


def render_unit(service: Service) -> str:
    """The unit file of a service. `KillMode=process` where a stop must leave the guests alone."""
    after = " ".join(["network.target", *(unit_name(name) for name in service.after)])
    lines = [MARK + "[Unit]", f"Description={service.description}", f"After={after}"]
    if service.after:
        lines.append(f"Wants={' '.join(unit_name(name) for name in service.after)}")
    lines += [restarts.WITHOUT_END.systemd, "", "[Service]", "Type=exec"]
    for mode, directories in itertools.groupby(service.directories, lambda directory: directory.mode):
        paths = " ".join(_quoted(str(directory.path)) for directory in directories)
        lines.append(f"ExecStartPre=/usr/bin/install -d -m {mode:04o} {paths}")
    lines.append(f"ExecStart={' '.join(_quoted(word) for word in service.argv)}")
    lines += [f'Environment="{key}={value}"' for key, value in sorted(service.environment.items())]
    lines += [restarts.ALWAYS.systemd, restarts.PAUSED.systemd, f"TimeoutStopSec={service.stop_timeout_s}"]
    if service.leaves_children:
        lines += ["KillMode=process", "Delegate=yes", "TasksMax=infinity"]
    if service.memory_protected:
        lines.append(f"OOMScoreAdjust={OOM_SCORE}")
    if service.memory_high_bytes:
        lines.append(f"MemoryHigh={service.memory_high_bytes}")
    lines += [
        "LimitNOFILE=65536",
        f"UMask={service.umask:04o}",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return "\n".join(lines)


def render_guests_unit(qx: str) -> str:
    """The unit that shuts guests down with the machine: it starts after hostd, so it is stopped before it."""
    return f"""{MARK}[Unit]
Description=Quantix: shut guests down with the machine
After=network.target {unit_name(HOSTD)}
Requires={unit_name(HOSTD)}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop={_quoted(qx)} down --guests
TimeoutStopSec=infinity

[Install]
WantedBy=multi-user.target
"""


def running_of(name: str, shown: str, now_s: float) -> Running:
    """How a service is, of what `systemctl show` says (org.freedesktop.systemd1(5)); `now_s` is of
    CLOCK_MONOTONIC. What it does not say is 0.
    """
    said = dict(line.partition("=")[::2] for line in shown.splitlines())
    pid, restarts, began_us = (int(said.get(key) or 0) for key in _SHOWN)
    return Running(name, pid, restarts=restarts, up_s=max(0.0, now_s - began_us / 1e6) if pid else 0.0)


class Systemd:
    """The machine's systemd. `qx` is the command that the shutdown unit calls."""

    def __init__(self, qx: str, units: Path = UNITS) -> None:
        self._qx = qx
        self._units = units

    def observe(self, services: Sequence[Service]) -> dict[str, Running]:
        found: dict[str, Running] = {}
        for service in services:
            shown = self._systemctl("show", f"--property={','.join(_SHOWN)}", unit_name(service.name))
            path = self._units / unit_name(service.name)
            changed = not path.exists() or path.read_text() != render_unit(service)
            running = running_of(service.name, shown, time.clock_gettime(time.CLOCK_MONOTONIC))
            found[service.name] = replace(running, changed=changed)
        return found

    def ensure(self, services: Sequence[Service]) -> list[str]:
        before = self.observe(services)
        files = {unit_name(service.name): render_unit(service) for service in services}
        if any(service.name == HOSTD for service in services):
            files[unit_name(GUESTS)] = render_guests_unit(self._qx)
        written = [name for name, text in files.items() if self._write(name, text)]
        if written:
            self._systemctl("daemon-reload")
            self._systemctl("enable", "--quiet", *written)
        touched: list[str] = []
        for service in in_start_order(services):
            if before[service.name].changed or not before[service.name].pid:
                self._systemctl("restart", unit_name(service.name))
                touched.append(service.name)
        if unit_name(GUESTS) in files:
            self._systemctl("start", unit_name(GUESTS))
        return touched

    def stop(self, name: str) -> bool:
        was_running = self._systemctl("show", "--property=MainPID", "--value", unit_name(name)).strip() != "0"
        if (self._units / unit_name(name)).exists():
            self._systemctl("stop", unit_name(name))
        return was_running

    def is_defined(self, name: str) -> bool:
        return (self._units / unit_name(name)).exists()

    def forget(self) -> None:
        ours = [path for path in self._units.glob(f"{PREFIX}*.service") if path.read_text().startswith(MARK)]
        if ours:
            self._systemctl("disable", "--quiet", *(path.name for path in ours))
        for path in ours:
            path.unlink()
        self._systemctl("daemon-reload")

    def last_words(self, name: str, lines: int) -> list[str]:
        argv = ["journalctl", "--no-pager", "-o", "cat", "-n", str(lines), "-u", unit_name(name)]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()

    def _write(self, name: str, text: str) -> bool:
        path = self._units / name
        if path.exists() and path.read_text() == text:
            return False
        partial = path.with_name(f".{name}.partial")
        partial.write_text(text)
        partial.rename(path)
        return True

    def _systemctl(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["systemctl", "--no-ask-password", *arguments],
                capture_output=True,
                text=True,
                timeout=180,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            said = (error.stderr.strip().splitlines() or ["no message"])[-1]
            raise TransientError(
                "SupervisorFailed", f"systemctl {' '.join(arguments[:3])}: {said}", "run qx up again"
            ) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TransientError(
                "SupervisorFailed", f"systemd did not answer: {error}", "run qx up again"
            ) from error
        return done.stdout
