"""A cluster whose VMs always want the same, for the balancer's tests: how its hosts fare follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from quantix_api.facts import Fact
from quantix_api.host_labels import HOST_LABEL
from quantix_operator.balance.model import Broken, HostLoad, Mover, Observed, Plan
from quantix_operator.balance.plan import plan_balance
from quantix_operator.balance.rules import broken_rules
from quantix_operator.migration.model import Prospect
from quantix_operator.scheduling.model import GIB, Guest, HostView, Placed, World

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)


def a_host(name: str, gib: int = 64, **different: Any) -> HostView:
    return HostView(name, 16_000, gib * GIB, {HOST_LABEL: name, **different.pop("labels", {})}, **different)


def a_guest(name: str, gib: int = 2, **different: Any) -> Guest:
    usual: dict[str, Any] = {"vcpus": 1, "memory_bytes": gib * GIB, "namespace": "a"}
    return Guest(uid=name, name=name, **(usual | different))


@dataclass(frozen=True)
class Cluster:
    """`where`: the host of each guest; `percent`: what it uses of a host's CPUs, whichever; `local`, `kept`:
    those that have a local disk, or stay for a reason.
    """

    hosts: tuple[HostView, ...]
    guests: tuple[Guest, ...]
    where: Mapping[str, str]
    percent: Mapping[str, int] = field(default_factory=dict)
    local: frozenset[str] = frozenset()
    kept: Mapping[str, Fact] = field(default_factory=dict)
    settling_hosts: frozenset[str] = frozenset()

    @property
    def world(self) -> World:
        return World(self.hosts, tuple(Placed(guest, self.where[guest.uid]) for guest in self.guests))

    def demand(self, host: str) -> int:
        """Of its CPUs, in percent: above 100 they are short."""
        return sum(self.percent.get(guest.uid, 0) for guest in self.guests if self.where[guest.uid] == host)

    def promised_permille(self, host: HostView) -> int:
        there = (guest.memory_bytes for guest in self.guests if self.where[guest.uid] == host.name)
        return sum(there) * 1000 // host.memory_bytes

    def load(self, host: HostView) -> HostLoad:
        demand = self.demand(host.name)
        uses = {guest.uid: self.percent.get(guest.uid, 0) for guest in self.guests}
        return HostLoad(
            name=host.name,
            cpu="High" if demand > 100 else "Low" if demand <= 50 else "Some",
            memory="Low",
            cpu_since=LONG_AGO,
            memory_since=LONG_AGO,
            memory_bytes=host.memory_bytes,
            uses=uses if demand > 100 else {},
        )

    def observed(self) -> Observed:
        return Observed(
            world=self.world,
            broken=self.broken(),
            loads={host.name: self.load(host) for host in self.hosts},
            movers={guest.uid: self.mover(guest) for guest in self.guests},
            settling_hosts=self.settling_hosts,
        )

    def mover(self, guest: Guest) -> Mover:
        host = self.where[guest.uid]
        local = f"{guest.name}-root" if guest.uid in self.local else ""
        return Mover(Prospect(guest, host, f"uid-{host}", self.kept.get(guest.uid)), local)

    def broken(self) -> tuple[Broken, ...]:
        return broken_rules(self.world).rules

    def plan(self) -> Plan:
        return plan_balance(self.observed(), NOW)

    def moved(self, uid: str, host: str) -> Cluster:
        return replace(self, where={**self.where, uid: host})


def moves(plan: Plan) -> dict[str, tuple[str, str]]:
    """Target and cause, by VM."""
    return {item.mover.guest.name: (item.target, item.cause.value) for item in plan.moves}


def stays(plan: Plan) -> dict[str, str]:
    return {item.guest.name: item.why.reason for item in plan.stays}
