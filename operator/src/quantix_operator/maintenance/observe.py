"""From cached objects to what is decided about hosts in maintenance. Reads the cache only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quantix_api import Host, VirtualMachine, VirtualMachineMigration
from quantix_api.resources import LABEL_MAINTENANCE_OF
from quantix_client.api import Manifest
from quantix_operator.indexers import assigned_host, migrations_of
from quantix_operator.maintenance.model import Observed, Staying, goes_anyhow
from quantix_operator.migration.observe import coming_to, moves_under_way, world_of
from quantix_operator.migration.prospects import BytesComing, local_volumes, prospect_of
from quantix_operator.objects import Objects
from quantix_operator.scheduling.host_reading import lost_since
from quantix_operator.scheduling.model import World

IN_MAINTENANCE = "true"


def in_maintenance(host: Manifest) -> Iterable[str]:
    """IN_MAINTENANCE for a host that is to be emptied."""
    return (IN_MAINTENANCE,) if (host.get("spec") or {}).get("maintenance") else ()


def made_for_maintenance(migration: Manifest) -> Iterable[str]:
    """IN_MAINTENANCE for a migration that was made to empty a host, until it is over."""
    made = LABEL_MAINTENANCE_OF in (migration["metadata"].get("labels") or {})
    return (IN_MAINTENANCE,) if made and not (migration.get("status") or {}).get("finishedAt") else ()


def observe(objects: Objects) -> Observed:
    """Everything that one pass decides on."""
    hosts = objects.by(Host, in_maintenance, IN_MAINTENANCE)
    uids = {host.metadata.uid for host in hosts}
    made = objects.by(VirtualMachineMigration, made_for_maintenance, IN_MAINTENANCE)
    needless = tuple(item for item in made if item.metadata.labels[LABEL_MAINTENANCE_OF] not in uids)
    coming = coming_to(moves_under_way(objects)) if hosts else BytesComing()
    staying = tuple(item for host in hosts for item in _staying(objects, host, coming))
    # all VMs are looked at only where one of them needs a place
    world = world_of(objects) if staying else World(())
    return Observed(staying, world, tuple(filter(_waits, needless)))


def _waits(migration: VirtualMachineMigration) -> bool:
    return migration.status.started_at is None and not migration.spec.cancel and not migration.deleting


def _staying(objects: Objects, host: Host, coming: BytesComing) -> Iterator[Staying]:
    silent = lost_since(host)
    for vm in objects.by(VirtualMachine, assigned_host, host.metadata.name):
        migrations = objects.by(VirtualMachineMigration, migrations_of, vm.key)
        is_asked = any(item.status.finished_at is None for item in migrations)
        moves = is_asked or vm.status.migration is not None
        if not silent and goes_anyhow(vm, moves=moves):
            continue
        yield Staying(
            vm,
            host.metadata.name,
            host.metadata.uid,
            prospect_of(objects, vm, local_volumes(objects, vm), coming),
            _last_in_vain(migrations, host.metadata.uid),
            silent,
        )


def _last_in_vain(
    migrations: Iterable[VirtualMachineMigration], host_uid: str
) -> VirtualMachineMigration | None:
    ended = {
        item.status.finished_at: item
        for item in migrations
        if item.metadata.labels.get(LABEL_MAINTENANCE_OF) == host_uid
        and item.status.finished_at is not None
        and item.status.phase != "Succeeded"
    }
    return ended[max(ended)] if ended else None
