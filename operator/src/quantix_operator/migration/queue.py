"""Whose turn it is: within the limits, and where `beginning` has a host for it.

A `Queue` lives for one pass and reads nothing but what was observed. It keeps count: the room and the turns
that one migration gets, those after it do not.
"""

from __future__ import annotations

from collections import Counter

from quantix_api import VirtualMachine
from quantix_api.facts import Fact, fact
from quantix_api.message_table_phrases import (
    ARRIVES_YET,
    CLUSTER_BUSY,
    HOST_BUSY,
    MOVES_ALREADY,
    STARTS_YET,
)
from quantix_api.resources import LABEL_BALANCER, LABEL_MAINTENANCE_OF
from quantix_operator.migration.beginning import not_running, others_first, refused, where_to
from quantix_operator.migration.model import Move, Observed, Prospect
from quantix_operator.migration.verdicts import cancelled, failed, queued, waits_for_silent
from quantix_operator.scheduling.model import World
from quantix_operator.scheduling.occupancy import Occupancy
from quantix_operator.scheduling.running import has_just_come, host_of, runs
from quantix_operator.vmwork.telling import Tell


class Queue:
    """Asked for one migration after the other, in their order."""

    def __init__(self, observed: Observed) -> None:
        self._world, self._limits, self._silent = observed.world, observed.limits, observed.silent
        self._occupancy = Occupancy(observed.world)
        self._moving: dict[str, str] = {}
        self._busy: Counter[str] = Counter()
        for move in observed.moves:
            if move.goes_on or move.is_named:
                status = move.migration.status
                self._count(move, status.source_host or "", status.target_host or "")

    def _count(self, move: Move, source: str, target: str) -> None:
        uid = move.migration.status.virtual_machine_uid or (move.vm.metadata.uid if move.vm else "")
        self._moving[uid] = move.migration.metadata.name
        self._busy.update((source, target))

    def ask(self, move: Move) -> str | Tell:
        """The host that it goes to, which is its from now on; or why it waits, or never begins."""
        vm, prospect = move.vm, move.prospect
        if vm is None:
            missing = move.migration.spec.virtual_machine
            return failed(fact("Ready", "False", "NotRunning", missing=missing))
        refusal = not_running(vm) or (prospect.kept_by if prospect is not None else None) or _kept(move, vm)
        if refusal is not None:
            return failed(refusal)
        if prospect is not None and prospect.source_uid != _emptied(move, prospect):
            return cancelled(move)
        if (waits := others_first(move, vm)) is not None:
            return waits
        if vm.metadata.uid not in self._moving and (host := host_of(vm) or "") in self._silent:
            return waits_for_silent(host, self._silent[host])
        what = self._waits_for(vm, prospect)
        if what or prospect is None:
            return queued(what or STARTS_YET.format(name=vm.metadata.name))
        return self._choose(move, vm, prospect)

    def _waits_for(self, vm: VirtualMachine, prospect: Prospect | None) -> str:
        name = vm.metadata.name
        other = self._moving.get(vm.metadata.uid) or (vm.status.migration and vm.status.migration.name)
        if other:
            return MOVES_ALREADY.format(name=name, other=other)
        if has_just_come(vm):
            return ARRIVES_YET.format(name=name, host=host_of(vm))
        if not runs(vm) or prospect is None:
            return STARTS_YET.format(name=name)
        if len(self._moving) >= self._limits.per_cluster:
            return CLUSTER_BUSY.format(count=len(self._moving))
        return self._host_busy(prospect.source)

    def _host_busy(self, host: str) -> str:
        count = self._busy[host]
        return HOST_BUSY.format(host=host, count=count) if count >= self._limits.per_host else ""

    def _choose(self, move: Move, vm: VirtualMachine, prospect: Prospect) -> str | Tell:
        wanted = move.migration.spec.target_host
        name = vm.metadata.name
        if wanted == prospect.source:
            return failed(fact("Ready", "False", "NoHostFits", name=name, target=wanted))
        decision = where_to(prospect, self._world, self._occupancy, wanted)
        if decision.host is None:
            return failed(refused(decision, prospect, name, wanted))
        free = self._world_without_busy()
        chosen = where_to(prospect, free, self._occupancy, wanted).host
        if chosen is None:
            return queued(self._host_busy(decision.host))
        self._occupancy.add(prospect.guest, chosen)
        self._count(move, prospect.source, chosen)
        return chosen

    def _world_without_busy(self) -> World:
        hosts = tuple(host for host in self._world.hosts if not self._host_busy(host.name))
        return World(hosts, self._world.placed)


def _kept(move: Move, vm: VirtualMachine) -> Fact | None:
    """Block keeps a VM from leaving by itself, and from nothing that a person asks for."""
    by_itself = {LABEL_MAINTENANCE_OF, LABEL_BALANCER} & move.migration.metadata.labels.keys()
    if by_itself and vm.spec.migration.on_maintenance == "Block":
        return fact("Ready", "False", "PolicyBlock")
    return None


def _emptied(move: Move, prospect: Prospect) -> str:
    """UID of the host that it helps to empty: once the VM has left that it is needless."""
    return move.migration.metadata.labels.get(LABEL_MAINTENANCE_OF, prospect.source_uid)
