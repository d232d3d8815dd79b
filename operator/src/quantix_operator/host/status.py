"""The operator's part of a Host's status. Pure; called by the host controller.

hostd says how its host is; the operator says what is on it, whether it takes more, and, when it is no longer
heard, that it is Unreachable. A host without shared storage is never more than that: nothing can move
(design/ha.md, Detection).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quantix_api import Host
from quantix_api.errors import TransientError
from quantix_api.facts import Fact, fact, render_conditions, subject_in
from quantix_api.quantities import format_size
from quantix_api.resources import HOSTS
from quantix_client.apply import comparable
from quantix_operator.scheduling import host_reading

LOST_AFTER_S = 8.0


@dataclass(frozen=True)
class Load:
    """How many VMs have the host, and what they were promised. `awaits`: one is on its way to it. `work`: of
    one that is deleted, what it has to do before.
    """

    vms: int = 0
    cpus: int = 0
    memory_bytes: int = 0
    awaits: bool = False
    work: str = ""


@dataclass(frozen=True)
class Observed:
    """`blocked`: Drained of a host that is emptied, where a VM does not leave it. `silent_s` None: it is not
    known. `said_s`: how long ago the operator called the host lost, if ever.
    """

    host: Host
    live: dict[str, Any]
    load: Load
    blocked: Fact | None = None
    silent_s: float | None = None
    said_s: float | None = None


@dataclass(frozen=True)
class Derived:
    """`says_ready`: Ready and phase are in `status`, because hostd cannot say them."""

    status: dict[str, Any]
    says_ready: bool


def derive_status(observed: Observed, now: datetime) -> Derived:
    """Everything that the operator owns of the Host's status."""
    host, load = observed.host, observed.load
    lost = is_lost(observed)
    facts = [_schedulable(host, lost=lost)]
    if host.deleting and is_heard(observed) and not (load.vms or load.awaits or load.work):
        facts.append(fact("Drained", "False", "Draining", host=host.metadata.name))
    elif host.spec.maintenance or load.work:
        facts.append(_drained(load, observed.blocked, _silent_since(host, now) if lost else ""))
    status: dict[str, Any] = {
        "allocated": {
            "cpus": load.cpus,
            "memory": format_size(load.memory_bytes) if load.memory_bytes else "0",
        },
        "virtualMachines": load.vms,
    }
    if lost:
        facts.append(_unreachable(host, now))
        status["phase"] = "Unreachable"
    status["conditions"] = render_conditions(facts, subject_in(HOSTS, observed.live), now)
    return Derived(status, says_ready=lost)


def leaving_status(observed: Observed, error: TransientError, now: datetime) -> dict[str, Any]:
    """The same of a deleted host that cannot go yet: `error` says why."""
    facts = [_schedulable(observed.host, lost=True), Fact("Ready", "False", error.reason, error.message)]
    conditions = render_conditions(facts, subject_in(HOSTS, observed.live), now)
    return derive_status(observed, now).status | {"conditions": conditions, "phase": "Unreachable"}


def only_figures_differ(told: dict[str, Any], status: dict[str, Any]) -> bool:
    """Whether nothing is new but what is on the host."""
    figures = {name: status[name] for name in ("allocated", "virtualMachines")}
    return bool(comparable({"status": told | figures}) == comparable({"status": status}))


def is_heard(observed: Observed) -> bool:
    """Whether its lease was renewed a moment ago."""
    return observed.silent_s is not None and observed.silent_s <= LOST_AFTER_S


def is_lost(observed: Observed) -> bool:
    """Silent for too long; and, once said, until hostd itself says otherwise.

    When the lease is back hostd writes its own Ready over ours; taking ours away before would leave none. A
    hostd that does so before its next beat is alive: it is not contradicted at once.
    """
    if host_reading.lost(observed.host):
        return True
    if observed.silent_s is None or observed.silent_s <= LOST_AFTER_S:
        return False
    return observed.said_s is None or observed.said_s > LOST_AFTER_S


def _unreachable(host: Host, now: datetime) -> Fact:
    """The words stay as they were first said: a message holds no running figure."""
    before = host.status.condition("Ready")
    if before is not None and before.reason == "Unreachable":
        return Fact("Ready", "Unknown", before.reason, before.message)
    return fact("Ready", "Unknown", "Unreachable", at=_silent_since(host, now))


def _silent_since(host: Host, now: datetime) -> str:
    return host_reading.lost_since(host) or now.strftime("%H:%M:%S UTC")


def _schedulable(host: Host, *, lost: bool) -> Fact:
    why = host_reading.closed(host)
    if why == "Cordoned":
        return fact("Schedulable", "False", "Cordoned", host=host.metadata.name)
    if why == "Maintenance":
        return fact("Schedulable", "False", "Maintenance", host=host.metadata.name)
    if lost or why or host_reading.not_ready(host):
        return fact("Schedulable", "False", "NotReady", host=host.metadata.name)
    return fact("Schedulable", "True", "Open")


def _drained(load: Load, blocked: Fact | None, silent_since: str) -> Fact:
    if load.work:
        return fact("Drained", "False", "Draining", work=load.work)
    if not load.vms and not load.awaits:
        return fact("Drained", "True", "Empty")
    if silent_since:
        return fact("Drained", "False", "Blocked", at=silent_since)
    return blocked or fact("Drained", "False", "Draining")
