"""The status fields that the operator owns of a snapshot. Pure; called by apply."""

from __future__ import annotations

from typing import Any

from quantix_operator.diskset.model import VmDisk, chosen_disk
from quantix_operator.snapshot.model import Choose


def chosen_status(chosen: Choose) -> dict[str, Any]:
    """Of manager `quantix-scheduler`."""
    return {
        "host": chosen.host,
        "virtualMachineUID": chosen.vm.metadata.uid,
        "disks": [_disk(disk) for disk in chosen.disks],
    }


def _disk(disk: VmDisk) -> dict[str, Any]:
    assert disk.volume is not None
    return chosen_disk(disk) | ({"encrypted": True} if disk.volume.spec.encryption is not None else {})
