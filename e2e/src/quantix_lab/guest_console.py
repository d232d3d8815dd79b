"""Types into a guest's serial console as a user's script would: through `qx vm console` in a pipe."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from quantix_lab.machine import Machine
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.vm_manifests import READY
from quantix_lab.waiting import wait_for

_LOOK_S = 0.05


class GuestConsole:
    """An open console. `said` is everything that came from the guest so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._keys = process.stdin
        self._screen = process.stdout.fileno()
        self._heard: list[bytes] = []
        self._reader = threading.Thread(target=self._follow, daemon=True)
        self._reader.start()

    @property
    def said(self) -> str:
        return b"".join(self._heard).decode(errors="replace")

    def run(self, command: str, *, until: str, timeout_s: float = 40.0) -> str:
        """Type a command, wait until the guest printed `until` after it; what it printed since."""
        before = len(self.said)
        self._keys.write(f"{command}\r")
        self._keys.flush()
        return self.wait(until, after=before, timeout_s=timeout_s)

    def ask(self, command: str, *, timeout_s: float = 40.0) -> str:
        """What a command prints, without the echo of the line that asks for it and what the guest says of
        itself meanwhile.
        """
        # the shell shows what it is told: quotes keep the marks out of that
        marked = f'echo "begun"-here; {command}; echo "ended"-here'
        said = self.run(marked, until="ended-here", timeout_s=timeout_s)
        printed = said.partition("begun-here")[2].partition("ended-here")[0].replace("\r", "")
        return "\n".join(line for line in printed.splitlines() if READY not in line).strip()

    def until(self, command: str, wanted: str, *, timeout_s: float = 40.0) -> None:
        """Wait until a command prints this word."""

        def look() -> tuple[bool, object]:
            said = self.ask(command)
            return wanted in said.split(), said

        wait_for(f"{command} to say {wanted}", look, timeout_s)

    def wait(self, text: str, *, after: int = 0, timeout_s: float = 40.0) -> str:
        """What was printed from character `after` on, once `text` is part of it. Raises AssertionError,
        also where `qx` ends before.
        """

        def look() -> tuple[bool, object]:
            ended = self._process.poll()
            if ended is not None:
                self._reader.join(5)
            if ended is not None and text not in self.said[after:]:
                said = f"{self.said[-1500:]}{self._complaint()}"
                raise AssertionError(f"ended with {ended} before {text!r} was on the console: {said}")
            return text in self.said[after:], self.said[-1500:]

        wait_for(f"{text!r} on the console", look, timeout_s, _LOOK_S)
        return self.said[after:]

    def wait_for_end(self, timeout_s: float = 40.0) -> int:
        """The exit code of `qx vm console`, once it ends by itself."""
        return self._process.wait(timeout_s)

    def _follow(self) -> None:
        while chunk := os.read(self._screen, 4096):
            self._heard.append(chunk)

    def _complaint(self) -> str:
        """All of its standard error, once it has ended."""
        return self._process.stderr.read() if self._process.stderr is not None else ""

    def close(self) -> str:
        """End `qx`; what it said on standard error."""
        self._process.terminate()
        self._process.wait(20)
        self._reader.join(20)
        said = self._complaint()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        return said


def wait_booted(
    view: MachineView, name: str, *, on: MachineView | None = None, timeout_s: float = 90.0
) -> Manifest:
    """A VM of the guest image once it runs and its guest has said so on its console; `on` is its host, where
    that is not the machine of `view`.
    """
    vm = view.wait_ready(name, reason="Running", timeout_s=timeout_s)

    def look() -> tuple[bool, object]:
        # the log holds earlier boots, too
        said = (on or view).printed(vm)[-3000:]
        return READY in said, said[-300:]

    try:
        wait_for(f"the guest of {name} to boot", look, timeout_s)
    except AssertionError as error:
        # of QEMU 7.2 some hang early under TCG: where, is seen as long as it is there only
        raise AssertionError(f"{error}; {(on or view).registers(vm)}") from error
    return vm


@contextmanager
def guest_console(machine: Machine, name: str, *, boot_s: float = 90.0) -> Iterator[GuestConsole]:
    """`qx vm console NAME` in a pipe, from its first prompt on; ended afterwards."""
    console = GuestConsole(machine.start_qx("vm", "console", name, "--take"))
    try:
        console.run("", until="# ", timeout_s=boot_s)
        yield console
    finally:
        console.close()
