"""The status fields that the operator owns of a restore. Pure; called by apply."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from quantix_api import VirtualMachine
from quantix_api.facts import render_conditions, subject_in
from quantix_api.resources import VIRTUAL_MACHINE_RESTORES
from quantix_client.api import Manifest
from quantix_operator.diskset.model import VmDisk
from quantix_operator.restore.model import Choose, Leave, Tell


def told_status(live: Manifest, told: Tell, now: datetime) -> dict[str, Any]:
    """Of manager `quantix-operator`: what is said of it while its host does not."""
    other = told.ready.repeated_as("Stalled" if told.ended else "Reconciling", "True")
    return {
        "phase": told.phase,
        "observedGeneration": int(live["metadata"].get("generation") or 0),
        "conditions": render_conditions([told.ready, other], subject_in(VIRTUAL_MACHINE_RESTORES, live), now),
    }


def left_status(left: Leave) -> dict[str, Any]:
    """Of the same, once its host says how it goes."""
    return {"differences": list(left.differences)} if left.differences else {}


def chosen_status(chosen: Choose) -> dict[str, Any]:
    """Of manager `quantix-scheduler`: written once."""
    return {
        "host": chosen.host,
        "virtualMachineUID": chosen.vm.metadata.uid,
        "snapshotUID": chosen.snapshot.metadata.uid,
        "epoch": _epoch(chosen.vm),
        "disks": [_disk(disk) for disk in chosen.disks],
    }


def _epoch(vm: VirtualMachine) -> int:
    """The highest that was heard of."""
    assignment, runtime = vm.status.assignment, vm.status.runtime
    return max(assignment.epoch if assignment else 0, runtime.observed_epoch, runtime.claim_epoch or 0)


def _disk(disk: VmDisk) -> dict[str, Any]:
    assert disk.volume is not None
    metadata = disk.volume.metadata
    return {"name": disk.name, "volume": metadata.name, "volumeUID": metadata.uid, "pool": disk.pool}
