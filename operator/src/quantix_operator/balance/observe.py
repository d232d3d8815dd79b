"""From cached objects to what the balancer decides on. Reads the cache only; what takes long has a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from quantix_api import Host, SchedulingPolicy, VirtualMachine, VirtualMachineMigration
from quantix_api.facts import Fact, fact
from quantix_api.host import HostPressure
from quantix_api.message_table_phrases import IS_EMPTIED, IS_LEAVING_HOST
from quantix_api.scheduling_policy import Balancer
from quantix_operator.balance.history import History, history_of
from quantix_operator.balance.load import promised_permille, troubles
from quantix_operator.balance.model import HostLoad, Mover, Observed
from quantix_operator.balance.rules import broken_rules
from quantix_operator.migration.model import Limits
from quantix_operator.migration.observe import coming_to, limits_of, moves_under_way, vm_key, world_of
from quantix_operator.migration.prospects import BytesComing, local_volumes, prospect_of
from quantix_operator.objects import Objects
from quantix_operator.scheduling import host_reading
from quantix_operator.scheduling.model import Placed, World
from quantix_operator.scheduling.occupancy import Occupancy
from quantix_operator.scheduling.running import host_of, runs

POLICY = "default"


@dataclass(frozen=True)
class Situation:
    """`balancer`: what the policy asks of it; `limits`: of all migrations; the rest is the look."""

    balancer: Balancer
    limits: Limits
    history: History
    observed: Observed
    loads: Mapping[str, HostLoad]
    shares: Mapping[str, int]

    @property
    def moves_left(self) -> int:
        """How many may still be made within this hour."""
        return max(0, self.balancer.max_moves_per_hour - self.history.made)


async def situation_of(objects: Objects, now: datetime, *, calm: bool = False) -> Situation:
    """Everything that one look decides on; `calm`: it is known that no VM would be better off elsewhere."""
    policy = objects.get(SchedulingPolicy, POLICY)
    balancer = policy.spec.balancer if policy is not None else Balancer()
    history = history_of(objects.list(VirtualMachineMigration), lambda vm: _host_of(objects, vm), now)
    hosts = objects.list(Host)
    held = held_by(hosts)
    loads = {host.metadata.name: load_of(host, policy) for host in hosts}
    world = World(()) if held is not None or calm else _with_wishes(objects, world_of(objects))
    occupancy = Occupancy(world)
    shares = {host.name: promised_permille(host, occupancy) for host in world.hosts}
    troubled = {name for name, share in shares.items() if troubles(loads[name], share, now)}
    # frozen values: the leader goes on meanwhile
    broken = await asyncio.to_thread(broken_rules, world)
    movers = _movers(objects, world, troubled, broken.concerned, history)
    observed = Observed(
        world=world,
        broken=broken.rules,
        loads=loads,
        movers={mover.guest.uid: mover for mover in movers},
        settling_hosts=history.settling_hosts,
        unsettled=_unsettled(objects),
        held=held,
    )
    return Situation(balancer, limits_of(objects), history, observed, loads, shares)


def _host_of(objects: Objects, key: str) -> str:
    vm = objects.get(VirtualMachine, key)
    return host_of(vm) if vm is not None else ""


def held_by(hosts: Iterable[Host]) -> Fact | None:
    """Why nothing is moved at all: what a host is that comes, goes, or is away."""
    for host in sorted(hosts, key=lambda host: host.metadata.name):
        drained = host.status.condition("Drained")
        if host.spec.maintenance and drained is not None and drained.status == "True":
            continue  # whatever becomes of it, it has no VMs and takes none
        what = host_reading.not_ready(host)
        if host.deleting:
            what = IS_LEAVING_HOST
        elif host.spec.maintenance and not what:
            what = IS_EMPTIED
        if what:
            return fact("Balanced", "Unknown", "BalanceHeld", host=host.metadata.name, what=what)
    return None


def load_of(host: Host, policy: SchedulingPolicy | None) -> HostLoad:
    """How the host fares, by its own word."""
    said: dict[str, HostPressure] = {item.resource: item for item in host.status.pressure}
    cpu, memory = said.get("CPU"), said.get("Memory")
    limits = host_reading.overcommit(host, policy)
    promised = host_reading.promised_memory_bytes(host, limits)
    return HostLoad(
        name=host.metadata.name,
        cpu=cpu.level if cpu else "",
        memory=memory.level if memory else "",
        cpu_since=cpu.since if cpu else None,
        memory_since=memory.since if memory else None,
        cpus=host.status.cpus or 1,
        memory_bytes=promised * 100 // limits.memory_percent,
        uses={item.uid: item.percent for item in cpu.virtual_machines} if cpu else {},
    )


def _with_wishes(objects: Objects, world: World) -> World:
    """With each VM last where a migration that has not begun is to bring it."""
    wishes = {
        vm_key(item): item.spec.target_host
        for item in objects.list(VirtualMachineMigration)
        if item.status.finished_at is None and item.spec.target_host
    }
    if not wishes:
        return world
    coming = [
        Placed(placed.guest, target)
        for placed in world.placed
        if (target := wishes.get(f"{placed.guest.namespace}/{placed.guest.name}"))
    ]
    return World(world.hosts, (*world.placed, *coming))


def _unsettled(objects: Objects) -> frozenset[str]:
    """Namespaces of VMs that wait to be moved to wherever there is room."""
    return frozenset(
        item.metadata.namespace or ""
        for item in objects.list(VirtualMachineMigration)
        if item.status.started_at is None and item.status.finished_at is None and not item.spec.target_host
    )


def _movers(
    objects: Objects, world: World, troubled: Collection[str], concerned: Collection[str], history: History
) -> Iterator[Mover]:
    """The VMs on hosts that are short, and those that have to do with broken rules."""
    known = {host.name for host in world.hosts}
    coming: BytesComing | None = None
    for placed in world.placed:
        guest = placed.guest
        if guest.uid not in concerned and placed.host not in troubled:
            continue
        vm = objects.get(VirtualMachine, f"{guest.namespace}/{guest.name}")
        if vm is None or vm.key in history.moving or not _is_movable(vm):
            continue
        coming = coming if coming is not None else coming_to(moves_under_way(objects))
        volumes = local_volumes(objects, vm)
        prospect = prospect_of(objects, vm, volumes, coming)
        if prospect is not None and prospect.source in known:
            yield Mover(
                prospect,
                local=volumes[0].metadata.name if volumes else "",
                policy=vm.spec.migration.on_maintenance,
                rest_minutes=history.vm_rest_minutes.get(vm.key, 0),
            )


def _is_movable(vm: VirtualMachine) -> bool:
    """Whether it runs and is to go on: of others there is nothing to balance."""
    is_wanted = vm.spec.power_state == "Running" and not vm.deleting
    return is_wanted and vm.status.migration is None and runs(vm)
