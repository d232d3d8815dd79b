"""Somebody at a terminal of a machine who types what a page of docs/ shows, and reads the answers."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from quantix_lab.checkout import CHECKOUT
from quantix_lab.machine import QX, Machine
from quantix_lab.transcript import Comparison, Exchange


class Typist:
    """Types in `directory`, where `examples/` is that of the checkout. Learns the addresses of a page; keeps
    the variables that it sets. What a regular expression of `places` finds in a command is typed as the path
    beside it. A command may take `patience_s` seconds.
    """

    def __init__(
        self,
        machine: Machine,
        directory: Path,
        places: Mapping[str, str] | None = None,
        patience_s: float = 180.0,
    ) -> None:
        self._machine = machine
        self._directory = directory
        self._patience_s = patience_s
        # a machine of a test has a root of its own in the real one's file system
        below_root = {rf"(?<![\w/])/{place}/": f"{machine.root}/{place}/" for place in ("etc/quantix", "srv")}
        self._places = {**below_root, **(places or {})}
        self._comparison = Comparison()
        (directory / "examples").symlink_to(CHECKOUT / "examples")
        self._variables = shlex.quote(str(directory / "variables"))
        programs = directory / "programs"
        programs.mkdir()
        (programs / "qx").symlink_to(QX)
        (programs / "kubectl").symlink_to(machine.control_plane_binary())
        # without keys in ~/.ssh, and with a terminal that knows more than ASCII, as on the pages
        self._environment = {
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "PATH": f"{programs}:{os.environ['PATH']}",
        }

    def type(self, exchange: Exchange) -> None:
        """Run a command in a shell. Raises AssertionError when it ends with an error or answers otherwise."""
        command = self._comparison.real(exchange.command)
        for place, path in self._places.items():
            command = re.sub(place, path, command)
        # one shell after the other, which keep what a person's one shell would: variables
        script = (
            f"cd {shlex.quote(str(self._directory))}; exec 2>&1; set -a; "
            f"touch {self._variables}; . {self._variables}\n"
            f"trap 'export -p > {self._variables}' EXIT\n{command}\n"
        )
        done = self._machine.run(
            "bash", "-c", script, check=False, timeout_s=self._patience_s, environment=self._environment
        )
        assert done.returncode == 0, f"{command}\nended with {done.returncode}: {done.stdout}"
        fits = self._comparison.fits(exchange.shown, done.stdout)
        assert fits, f"{command}\nsays\n{done.stdout}\nand not\n{exchange.shown}"
