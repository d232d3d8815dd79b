"""What the API says of this machine's host and of the clocks, when it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from quantix_api import resources
from quantix_api.errors import QuantixError
from quantix_api.message_text import cause_of, hint_of
from quantix_cli import fetch
from quantix_cli.doctor.findings import KVM, Finding, good, note, problem
from quantix_cli.exits import CommandError
from quantix_cli.host_conditions import GRAVE, OF_ITS_STATE, TO_KNOW, complaints
from quantix_cli.measures import how_long
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation
from quantix_cli.session import Session

# a Lease is renewed every 2 s and by the clock of its host
_AHEAD_S = 2.0
_KVM = "KVMAvailable"


def platform(invocation: Invocation, host: str) -> list[Finding]:
    """Whether the API answers, and what it says of `host`."""

    async def ask(session: Session) -> list[Finding]:
        begun = time.monotonic()
        seen = await fetch.world(session)
        took_ms = int((time.monotonic() - begun) * 1000)
        found = [good("control plane", f"answers in {took_ms} ms"), *clocks(seen.lease_ages_s)]
        hosts = await fetch.visible_of(session, NOUNS["host"]) or []
        return [*found, *said_of(host, hosts)]

    return _answered(invocation, ask)


def platform_of_member(invocation: Invocation, host: str) -> list[Finding]:
    """The same as this machine's hostd sees it, which is all that a member may."""
    kubeconfig = str(invocation.settings.layout.hostd_kubeconfig)

    async def ask(session: Session) -> list[Finding]:
        begun = time.monotonic()
        found = await session.api.get(resources.HOSTS, host)
        took_ms = int((time.monotonic() - begun) * 1000)
        server = session.api.access.server
        return [good("control plane", f"{server} answers in {took_ms} ms"), *said_of(host, [found])]

    return _answered(replace(invocation, kubeconfig=kubeconfig), ask)


def _answered(
    invocation: Invocation, ask: Callable[[Session], Coroutine[Any, Any, list[Finding]]]
) -> list[Finding]:
    try:
        return invocation.run(ask)
    except CommandError as error:
        return [problem("control plane", error.message, error.hint)]
    except QuantixError as error:
        return [problem("control plane", error.message, error.hint)]


def clocks(lease_ages_s: Mapping[str, float]) -> list[Finding]:
    """Hosts whose clock is ahead of this one, by the time that they wrote into their Lease. Pure."""
    return [
        problem(
            "clock", f"that of {host} is {how_long(-age)} ahead of this one", "set both by one time server"
        )
        for host, age in sorted(lease_ages_s.items())
        if age < -_AHEAD_S
    ]


def said_of(name: str, hosts: Sequence[Manifest]) -> list[Finding]:
    """What the Host of this machine complains of. Pure."""
    host = next((host for host in hosts if host["metadata"]["name"] == name), None)
    if host is None:
        return []
    found, tried = [], []
    for condition in complaints(host, *GRAVE, *TO_KNOW, *OF_ITS_STATE):
        message = str(condition.get("message", ""))
        said = cause_of(message) or str(condition.get("reason"))
        if condition.get("type") == _KVM:
            tried.append(note(KVM, said, hint_of(message)))
            continue
        tell = problem if condition.get("type") in GRAVE else note
        found.append(tell(f"host {name}", f"{said} ({condition.get('reason')})", hint_of(message)))
    # its phase is told when nothing else is
    return [*(found or [good(f"host {name}", f"is {look(host, 'status.phase', 'unknown')}")]), *tried]
