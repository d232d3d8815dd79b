"""From cached objects to what a pass over all migrations decides on. Reads the cache only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from quantix_api import Host, SchedulingPolicy, VirtualMachine, VirtualMachineMigration, Volume
from quantix_operator.migration.model import Limits, Move, Observed
from quantix_operator.migration.prospects import (
    BytesComing,
    bytes_by_pool,
    local_volumes,
    prospect_of,
    shared_volumes,
    volumes_of,
)
from quantix_operator.migration.turns import in_turn
from quantix_operator.objects import Objects
from quantix_operator.scheduling.host_reading import silent_hosts
from quantix_operator.scheduling.model import World
from quantix_operator.scheduling.observe import observe as observe_placement
from quantix_operator.scheduling.pass_plan import places_of
from quantix_operator.scheduling.running import host_of
from quantix_operator.vmwork.observe import snapshot_under_way
from quantix_operator.volumedata.moving import next_pool


def observe(objects: Objects) -> Observed:
    """Everything that one pass decides on."""
    migrations = objects.list(VirtualMachineMigration)
    begun = [_begun(objects, item) for item in migrations if item.status.started_at is not None]
    coming = coming_to(begun)
    waiting = [_waiting(objects, item, coming) for item in migrations if item.status.started_at is None]
    return Observed(
        in_turn((*begun, *waiting)),
        # what goes on needs no place any more
        world_of(objects) if any(move.prospect for move in waiting) else World(()),
        limits_of(objects),
        silent_hosts(
            objects.list(Host), {name for move in (*begun, *waiting) for name in _hosts_about(move)}
        ),
    )


def world_of(objects: Objects) -> World:
    """Hosts, and what is promised on them; a VM that moves takes its room on both."""
    placement = observe_placement(objects)
    places = (place for item in placement.candidates for place in places_of(item))
    return World(placement.hosts, (*places, *placement.coming))


def limits_of(objects: Objects) -> Limits:
    policy = objects.get(SchedulingPolicy, "default")
    if policy is None:
        return Limits()
    return Limits(policy.spec.migrations.per_host, policy.spec.migrations.per_cluster)


def moves_under_way(objects: Objects) -> Iterator[Move]:
    """Those that have begun and not ended, of VMs that are there."""
    for migration in objects.list(VirtualMachineMigration):
        move = _begun(objects, migration)
        if move.vm is not None and move.goes_on:
            yield move


def coming_to(moves: Iterable[Move]) -> BytesComing:
    """Data that is on its way to a host, by host and pool."""
    coming: BytesComing = BytesComing()
    for move in moves:
        if move.goes_on:
            for pool, size in bytes_by_pool(move.volumes).items():
                coming[move.migration.status.target_host or "", pool] += size
    return coming


def _begun(objects: Objects, migration: VirtualMachineMigration) -> Move:
    vm = objects.get(VirtualMachine, vm_key(migration))
    if vm is None or vm.metadata.uid != migration.status.virtual_machine_uid:
        return Move(migration)
    begun = Move(migration, vm, local_volumes(objects, vm), shared_volumes(objects, vm))
    if begun.is_named or begun.is_over:
        return begun
    # before the VM says that it moves others may begin with it
    return replace(begun, snapshot=snapshot_under_way(objects, vm), displaced=_displaced(objects, vm))


def _waiting(objects: Objects, migration: VirtualMachineMigration, coming: BytesComing) -> Move:
    vm = objects.get(VirtualMachine, vm_key(migration))
    if vm is None or migration.status.finished_at is not None:
        return Move(migration, vm)
    volumes = local_volumes(objects, vm)
    prospect = prospect_of(objects, vm, volumes, coming)
    return Move(
        migration,
        vm,
        volumes,
        prospect=prospect,
        snapshot=snapshot_under_way(objects, vm),
        displaced=_displaced(objects, vm),
    )


def _displaced(objects: Objects, vm: VirtualMachine) -> Volume | None:
    return next((one for one in volumes_of(objects, vm) if next_pool(one)), None)


def vm_key(migration: VirtualMachineMigration) -> str:
    """The key of the VM that it is about."""
    return f"{migration.metadata.namespace}/{migration.spec.virtual_machine}"


def _hosts_about(move: Move) -> tuple[str, ...]:
    """The hosts that it is about; of one that waits the one that its VM is on."""
    here = host_of(move.vm) if move.vm is not None else ""
    return hosts_of(move.migration) or ((here,) if here else ())


def hosts_of(migration: VirtualMachineMigration) -> tuple[str, ...]:
    """The two hosts, once they are chosen."""
    status = migration.status
    return tuple(name for name in (status.source_host, status.target_host) if name)
