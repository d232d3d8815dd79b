"""What was found, in one line each, and how it is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from quantix_api.quantities import counted
from quantix_cli.terminal import Terminal

SCHEMA = "cli.quantix.io/v1"
_LABEL_WIDTH = 15
KVM = "KVM"
"""The check that this machine makes, and of which its Host knows more: hostd has tried."""
STOPPABLE = frozenset({"control plane", "processes", "libvirt", "OVN", "Open vSwitch", "hostd"})
"""The checks of what `qx down` stops."""

STOPPED = "Quantix is stopped on this machine, so nothing of it answers"
"""What is told of the processes of a machine of which all were stopped."""


class Verdict(StrEnum):
    """How a check came out; only a problem makes the answer no."""

    GOOD = "Good"
    NOTE = "Note"
    PROBLEM = "Problem"
    UNKNOWN = "Unknown"


_MARKS = {
    Verdict.GOOD: ("✓", "green"),
    Verdict.NOTE: ("▲", "yellow"),
    Verdict.PROBLEM: ("✕", "red"),
    Verdict.UNKNOWN: ("?", "yellow"),
}


@dataclass(frozen=True)
class Finding:
    """One check: what it is about, how it came out and why, and what to do ("" for nothing)."""

    check: str
    verdict: Verdict
    text: str
    hint: str = ""


def good(check: str, text: str) -> Finding:
    """What is as it has to be."""
    return Finding(check, Verdict.GOOD, text)


def problem(check: str, text: str, hint: str = "") -> Finding:
    """What is wrong: the doctor's answer is no."""
    return Finding(check, Verdict.PROBLEM, text, hint)


def note(check: str, text: str, hint: str = "") -> Finding:
    """What is good to know."""
    return Finding(check, Verdict.NOTE, text, hint)


def unknown(check: str, text: str, hint: str = "") -> Finding:
    """What could not be looked at."""
    return Finding(check, Verdict.UNKNOWN, text, hint)


def on_purpose(findings: Sequence[Finding]) -> list[Finding]:
    """While Quantix is being stopped: that, and what is down for that reason as no problem."""
    told = note("processes", "Quantix is being stopped on this machine", "wait until make down has ended")
    calm = [
        note(finding.check, f"{finding.text}: it is being stopped")
        if finding.verdict is Verdict.PROBLEM and finding.check in STOPPABLE
        else finding
        for finding in findings
    ]
    return [told, *calm]


def of_one_cause(findings: Sequence[Finding]) -> list[Finding]:
    """Where nothing of the installation was started: that, without what does not answer for that reason."""
    if not any(finding.check == "processes" and finding.text == STOPPED for finding in findings):
        return list(findings)
    return [
        finding
        for finding in findings
        if finding.check == "processes"
        or finding.check not in STOPPABLE
        or finding.verdict is not Verdict.PROBLEM
    ]


def proven(findings: Sequence[Finding]) -> list[Finding]:
    """Without what is told of KVM by its looks, where the host has tried it: of several the first counts."""
    of_kvm = [place for place, finding in enumerate(findings) if finding.check == KVM]
    return [finding for place, finding in enumerate(findings) if place not in of_kvm[1:]]


def summary(findings: Sequence[Finding]) -> str:
    """`2 problems, 1 thing to know`, or `Healthy`."""
    counts = {verdict: sum(finding.verdict is verdict for finding in findings) for verdict in Verdict}
    parts = [
        counted(counts[Verdict.PROBLEM], "problem") if counts[Verdict.PROBLEM] else "",
        f"{counted(counts[Verdict.NOTE], 'thing')} to know" if counts[Verdict.NOTE] else "",
    ]
    parts.append(f"{counts[Verdict.UNKNOWN]} not looked at" if counts[Verdict.UNKNOWN] else "")
    told = ", ".join(part for part in parts if part)
    return told if counts[Verdict.PROBLEM] else f"Healthy{f', {told}' if told else ''}"


def lines(findings: Sequence[Finding], terminal: Terminal) -> list[str]:
    """One line each, and its way out below it."""
    told = []
    for finding in findings:
        glyph, colour = _MARKS[finding.verdict]
        mark = terminal.paint(terminal.plain(glyph), colour)
        text = " ".join(terminal.plain(finding.text).split("\n"))
        told.append(f"{finding.check:<{_LABEL_WIDTH}}{mark} {text}")
        if finding.hint:
            told.append(f"{'':<{_LABEL_WIDTH}}  Try: {' '.join(terminal.plain(finding.hint).split())}")
    return told


def document(findings: Sequence[Finding], host: str, version: str) -> dict[str, Any]:
    """The same for programs; `apiVersion` changes when a program would have to."""
    checks = [asdict(finding) | {"verdict": str(finding.verdict)} for finding in findings]
    return {"apiVersion": SCHEMA, "kind": "Doctor", "host": host, "version": version, "checks": checks}
