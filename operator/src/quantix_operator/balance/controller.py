"""Looks whether VMs would be better off elsewhere, says so, and moves them where that is wanted. Run by the
dispatcher, one look at the cluster a call.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from quantix_api import SchedulingPolicy, VirtualMachine
from quantix_api.message_text import cause_of
from quantix_api.messages import render
from quantix_api.resources import (
    HOSTS,
    LABEL_BALANCER,
    SCHEDULING_POLICIES,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
    Resource,
)
from quantix_client.workqueue import WorkQueue
from quantix_operator.balance.calm import is_calm
from quantix_operator.balance.due import plan_due
from quantix_operator.balance.history import History
from quantix_operator.balance.model import Better, Cause, Plan
from quantix_operator.balance.observe import POLICY, situation_of
from quantix_operator.balance.plan import plan_balance
from quantix_operator.balance.status import derive_said, new_moves
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.migration.asking import Asking, Wish, name_of
from quantix_operator.objects import Objects
from quantix_operator.parts import host_as_load, migration_but_progress, spec_alone, vm_as_balanced
from quantix_operator.passes import Pace, one_key
from quantix_operator.policy.balance import Said, said_over
from quantix_operator.scheduling.running import host_of
from quantix_operator.told import Told

KEY = "balance"
_PAUSE_S = 2.0
# what time alone changes: how long a host has been short, a VM rested, and the hour of the cap
_LOOK_S = 30.0
# of the process' time that looks may take
_SHARE = 0.02

_THIS = one_key(KEY)


class BalanceController:
    """`await reconcile("balance")`."""

    name = "balance"
    concurrency = 1
    resource: Resource | None = None
    watches: Mapping[Resource, Mapper] = {
        HOSTS: OnChangeOf(host_as_load, _THIS),
        VIRTUAL_MACHINES: OnChangeOf(vm_as_balanced, _THIS),
        VIRTUAL_MACHINE_MIGRATIONS: OnChangeOf(migration_but_progress, _THIS),
        SCHEDULING_POLICIES: OnChangeOf(spec_alone, _THIS),
    }

    def __init__(self, context: Context, objects: Objects, told: Told[Said]) -> None:
        self._cache, self._events = context.cache, context.events
        self._metrics = context.metrics
        self._objects, self._told = objects, told
        self._asking = Asking(context)
        self._policies: WorkQueue | None = None
        self._pace = Pace(context.clock, _SHARE, _PAUSE_S)

    def attach(self, queues: Mapping[str, WorkQueue]) -> None:
        """The policy says what was found."""
        self._policies = queues.get(SCHEDULING_POLICIES.kind.lower())

    async def reconcile(self, key: str) -> float | None:
        """One look; returns when time alone may have changed what it finds."""
        await self._pace.rest()
        with self._pace.working():
            return await self._look()

    async def _look(self) -> float | None:
        now = datetime.now(UTC)
        policy = self._objects.get(SchedulingPolicy, POLICY)
        mode = policy.spec.balancer.mode if policy is not None else "Off"
        if mode == "Off" and is_calm(self._objects):
            self._tell(Said(), Plan(), held=False)
            return None
        situation = await situation_of(self._objects, now, calm=is_calm(self._objects))
        if mode != "Automatic" or situation.observed.held is not None:
            for migration in situation.history.waiting:
                await self._asking.cancel(migration)
        if mode == "Off":
            self._tell(Said(), Plan(), held=False)
            return None
        # frozen values from here on: the leader goes on meanwhile
        plan = await asyncio.to_thread(plan_balance, situation.observed, now)
        due = plan_due(situation, plan) if mode == "Automatic" else ()
        made = [better for better in due if await self._make(better, situation.history)]
        said = derive_said(situation, plan, made)
        self._tell(said, plan, held=situation.observed.held is not None)
        return None if plan == Plan() and not situation.history.ours else _LOOK_S

    async def _make(self, better: Better, history: History) -> bool:
        """Whether the move was asked for, or is already; False where the VM has moved or gone meanwhile."""
        guest = better.mover.guest
        vm = self._objects.get(VirtualMachine, f"{guest.namespace}/{guest.name}")
        if vm is None or vm.metadata.uid != guest.uid or host_of(vm) != better.source:
            return False
        name = name_of(vm, KEY, history.last.get(vm.key, ""))
        wish = Wish(vm, name, (LABEL_BALANCER, better.cause.value), better.target)
        if await self._asking.make(wish) is not None:
            return False
        self._tell_of_move(better, vm)
        return True

    def _tell_of_move(self, better: Better, vm: VirtualMachine) -> None:
        self._metrics.balancer_migrations.labels(better.cause.value).inc()
        fields = {"name": vm.metadata.name, "source": better.source, "target": better.target}
        said = render("BalancerMoves", why=cause_of(better.why.message), **fields)
        about = (self._objects.manifest(vm), self._cache.get(SCHEDULING_POLICIES, POLICY))
        for live in about:
            if live is not None:
                self._events.record(live, said.reason, said.text, action="Balance", reporter="scheduler")

    def _tell(self, said: Said, plan: Plan, *, held: bool) -> None:
        """To the policy, what has changed; the first time after a change of leader all of it."""
        self._metrics.balancer_held.set(held)
        due = Counter(move["reason"] for move in said.moves)
        for cause in Cause:
            self._metrics.balancer_moves_due.labels(cause.value).set(due[cause.value])
        live = self._cache.get(SCHEDULING_POLICIES, POLICY)
        if live is not None and said.balanced is not None and said.balanced.reason == "MovesRecommended":
            known = said_over(self._told, live.get("status") or {}).moves
            for move in new_moves(said, known):
                fields = {"name": move["virtualMachine"], "target": move["targetHost"]}
                text = render("MoveRecommended", why=cause_of(move["message"]), **fields)
                self._events.record(live, text.reason, text.text, action="Recommend", reporter="scheduler")
        if said != self._told.found:
            self._told.found = said
            if self._policies is not None:
                self._policies.add(POLICY)
