"""The status fields that the operator owns of a restore. Pure; called by apply."""

from __future__ import annotations

from typing import Any

from quantix_api import VirtualMachine
from quantix_operator.diskset.model import chosen_disk
from quantix_operator.restore.model import Choose, Leave


def left_status(left: Leave) -> dict[str, Any]:
    """Of manager `quantix-operator`, once its host says how it goes."""
    return {"differences": list(left.differences)} if left.differences else {}


def chosen_status(chosen: Choose) -> dict[str, Any]:
    """Of manager `quantix-scheduler`: written once."""
    return {
        "host": chosen.host,
        "virtualMachineUID": chosen.vm.metadata.uid,
        "snapshotUID": chosen.snapshot.metadata.uid,
        "epoch": _epoch(chosen.vm),
        "disks": [chosen_disk(disk) for disk in chosen.disks],
    }


def _epoch(vm: VirtualMachine) -> int:
    """The highest that was heard of."""
    assignment, runtime = vm.status.assignment, vm.status.runtime
    return max(assignment.epoch if assignment else 0, runtime.observed_epoch, runtime.claim_epoch or 0)
