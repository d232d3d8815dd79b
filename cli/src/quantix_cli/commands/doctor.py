"""`qx doctor`: is this machine, and the installation on it, as they have to be? Needs no API."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import click

from quantix_api.errors import QuantixError
from quantix_cli.doctor.findings import (
    Finding,
    Verdict,
    document,
    lines,
    of_one_cause,
    on_purpose,
    proven,
    summary,
    unknown,
)
from quantix_cli.exits import Exit
from quantix_cli.helping import Verb
from quantix_cli.measures import local_time, utc_now
from quantix_cli.options import Invocation, common_options
from quantix_cli.place import read_place

Check = Callable[[], list[Finding]]


@click.command(
    "doctor",
    cls=Verb,
    short_help="whether this machine and the installation on it are as they have to be",
    examples=("qx doctor", "qx doctor -o json"),
)
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text", show_default=True)
@common_options
def doctor_command(invocation: Invocation, output: str) -> int:
    """Look at this machine and the installation on it: processes, certificates, KVM, disks, clock, libvirt,
    OVN and the API. It changes nothing, and works while the API is away. Exit code 3 when a problem is found.
    """
    findings = examine(invocation)
    host, terminal = host_name(invocation), invocation.terminal
    if output == "json":
        terminal.out(json.dumps(document(findings, host, version("quantix")), indent=2))
    else:
        where = f"{host} · {version('quantix')} · {local_time(utc_now())}"
        terminal.out(f"{terminal.paint(summary(findings), 'bold')}   {terminal.plain(where)}")
        for line in lines(findings, terminal):
            terminal.out(line)
    return Exit.NO if any(finding.verdict is Verdict.PROBLEM for finding in findings) else Exit.DONE


def examine(invocation: Invocation) -> list[Finding]:
    """All that is found; a check that cannot be made says so and keeps no other from being made."""
    from quantix_cli.doctor import certificates, machine, platform, services
    from quantix_cli.supervision.choose import supervisor_of
    from quantix_cli.up.stop.at_work import is_being_stopped

    layout, python, host = invocation.settings.layout, Path(sys.executable), host_name(invocation)
    place = read_place(layout.place)
    is_member = place is not None and place.is_member
    said_by_api = platform.platform_of_member if is_member else platform.platform
    checks: Sequence[tuple[str, Check]] = (
        ("control plane", lambda: said_by_api(invocation, host)),
        ("processes", lambda: services.processes(layout, supervisor_of(layout, python), python)),
        ("sockets", lambda: services.sockets(layout, is_member=is_member)),
        ("certificates", lambda: certificates.certificates(layout)),
        ("KVM", lambda: machine.kvm(host)),
        ("disk", lambda: machine.disks(layout)),
        ("I/O", machine.disk_requests),
        ("clock", machine.clock),
    )
    findings = proven([finding for name, check in checks for finding in looked_at(name, check)])
    return on_purpose(findings) if is_being_stopped(layout) else of_one_cause(findings)


def host_name(invocation: Invocation) -> str:
    """What this machine is called as a host."""
    place = read_place(invocation.settings.layout.place)
    return (place.host if place else "") or invocation.settings.host_name


def looked_at(name: str, check: Check) -> list[Finding]:
    """What a check finds, or why it could not look."""
    try:
        return check()
    except (OSError, QuantixError) as error:
        return [unknown(name, f"it could not be looked at: {error}")]
