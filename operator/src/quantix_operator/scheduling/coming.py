"""Room that hosts have promised to migrations whose VMs do not say so yet. Reads the cache only.

Called by `observe`. A migration gets its hosts by one write and is named in its VM by another: until that is
made, too, nothing else tells of the room (docs/adr/0044).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quantix_api import VirtualMachine, VirtualMachineMigration
from quantix_operator.indexers import UNFINISHED, unfinished
from quantix_operator.objects import Objects
from quantix_operator.scheduling.model import Guest, Placed


def coming(objects: Objects, guests: Iterable[tuple[str, Guest | None]]) -> tuple[Placed, ...]:
    """Those of the guests, which are told by their UIDs, that are to come to a host, on that host."""
    targets = dict(_targets(objects))
    if not targets:
        return ()
    return tuple(Placed(guest, targets[uid]) for uid, guest in guests if uid in targets and guest is not None)


def _targets(objects: Objects) -> Iterator[tuple[str, str]]:
    """VM by its UID, and host."""
    for migration in objects.by(VirtualMachineMigration, unfinished, UNFINISHED):
        status = migration.status
        vm = objects.get(VirtualMachine, f"{migration.metadata.namespace}/{migration.spec.virtual_machine}")
        if vm is None or vm.metadata.uid != status.virtual_machine_uid or vm.status.migration is not None:
            continue
        assignment = vm.status.assignment
        if status.target_host and assignment is not None and assignment.host == status.source_host:
            yield vm.metadata.uid, status.target_host
