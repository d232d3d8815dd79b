"""The end of a VM: what is still to do before its finalizer may go.

Pure; called by the controller for a VM with a deletionTimestamp. Order (api.md, "Deleting a VM"): hostd
reports the domain Absent → ports and addresses → Volumes let go → the finalizer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from quantix_api import VirtualMachine
from quantix_operator.virtualmachine.volume_model import DeleteVolume, PatchVolume, VolumeView
from quantix_operator.virtualmachine.volume_plan import render_release


def plan_release(
    vm: VirtualMachine, volumes: Mapping[str, VolumeView], in_vain: Collection[str] = ()
) -> tuple[PatchVolume | DeleteVolume, ...]:
    """Take the VM's mark off its Volumes. Owner references stay: the collector deletes by them, and would try
    for ever with one that is protected, so that loses its reference and stays. `in_vain`: the UIDs of those
    that go with the VM whatever their reclaimPolicy (`made_in_vain`).
    """
    actions: list[PatchVolume | DeleteVolume] = []
    for volume in volumes.values():
        if volume.vm_uid != vm.metadata.uid:
            continue
        goes = not volume.is_protected
        actions.append(render_release(volume, vm.metadata.uid, keep_reference=goes))
        if volume.uid in in_vain:
            actions.append(DeleteVolume(volume.name, volume.uid))
    return tuple(actions)


def still_attached(vm: VirtualMachine, volumes: Mapping[str, VolumeView]) -> tuple[str, ...]:
    """Volumes whose `attachedTo` still names it; the volume controller takes it off."""
    return tuple(sorted(item.name for item in volumes.values() if vm.metadata.uid in item.attached_to))
