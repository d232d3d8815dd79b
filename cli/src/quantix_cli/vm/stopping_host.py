"""Tells that a VM's start is kept by a host on which Quantix is being stopped (`make down`): nothing starts
there until it is started again, and whoever waits for that waits in vain.

Used by `qx vm start`.
"""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api.conditions import LOST_REASONS, condition_of
from quantix_cli import fetch
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.session import Session

_STOPS = "ShuttingDown"


async def hosts_to_ask(session: Session) -> Sequence[Manifest]:
    """All hosts; none for who may not list them."""
    return await fetch.visible_of(session, NOUNS["host"]) or ()


def stopping_host(vm: Manifest, hosts: Sequence[Manifest]) -> str:
    """The host that keeps the VM from starting until Quantix is started there again, "" for none: its own, or
    where it has none any, once all are being stopped that could start something. Pure.
    """
    stopping = [host["metadata"]["name"] for host in hosts if condition_of(host).get("reason") == _STOPS]
    own = str(look(vm, "status.assignment.host", ""))
    if own:
        # its host's word of the VM is all that some accounts see
        return own if own in stopping or condition_of(vm).get("reason") == _STOPS else ""
    others = [host for host in hosts if host["metadata"]["name"] not in stopping and _may_start(host)]
    return stopping[0] if stopping and not others else ""


def _may_start(host: Manifest) -> bool:
    """Whether a host is heard, and nobody keeps new VMs off it: one whose own trouble may pass counts."""
    closed = look(host, "spec.maintenance") or look(host, "spec.unschedulable")
    return condition_of(host).get("reason") not in LOST_REASONS and not closed
