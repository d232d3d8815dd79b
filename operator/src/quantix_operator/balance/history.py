"""What migrations tell of the last hour: how many the balancer made, and what moved or was to. Pure.

Nothing is remembered: whoever leads next reads the same (docs/adr/0051).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from quantix_api import VirtualMachineMigration
from quantix_api.resources import LABEL_BALANCER
from quantix_api.seniority import age_order
from quantix_operator.migration.observe import hosts_of, vm_key

HOUR = timedelta(hours=1)
RESTS_FOR = timedelta(minutes=30)
"""How long a VM that moved, for whatever reason, is not moved again."""
TRIED_AGAIN_AFTER = HOUR
"""How long one is left alone whose migration failed: most often it would fail for the same reason."""
SETTLES_FOR = timedelta(minutes=6)
"""How long after a migration it is not known how its hosts fare: a level counts what was for minutes."""


@dataclass(frozen=True)
class History:
    """`made`: by the balancer within the hour, those left out that ended before they began.
    `vm_rest_minutes`: by key of the VM, for how long it has to have been left alone. `settling_hosts`: those
    that take part in a migration or did lately. `moving`: keys of VMs that move or wait to. `ours`: those of
    the balancer that wait or go on, `waiting`: those of them that have not begun. `last`: by key of the VM,
    the UID of the newest that the balancer made. `busy`: in how many each host takes part; `going_on`: how
    many there are. What others asked for counts in these, and in `settling_hosts`, once it has begun: it may
    wait for ever.
    """

    made: int
    vm_rest_minutes: Mapping[str, int]
    settling_hosts: frozenset[str]
    moving: frozenset[str]
    ours: tuple[VirtualMachineMigration, ...]
    last: Mapping[str, str]
    busy: Mapping[str, int]
    going_on: int

    @property
    def waiting(self) -> tuple[VirtualMachineMigration, ...]:
        return tuple(item for item in self.ours if item.status.started_at is None and not item.spec.cancel)


def history_of(
    migrations: Sequence[VirtualMachineMigration], where: Callable[[str], str], now: datetime
) -> History:
    """Of all migrations that there are; `where`: the host of a VM, by its key, "" for none."""
    by_age = sorted(migrations, key=age_order)
    made_by_us = [item for item in by_age if is_ours(item)]
    still = [item for item in by_age if item.status.finished_at is None]
    taking_part = [item for item in still if is_ours(item) or item.status.started_at is not None]
    named = [host for item in taking_part for host in _hosts(item, where(vm_key(item)))]
    settling = {host for item in by_age if _settles(item, now) for host in hosts_of(item)}
    rests = [(vm_key(item), minutes) for item in by_age if (minutes := _rests_for(item, now))]
    return History(
        made=sum(_counts(item, now) for item in made_by_us),
        # of several the longest
        vm_rest_minutes=dict(sorted(rests, key=lambda item: item[1])),
        settling_hosts=frozenset({*named, *settling}),
        moving=frozenset(map(vm_key, still)),
        ours=tuple(item for item in still if is_ours(item)),
        last={vm_key(item): item.metadata.uid for item in made_by_us},
        busy=Counter(named),
        going_on=len(taking_part),
    )


def _hosts(migration: VirtualMachineMigration, source: str) -> tuple[str, ...]:
    """Those that it is about; of one that waits the target only where it is named."""
    waits = (source, migration.spec.target_host)
    return hosts_of(migration) or tuple(name for name in waits if name)


def _counts(migration: VirtualMachineMigration, now: datetime) -> bool:
    created, status = migration.metadata.creation_timestamp, migration.status
    came_to_nothing = status.finished_at is not None and status.started_at is None
    return created is not None and created + HOUR > now and not came_to_nothing


def _settles(migration: VirtualMachineMigration, now: datetime) -> bool:
    finished = migration.status.finished_at
    return finished is not None and finished + SETTLES_FOR > now


def _rests_for(migration: VirtualMachineMigration, now: datetime) -> int:
    """In minutes; 0: its VM may be moved again."""
    status = migration.status
    if status.finished_at is None or (status.phase == "Cancelled" and status.started_at is None):
        return 0
    in_vain = TRIED_AGAIN_AFTER if is_ours(migration) else timedelta()
    rest = RESTS_FOR if status.phase == "Succeeded" else in_vain
    return rest // timedelta(minutes=1) if status.finished_at + rest > now else 0


def is_ours(migration: VirtualMachineMigration) -> bool:
    """Whether the balancer made it."""
    return LABEL_BALANCER in migration.metadata.labels
