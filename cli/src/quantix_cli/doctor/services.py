"""The installation on this machine: its processes, and whether what they serve answers."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from quantix_api.layout import Layout
from quantix_api.message_text import cause_of
from quantix_cli.doctor.findings import STOPPED, Finding, good, problem, unknown
from quantix_cli.measures import how_long
from quantix_cli.supervision.complaints import last_complaint
from quantix_cli.supervision.service import Running, Supervisor
from quantix_cli.supervision.table import Installation, services

_ANSWER_S = 2.0
_MOST_BYTES = 64 * 1024
_AS_ROOT = "qx doctor as root"
_LOGS = "qx support-bundle collects their logs"
# RFC 7047, section 4.1.11
_ECHO = json.dumps({"method": "echo", "params": ["qx"], "id": "qx"}).encode()
_HEALTH = b"GET /healthz HTTP/1.0\r\n\r\n"


def processes(layout: Layout, supervisor: Supervisor, python: Path) -> list[Finding]:
    """Which of the installation's processes run."""
    if not layout.data.is_dir():
        return [unknown("processes", f"Quantix is not installed here: there is no {layout.data}", "make up")]
    if os.geteuid() != 0:
        return [unknown("processes", "only root may ask the supervisor", _AS_ROOT)]
    table = services(Installation(layout, "", python, "", controlplane=python))
    known = [service for service in table if supervisor.is_defined(service.name)]
    running = supervisor.observe(known)
    words = {name: last_complaint(supervisor, name) for name in restless(running)}
    return judged(running, words, is_own=layout.control_plane_data.is_dir())


def restless(running: Mapping[str, Running]) -> list[str]:
    """Names of those that end and begin anew again and again. Pure."""
    return [name for name, found in running.items() if found.begins_again_and_again]


def judged(running: Mapping[str, Running], words: Mapping[str, str], *, is_own: bool) -> list[Finding]:
    """What it means which processes run; `words` are the last of those that cannot stay up. Pure."""
    if not running:
        said = STOPPED if is_own else "none are started on this machine"
        return [problem("processes", said, "make up")]
    again = restless(running)
    down = [name for name, found in running.items() if not found.pid and name not in again]
    unsteady = [problem("processes", _told(running[name], words.get(name, "")), _LOGS) for name in again]
    if down:
        said = f"{len(running) - len(down) - len(again)} of {len(running)} run; not {', '.join(down)}"
        return [problem("processes", said, f"make up; {_LOGS}"), *unsteady]
    return unsteady or [good("processes", f"all {len(running)} run")]


def _told(found: Running, words: str) -> str:
    last = f"the last time {how_long(found.up_s)} ago" if found.pid else "and does not run right now"
    ended = f"{found.name} ended {found.restarts} times and was begun anew, {last}"
    return f"{ended}: {cause_of(words)}" if words else ended


def sockets(layout: Layout, *, is_member: bool = False) -> list[Finding]:
    """Whether libvirt, OVN, Open vSwitch and hostd answer on their sockets; a member of another machine's
    cluster has none of OVN.
    """
    if not layout.data.is_dir() or os.geteuid() != 0:
        return []
    own_switch = layout.openvswitch_run / "db.sock"
    switch = (
        own_switch if (layout.data / "openvswitch/conf.db").exists() else Path("/run/openvswitch/db.sock")
    )
    central = () if is_member else (layout.ovn_nb_socket, layout.ovn_sb_socket)
    found = [
        answering("libvirt", layout.libvirt_socket, b"", b""),
        *(answering("OVN", database, _ECHO, b'"qx"') for database in central),
        answering("Open vSwitch", switch, _ECHO, b'"qx"'),
        answering("hostd", layout.hostd_socket, _HEALTH, b" 200 "),
    ]
    return merged(found)


def answering(check: str, path: Path, question: bytes, expected: bytes) -> Finding:
    """Whether whoever listens on a unix socket answers; without a question, whether anybody listens."""
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(_ANSWER_S)
            asked.connect(str(path))
            asked.sendall(question)
            answer = asked.recv(_MOST_BYTES) if question else b""
    except TimeoutError:
        return problem(check, f"{path} does not answer within {_ANSWER_S:.0f} s", "qx support-bundle")
    except OSError as error:
        return problem(check, f"{path}: {error.strerror or error}", "make up")
    if expected not in answer:
        return problem(check, f"{path} answers with something else", "qx support-bundle")
    return good(check, "answers")


def merged(findings: Sequence[Finding]) -> list[Finding]:
    """Each once: several that are good and about the same say it together. Pure."""
    return list(dict.fromkeys(findings))
