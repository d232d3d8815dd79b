"""The world of migrations with the balancer in it, and the policy that says what it finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from quantix_api.conditions import condition_of
from quantix_api.resources import SCHEDULING_POLICIES, VIRTUAL_MACHINE_MIGRATIONS, Resource
from quantix_api.times import render_time
from quantix_operator.balance.controller import KEY, BalanceController
from quantix_operator.metrics import Metrics
from quantix_operator.policy.balance import Said
from quantix_operator.policy.controller import AcceptedController
from quantix_operator.told import Told

from ..migration.moving_world import Api, Manifest, MovingWorld

AWAY = {"antiAffinity": [{"vmSelector": {"app": "web"}}]}


class ApiOfNow(Api):
    """What is made is made now."""

    async def create(self, resource: Resource, obj: Manifest) -> Manifest:
        made = await super().create(resource, obj)
        made["metadata"]["creationTimestamp"] = render_time(datetime.now(UTC))
        return self.put(made)


class BalancedWorld(MovingWorld):
    """`look_at_balance` is one look of a leader that is `told` what earlier ones found."""

    def __init__(self, hosts: tuple[str, ...] = ("h1", "h2", "h3")) -> None:
        self.metrics = Metrics()
        super().__init__(hosts)

    def restart(self) -> None:
        if not isinstance(self.api, ApiOfNow):
            known, self.api = self.api, ApiOfNow()
            self.api.__dict__.update(known.__dict__)
        super().restart()
        object.__setattr__(self.context, "metrics", self.metrics)
        self.balance_told = Told[Said]()
        self.balance = BalanceController(self.context, self.objects, self.balance_told)
        self.policies = AcceptedController(self.context, SCHEDULING_POLICIES, self.balance_told)

    def mode(self, mode: str, moves: int = 12, **migrations: int) -> None:
        spec = {"balancer": {"mode": mode, "maxMovesPerHour": moves}, "migrations": migrations}
        if "uid-default" in self.api.objects:
            self.wants("default", **spec)
        else:
            self.put(SCHEDULING_POLICIES, "default", spec=spec, namespace=None)

    def web(self, name: str, host: str = "h1", *, shared: bool = True, **spec: Any) -> None:
        """One that is to be away from all others of its kind; `shared`: without a disk of its host."""
        self.vm(name, host, **{"placement": AWAY, **spec})
        vm = self.live(name)
        vm["metadata"]["labels"] = {"app": "web"}
        if shared:
            vm["status"]["resolved"]["disks"] = []
        self.api.put(vm)

    def short_of(self, host: str, resource: str = "CPU", uses: dict[str, int] | None = None) -> None:
        """The host says that it is short, and has been for long; the others that they are not."""
        since = render_time(datetime.now(UTC) - timedelta(hours=1))
        for name in ("h1", "h2", "h3"):
            low: list[Manifest] = [
                {"resource": kind, "level": "Low", "since": since} for kind in ("CPU", "Memory")
            ]
            if name == host:
                (said,) = (item for item in low if item["resource"] == resource)
                shares = [{"uid": f"uid-{vm}", "percent": part} for vm, part in (uses or {}).items()]
                said |= {"level": "High", "virtualMachines": shares}
            self.says(name, pressure=low)

    async def look_at_balance(self, times: int = 1) -> float | None:
        """Passes of the balancer, and of who tells what it found."""
        again_s = None
        for _ in range(times):
            self.learn()
            again_s = await self.balance.reconcile(KEY)
            self.learn()
            if "uid-default" in self.api.objects:
                await self.policies.reconcile("default")
        return again_s

    def made(self) -> dict[str, Manifest]:
        """The migrations of the balancer, by VM."""
        return {vm: item for vm, item in self.asked().items() if self._is_ours(item)}

    def over(self, vm: str, phase: str = "Succeeded", ago: timedelta = timedelta(), **labels: str) -> None:
        """A migration of this VM that ended so long ago."""
        at = render_time(datetime.now(UTC) - ago)
        name = f"over-{vm}"
        self.ask(name, vm, labels=labels)
        hosts = {"sourceHost": "h8", "targetHost": "h9"}
        self.says(name, phase=phase, startedAt=at, finishedAt=at, virtualMachineUID=f"uid-{vm}", **hosts)
        migration = self.live(name)
        migration["metadata"]["creationTimestamp"] = at
        self.api.put(migration)

    def said(self) -> tuple[str, str, str]:
        """Status, reason and message of the policy's Balanced."""
        found = condition_of(self.live("default"), "Balanced")
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")

    def moves(self) -> list[Manifest]:
        found: list[Manifest] = self.live("default")["status"].get("moves", [])
        return found

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"quantix_operator_balancer_{name}", labels) or 0.0

    @staticmethod
    def _is_ours(item: Manifest) -> bool:
        is_migration = item["kind"] == VIRTUAL_MACHINE_MIGRATIONS.kind
        return is_migration and "quantix.io/balancer" in (item["metadata"].get("labels") or {})
