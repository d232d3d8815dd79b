"""Conditions that tell what would happen: Protected, Migratable, PlacementOK.

Pure; called by `status` for a VM that has a host. Protected is what would really happen if the host died,
not a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quantix_api import VirtualMachine
from quantix_api.address_space import HOST_PASSTHROUGH
from quantix_api.compute import compute_of, granted_devices
from quantix_api.facts import Fact, fact


@dataclass(frozen=True)
class Standing:
    """Where a VM stands. `local_disk`, `local_medium`: names of the first whose data only this host has;
    the `broken_*` name the VMs that a rule of its placement is about and that break it.
    """

    host: str
    other_hosts: int = 0
    local_disk: str = ""
    local_medium: str = ""
    selector_broken: bool = False
    broken_affinity: Sequence[str] = ()
    broken_anti_affinity: Sequence[str] = ()


def protection_facts(vm: VirtualMachine, standing: Standing) -> tuple[Fact, ...]:
    return _protected(vm, standing), _migratable(vm, standing), _placement(standing)


def _protected(vm: VirtualMachine, standing: Standing) -> Fact:
    if standing.other_hosts == 0:
        return fact("Protected", "False", "NoOtherHost")
    if vm.spec.ha.restart == "Never":
        return fact("Protected", "False", "PolicyNever")
    if standing.local_disk:
        return fact("Protected", "False", "LocalStorage", disk=standing.local_disk, host=standing.host)
    if vm.spec.host_devices:
        device = vm.spec.host_devices[0].name
        return fact("Protected", "False", "HostDevice", device=device, host=standing.host)
    # True only once a dead host can be fenced and its VMs restarted, which Quantix does not do yet
    return fact("Protected", "False", "NoFencing", host=standing.host)


def _migratable(vm: VirtualMachine, standing: Standing) -> Fact:
    if standing.other_hosts == 0:
        return fact("Migratable", "False", "NoOtherHost")
    if vm.spec.migration.on_maintenance == "Block":
        return fact("Migratable", "False", "PolicyBlock")
    return keeps_it_there(vm, standing) or fact("Migratable", "True", "Migratable")


def keeps_it_there(vm: VirtualMachine, standing: Standing) -> Fact | None:
    """What no other host can give a guest that runs; as Migratable says it."""
    if vm.spec.host_devices or granted_devices(vm):
        names = [device.name for device in vm.spec.host_devices] or list(granted_devices(vm))
        return fact("Migratable", "False", "HostDevice", device=names[0], host=standing.host)
    if compute_of(vm).model == HOST_PASSTHROUGH or _started_with_passthrough(vm):
        return fact("Migratable", "False", "CPUPassthrough")
    if standing.local_medium:
        return fact("Migratable", "False", "LocalMedium", device=standing.local_medium, host=standing.host)
    return None


def _started_with_passthrough(vm: VirtualMachine) -> bool:
    """What runs keeps its CPU until its next start, whatever spec says since."""
    return vm.status.resolved is not None and vm.status.resolved.cpu_model == HOST_PASSTHROUGH


def _placement(standing: Standing) -> Fact:
    if standing.selector_broken:
        return fact("PlacementOK", "False", "SelectorBroken", host=standing.host)
    for reason, others in (
        ("AffinityBroken", standing.broken_affinity),
        ("AntiAffinityBroken", standing.broken_anti_affinity),
    ):
        if others:
            return fact("PlacementOK", "False", reason, others=", ".join(others[:3]), host=standing.host)
    return fact("PlacementOK", "True", "AsAsked")
