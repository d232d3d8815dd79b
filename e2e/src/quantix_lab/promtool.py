"""Prometheus' own checker, for what we serve and ship. No daemon runs: promtool reads files only.

Used by contract tests. A machine without it fails them (FileNotFoundError); `make prepare` installs it.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_PARSED_WITH_COMPLAINTS = 3


@dataclass(frozen=True)
class Checked:
    """`said` is all that promtool wrote."""

    code: int
    said: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def parses(self) -> bool:
        """Whether the text is in Prometheus' format, whatever promtool thinks of its names."""
        return self.code in (0, _PARSED_WITH_COMPLAINTS)


def check_metrics(text: str) -> Checked:
    """`promtool check metrics` on the text of a scrape."""
    return _run("check", "metrics", stdin=text)


def check_config(path: Path) -> Checked:
    """`promtool check config`: the file, and all that it names."""
    return _run("check", "config", str(path))


def check_rules(path: Path) -> Checked:
    """`promtool check rules`."""
    return _run("check", "rules", str(path))


def run_rule_tests(path: Path) -> Checked:
    """`promtool test rules` on a file of tests."""
    return _run("test", "rules", str(path))


def _run(*arguments: str, stdin: str = "") -> Checked:
    done = subprocess.run(
        ["promtool", *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=60
    )
    return Checked(done.returncode, done.stdout + done.stderr)
