"""What each VM counts for in the figures of its Host. Pure; summed up by the host controller."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from enum import Enum, auto

from quantix_api import VirtualMachine
from quantix_api.compute import memory_request_bytes
from quantix_client.api import Manifest
from quantix_operator.scheduling.sizing import granted_sizing
from quantix_operator.scheduling.started import started_with
from quantix_operator.scheduling.unread import what_is_known


class Figure(Enum):
    """What is summed up, for each host."""

    VMS = auto()
    CPUS = auto()
    MEMORY_BYTES = auto()


def amounts(vm: VirtualMachine) -> Mapping[Hashable, int]:
    """By figure and host: with what its devices take, also those that it has until its next start."""
    assignment, size = vm.status.assignment, granted_sizing(vm)
    if assignment is None or assignment.host is None:
        return {}
    if size is None:
        return _on(assignment.host, 0, 0)
    devices = len(started_with(vm, size).device_classes)
    memory_bytes = memory_request_bytes(size.memory_bytes, devices)
    has = _on(assignment.host, size.cores, memory_bytes)
    move = vm.status.migration
    if move is None or move.target_host == assignment.host:
        return has
    # where it comes to it is promised room, and is not yet
    return {
        **has,
        (Figure.CPUS, move.target_host): size.cores,
        (Figure.MEMORY_BYTES, move.target_host): memory_bytes,
    }


def amounts_unread(vm: Manifest) -> Mapping[Hashable, int]:
    """Of a VM that no model reads: it is one, with what can be read of it."""
    found = what_is_known(vm)
    return {} if found is None else _on(found.host, found.cpus or 0, found.memory_bytes or 0)


def _on(host: str, cpus: int, memory_bytes: int) -> Mapping[Hashable, int]:
    figures = {Figure.VMS: 1, Figure.CPUS: cpus, Figure.MEMORY_BYTES: memory_bytes}
    return {(figure, host): amount for figure, amount in figures.items()}
