"""What keeps a VM from being run at all, whatever room there is: its UUID is another's, or its spec asks for
something that is not built.

Pure; asked by the scheduler, which gives such a VM no host, and by the VM controller, which makes and
resolves nothing for it and says why. Neither touches a VM that has a host already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from quantix_api import InstanceType, VirtualMachine
from quantix_api.compute import Compute, compute_of
from quantix_api.not_built import refused_parts
from quantix_api.quantities import counted
from quantix_api.seniority import age_order
from quantix_operator.tenancy import as_told


@dataclass(frozen=True)
class Obstacle:
    """What keeps the VM from starting beside volumes, network and room: a reason of Ready and its fields.

    `bars`: it can be given nothing at all, neither a host nor volumes.
    """

    reason: str
    fields: Mapping[str, str] = field(default_factory=dict)
    bars: bool = False


class Identities:
    """Whose each UUID is, among these VMs.

    First whoever did not choose it: its UUID is its own metadata.uid, which the API server made. Then whoever
    was given it already, then the elder. So nobody can take a UUID away by choosing it.
    """

    def __init__(self, vms: Iterable[VirtualMachine]) -> None:
        self._owners: dict[str, VirtualMachine] = {}
        for vm in vms:
            uuid = uuid_of(vm)
            owner = self._owners.get(uuid)
            if owner is None or _rank(vm) < _rank(owner):
                self._owners[uuid] = vm

    def owner(self, vm: VirtualMachine) -> VirtualMachine:
        """The VM that has the UUID which `vm` would run under: most often itself."""
        return self._owners.get(uuid_of(vm), vm)


def barrier(
    vm: VirtualMachine, identities: Identities, instance_type: InstanceType | None
) -> Obstacle | None:
    """What bars the VM, if anything does; `instance_type` is the one that it names, if that is there."""
    owner = identities.owner(vm)
    if owner.metadata.uid != vm.metadata.uid:
        other = as_told(f"VM {owner.key}", f"VM {vm.key}")
        return Obstacle("IdentityConflict", {"uuid": uuid_of(vm), "other": other}, bars=True)
    refused = [*refused_parts(vm.spec)]
    if refused:
        return Obstacle("ConfigRefused", {"path": refused[0]}, bars=True)
    return _misfit(compute_of(vm, instance_type.spec)) if instance_type is not None else None


def _misfit(compute: Compute) -> Obstacle | None:
    """What the API server refuses in one object, and cannot see where a type says one half of it."""
    laid_out = compute.sockets * compute.threads
    for cores in (compute.cores, compute.max_cores):
        if cores is not None and cores % laid_out:
            layout = f"{counted(compute.sockets, 'socket')} × {counted(compute.threads, 'thread')}"
            return Obstacle("ConfigRefused", {"cores": str(cores), "layout": layout}, bars=True)
    return None


def chose_uuid(vm: VirtualMachine) -> bool:
    """Whether its UUID is one that somebody chose: only then it can be another's."""
    return vm.spec.identity.uuid not in (None, vm.metadata.uid)


def uuid_of(vm: VirtualMachine) -> str:
    """The UUID that its guest sees."""
    return vm.spec.identity.uuid or vm.metadata.uid


def _rank(vm: VirtualMachine) -> tuple[bool, bool, tuple[str, str]]:
    resolved = vm.status.resolved
    has_it = resolved is not None and resolved.uuid == uuid_of(vm)
    return chose_uuid(vm), not has_it, age_order(vm)
