"""A libvirtd of a test's own, started as the product starts its own: in a private mount namespace.

Used by contract and end-to-end tests that need real QEMU. Nothing of the machine's libvirt is touched, and
nothing outside the root; `close` ends what was started, by pid.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from quantix_api.layout import Layout
from quantix_hostd.clients.qemu_account import QemuAccount

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0
_LOGS_TOLD, _LAST_WORDS = 5, 1500
_SOCKETS = {"virtlogd": "virtlogd-sock", "libvirtd": "libvirt-sock"}


class LibvirtHost:
    """libvirtd and virtlogd below a short root that QEMU's user can reach.

    With a switch of the test's own, libvirtd runs in that switch's network namespace: taps appear there.
    """

    def __init__(self, openvswitch_run: Path | None = None, network_namespace: str = "") -> None:
        self.layout = Layout(Path(tempfile.mkdtemp(prefix="qxlv")))
        self.layout.root.chmod(0o755)
        self._openvswitch_run = openvswitch_run
        self._network_namespace = network_namespace
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.layout.libvirt_socket}"

    @property
    def qemu(self) -> QemuAccount:
        """Who guests run as here."""
        return QemuAccount.look_up("libvirt-qemu", "libvirt-qemu")

    def start(self) -> LibvirtHost:
        for name in _SOCKETS:
            self.start_daemon(name)
        return self

    def close(self) -> None:
        """End guests and daemons, remove the root."""
        for pid in self.qemu_pids():
            os.kill(pid, signal.SIGKILL)
        for name in reversed(_SOCKETS):
            self.stop_daemon(name)
        shutil.rmtree(self.layout.root)

    def start_daemon(self, name: str) -> None:
        """Start `virtlogd` or `libvirtd` and wait until it answers; RuntimeError with its log otherwise."""
        path = self.layout.run / "libvirt" / _SOCKETS[name]
        path.unlink(missing_ok=True)
        enter = ["ip", "netns", "exec", self._network_namespace] if self._network_namespace else []
        command = [
            *enter,
            sys.executable,
            "-m",
            "quantix_cli.libvirt_namespace",
            "--root",
            str(self.layout.root),
        ]
        if self._openvswitch_run is not None:
            command += ["--openvswitch-run", str(self._openvswitch_run)]
        with self._log(name).open("ab") as log:
            process = subprocess.Popen([*command, name], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._daemons[name] = process
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            if _answers(path):
                return
            time.sleep(0.02)
        raise RuntimeError(f"{name} does not answer: {self._log(name).read_text()[-2000:]}")

    def stop_daemon(self, name: str, sig: signal.Signals = signal.SIGTERM) -> None:
        """End a daemon; guests live on, as they do when libvirtd dies."""
        process = self._daemons.pop(name, None)
        if process is None:
            return
        process.send_signal(sig)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart_libvirtd(self, sig: signal.Signals = signal.SIGKILL) -> None:
        self.stop_daemon("libvirtd", sig)
        self.start_daemon("libvirtd")

    def daemon_pid(self, name: str) -> int:
        """The process of `virtlogd` or `libvirtd`."""
        return self._daemons[name].pid

    def qemu_pids(self, name: str = "") -> list[int]:
        """The QEMU processes below this root, of one domain or of all."""
        marker = f"{self.layout.root}/"
        return [
            pid
            for pid, items in _command_lines()
            if "qemu-system" in items[0]
            and any(marker in item for item in items)
            and any(f"guest={name}" in item for item in items)
        ]

    def last_words(self) -> list[tuple[str, str]]:
        """Name and end of the newest logs: the daemons', and those of the guests' QEMUs and consoles."""
        told = []
        for path in self.layout.root.rglob("*.log"):
            # a guest that goes meanwhile takes its folder along
            with contextlib.suppress(FileNotFoundError):
                text = path.read_text(errors="replace")
                told.append((path.stat().st_mtime, str(path.relative_to(self.layout.root)), text))
        return [(name, text[-_LAST_WORDS:]) for _, name, text in sorted(told)[-_LOGS_TOLD:]]

    def _log(self, name: str) -> Path:
        return self.layout.root / f"{name}.log"


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def _command_lines() -> list[tuple[int, list[str]]]:
    found = []
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit():
            continue
        try:
            raw = (directory / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append((int(directory.name), raw.decode(errors="replace").split("\0")))
    return found
