"""Where a VM is, and whether it runs by the word of its host.

Pure; used by whoever moves VMs or acts on their disks.
"""

from __future__ import annotations

from quantix_api import VirtualMachine


def host_of(vm: VirtualMachine) -> str:
    """The host that it is assigned to, "" for none."""
    return (vm.status.assignment.host or "") if vm.status.assignment is not None else ""


def is_on(vm: VirtualMachine) -> bool:
    """Whether its host said, of this assignment, that the guest runs or is paused."""
    return _is_there(vm) and vm.status.phase in ("Running", "Paused")


def runs(vm: VirtualMachine) -> bool:
    """Whether its host said, of this assignment, that the guest runs."""
    return _is_there(vm) and vm.status.phase == "Running"


def has_just_come(vm: VirtualMachine) -> bool:
    """Whether it was moved to its host, which has not said of this assignment yet that the guest runs."""
    assignment, runtime = vm.status.assignment, vm.status.runtime
    there = vm.status.phase == "Running" and runtime.domain == "Present"
    return there and assignment is not None and (runtime.observed_epoch or 0) < assignment.epoch


def stays_off(vm: VirtualMachine) -> bool:
    """Whether it is not to run: its user has it off, or nobody starts it before somebody says so."""
    held = vm.status.assignment is not None and vm.status.assignment.hold is not None
    return vm.spec.power_state == "Stopped" or held


def _is_there(vm: VirtualMachine) -> bool:
    assignment, runtime = vm.status.assignment, vm.status.runtime
    heard = assignment is not None and runtime.observed_epoch == assignment.epoch
    return heard and runtime.domain == "Present"
