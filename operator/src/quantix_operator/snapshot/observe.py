"""From cached objects to what a pass over all snapshots decides on. Reads the cache only."""

from __future__ import annotations

from quantix_api import VirtualMachine, VirtualMachineSnapshot
from quantix_api.seniority import age_order
from quantix_operator.diskset.model import Reach
from quantix_operator.diskset.observe import disks_of, reach_of
from quantix_operator.indexers import UNFINISHED, open_or_going
from quantix_operator.objects import Objects
from quantix_operator.scheduling.running import host_of
from quantix_operator.snapshot.model import Observed, Shot
from quantix_operator.vmwork.observe import is_heard, snapshot_under_way


def observe(objects: Objects) -> Observed:
    """Everything that one pass decides on."""
    snapshots = sorted(objects.by(VirtualMachineSnapshot, open_or_going, UNFINISHED), key=age_order)
    if not snapshots:
        return Observed((), Reach())
    shots = tuple(_shot(objects, snapshot) for snapshot in snapshots)
    named = {shot.snapshot.status.host or "" for shot in shots} - {""}
    named |= {host_of(shot.vm) for shot in shots if shot.vm is not None} - {""}
    return Observed(shots, reach_of(objects, named))


def _shot(objects: Objects, snapshot: VirtualMachineSnapshot) -> Shot:
    heard = is_heard(objects, snapshot)
    vm = objects.get(VirtualMachine, f"{snapshot.metadata.namespace}/{snapshot.spec.virtual_machine}")
    if vm is None or snapshot.deleting:
        return Shot(snapshot, heard=heard)
    disks = disks_of(objects, vm, snapshot.spec.disks)
    return Shot(snapshot, vm, disks, snapshot_under_way(objects, vm), heard, _encrypted_disk(objects, vm))


def _encrypted_disk(objects: Objects, vm: VirtualMachine) -> str:
    volumes = ((disk.name, disk.volume) for disk in disks_of(objects, vm, ()))
    return next((name for name, volume in volumes if volume and volume.spec.encryption is not None), "")
