"""What of a VM is under way, by cached objects. Reads the cache only; used by whoever waits for its end."""

from __future__ import annotations

from quantix_api import VirtualMachine, VirtualMachineRestore, VirtualMachineSnapshot
from quantix_api.resources import MANAGER_HOSTD
from quantix_client.apply import owned_fields
from quantix_operator.indexers import being_taken_of
from quantix_operator.objects import Objects
from quantix_operator.scheduling.running import host_of


def is_heard(objects: Objects, work: VirtualMachineSnapshot | VirtualMachineRestore) -> bool:
    """Whether its host said how it goes, and nobody contradicted."""
    live = objects.manifest(work) or {"metadata": {}}
    return "phase" in (owned_fields(live, MANAGER_HOSTD, "status").get("status") or {})


def snapshot_under_way(objects: Objects, vm: VirtualMachine) -> str:
    """The snapshot of this VM that a host is taking, "" for none. One of a host that the VM has left is none:
    its moment is over.
    """
    for snapshot in objects.by(VirtualMachineSnapshot, being_taken_of, vm.key):
        is_its = snapshot.status.virtual_machine_uid == vm.metadata.uid
        if is_its and host_of(vm) in ("", snapshot.status.host):
            return snapshot.metadata.name
    return ""
