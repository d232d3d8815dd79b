"""The end of a VM: what is still to do before its finalizer may go.

Pure; called by the controller for a VM with a deletionTimestamp. Order (api.md, "Deleting a VM"): hostd
reports the domain Absent → ports and addresses → Volumes let go → the finalizer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from quantix_api import VirtualMachine
from quantix_operator.virtualmachine.volume_model import Owner, PatchVolume, VolumeView
from quantix_operator.virtualmachine.volume_plan import render_release, without_owner


def plan_release(
    vm: VirtualMachine, volumes: Mapping[str, VolumeView], in_vain: Collection[str] = ()
) -> tuple[PatchVolume, ...]:
    """Take the VM's mark off its Volumes; the collector deletes what it still owns then. What is protected
    loses its owner: the collector would try for ever. `in_vain`: the UIDs of those that go with the VM
    whatever their reclaimPolicy (`made_in_vain`), so that they get it as their owner.
    """
    owner = Owner(vm.metadata.namespace or "", vm.metadata.name, vm.metadata.uid)
    return tuple(
        render_release(volume, _owners_left(owner, volume, in_vain))
        for volume in volumes.values()
        if volume.vm_uid == owner.uid
    )


def _owners_left(owner: Owner, volume: VolumeView, in_vain: Collection[str]) -> list[dict[str, Any]] | None:
    """None where they stay as they are."""
    others = without_owner(volume.owner_references, owner.uid)
    if volume.is_protected:
        return others
    return [*others, owner.reference] if volume.uid in in_vain else None


def still_attached(vm: VirtualMachine, volumes: Mapping[str, VolumeView]) -> tuple[str, ...]:
    """Volumes whose `attachedTo` still names it; the volume controller takes it off."""
    return tuple(sorted(item.name for item in volumes.values() if vm.metadata.uid in item.attached_to))
