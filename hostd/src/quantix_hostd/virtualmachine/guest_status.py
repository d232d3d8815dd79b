"""What of a guest's own words stands in the status of its VM: the agent, the system inside, addresses. Pure.

Called by `status`. What the guest says is shown beside what the platform assigned, and never instead of it.
While it is not known yet whether the agent answers (hostd has just started), what was said before stays.
"""

from __future__ import annotations

from quantix_api.facts import Fact, fact
from quantix_api.times import render_epoch_time
from quantix_hostd.virtualmachine.observed import Observed

MAX_REPORTED = 16
"""Addresses that a guest may have itself called by, besides its assigned ones."""
_AGENT = "AgentConnected"


def agent_fact(observed: Observed) -> Fact:
    """The condition AgentConnected of a guest that runs."""
    assert observed.vm is not None
    agent, before = observed.agent, observed.vm.status.condition(_AGENT)
    if not agent.known and observed.agent_channel and before is not None:
        return Fact(_AGENT, before.status, before.reason, before.message)
    if agent.refuses:
        return fact(_AGENT, "False", "Refused")
    if agent.silent:
        at = render_epoch_time(agent.heard_wall_s)
        return fact(_AGENT, "False", "Silent", at=at, name=observed.vm.metadata.name)
    if agent.report is not None:
        return fact(_AGENT, "True", "Connected")
    return fact(_AGENT, "False", "NotInstalled")


def guest_words(observed: Observed) -> dict[str, str] | None:
    """`status.guest`; None while the agent has said nothing."""
    assert observed.vm is not None
    report = observed.agent.report
    if report is None:
        known = observed.vm.status.guest if _is_unknown_yet(observed) else None
        return known.model_dump(by_alias=True, exclude_none=True) if known is not None else None
    said = {"hostname": report.hostname, "os": report.os, "kernel": report.kernel}
    return {name: text for name, text in said.items() if text} or None


def guest_addresses(observed: Observed) -> list[str]:
    """`status.addresses`: the assigned ones, then those that the guest has on a NIC of the VM besides."""
    assert observed.vm is not None
    assigned = [address for nic in observed.vm.status.nics for address in nic.addresses]
    return [*assigned, *_reported(observed, assigned)]


def _reported(observed: Observed, assigned: list[str]) -> list[str]:
    assert observed.vm is not None
    report = observed.agent.report
    if report is None:
        known = observed.vm.status.addresses if _is_unknown_yet(observed) else ()
        return [address for address in known if address not in assigned][:MAX_REPORTED]
    macs = {nic.mac for nic in observed.vm.status.nics}
    own = (item.address for item in report.addresses if item.mac in macs)
    return list(dict.fromkeys(address for address in own if address not in assigned))[:MAX_REPORTED]


def _is_unknown_yet(observed: Observed) -> bool:
    return observed.agent_channel and not observed.agent.known
