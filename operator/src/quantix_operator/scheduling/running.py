"""Whether a VM runs, by the word of its host. Pure; used by whoever acts on the disks of VMs."""

from __future__ import annotations

from quantix_api import VirtualMachine


def is_on(vm: VirtualMachine) -> bool:
    """Whether its host said, of this assignment, that the guest runs or is paused."""
    assignment, runtime = vm.status.assignment, vm.status.runtime
    heard = assignment is not None and runtime.observed_epoch == assignment.epoch
    return heard and runtime.domain == "Present" and vm.status.phase in ("Running", "Paused")
