"""The end of a VM: what is still to do before its finalizer may go.

Pure; called by the controller for a VM with a deletionTimestamp. Order (api.md, "Deleting a VM"): hostd
reports the domain Absent → ports and addresses → Volumes let go → the finalizer.
"""

from __future__ import annotations

from collections.abc import Mapping

from quantix_api import VirtualMachine
from quantix_operator.virtualmachine.volume_plan import PatchVolume, VolumeView, render_release


def plan_release(vm: VirtualMachine, volumes: Mapping[str, VolumeView]) -> tuple[PatchVolume, ...]:
    """Take the VM's mark off its Volumes. Owner references stay: the collector deletes by them."""
    return tuple(
        render_release(volume, vm.metadata.uid, keep_reference=True)
        for volume in volumes.values()
        if volume.vm_uid == vm.metadata.uid
    )


def still_attached(vm: VirtualMachine, volumes: Mapping[str, VolumeView]) -> tuple[str, ...]:
    """Volumes whose `attachedTo` still names it; the volume controller takes it off."""
    return tuple(sorted(item.name for item in volumes.values() if vm.metadata.uid in item.attached_to))
