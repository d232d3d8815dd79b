"""What a VM waits for: the operator's decisions, volumes, networks, media. Pure; called by `observe`.

A VM that is to start waits for all of it. For a guest that runs only the devices that wait are left out, and
of its size, and of what it has of its host to itself, what it was given counts until the operator has decided
anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from quantix_api import VirtualMachine, volume_name
from quantix_api.compute import compute_of, granted_compute, granted_devices
from quantix_api.errors import QuantixError, WaitingError
from quantix_api.message_table_phrases import VOLUME_OF_DISK
from quantix_api.messages import as_error, as_wait
from quantix_api.quantities import size_bytes
from quantix_api.vm_status import Resolved
from quantix_hostd.claims import CephPool, PoolKey
from quantix_hostd.virtualmachine.desired import VolumeState

_ROOM_LOOK_S = 10.0


def is_decided(vm: VirtualMachine) -> bool:
    """Whether the operator has ever said how the VM is run: without that there is no domain at all."""
    resolved = vm.status.resolved
    return resolved is not None and resolved.uuid is not None and resolved.memory is not None


def unresolved(vm: VirtualMachine) -> WaitingError | None:
    """The wait for the operator, in the words of the first of its conditions that is False; None when
    `resolved` and `nics` cover spec.
    """
    missing = _missing_parts(vm)
    if not missing:
        return None
    for name in ("VolumesReady", "NetworkReady", "SizeGranted"):
        said = vm.status.condition(name)
        if said is not None and said.status == "False":
            return WaitingError(said.reason, said.message)
    return as_error(WaitingError, "Starting", what=", ".join(missing))


def device_waits(
    vm: VirtualMachine, volumes: Collection[VolumeState], others: Mapping[str, QuantixError]
) -> dict[str, QuantixError]:
    """What each device of spec waits for, by name. `others`: the waits of NICs and CD-ROMs for their
    networks and media.
    """
    states = {volume.disk: volume for volume in volumes}
    waits = dict(others)
    for disk in vm.spec.disks:
        state = states.get(disk.name)
        if state is None:
            waits[disk.name] = as_error(
                WaitingError, "Creating", volume=VOLUME_OF_DISK.format(disk=disk.name)
            )
        elif state.place is None:
            waits[disk.name] = WaitingError(state.reason, state.message)
    resolved, wait = vm.status.resolved, unresolved(vm)
    if resolved is not None and wait is not None:
        waits |= {name: wait for name, _ in _missing_devices(vm, resolved)}
    return waits


def waits_for_room(
    vm: VirtualMachine, volumes: Collection[VolumeState], full: Mapping[PoolKey, str], *, runs: bool
) -> dict[str, QuantixError]:
    """What each disk in a full pool in Ceph waits for, by name: QEMU, whose writes do not fail there, would
    hang in whatever is done with one (adr/0047). In a directory QEMU says itself when it is full.
    """
    name = vm.metadata.name
    who = {"stalled": name} if runs else {"starting": name}
    return {
        volume.disk: as_wait("PoolFull", _ROOM_LOOK_S, pool=key.name, full=full[key], **who)
        for volume in volumes
        if volume.place is not None and isinstance(key := volume.place.pool, CephPool) and key in full
    }


def _missing_parts(vm: VirtualMachine) -> tuple[str, ...]:
    """What the operator has not resolved yet, in words."""
    resolved = vm.status.resolved
    if resolved is None or resolved.uuid is None:
        return ("how it is run",)
    devices = (words for _, words in _missing_devices(vm, resolved))
    return (*devices, *_missing_size(vm, resolved))


def _missing_devices(vm: VirtualMachine, resolved: Resolved) -> Iterator[tuple[str, str]]:
    """Names of devices, and what of each is not resolved, in words."""
    slots = {device.name for device in resolved.devices}
    disks = {(disk.name, disk.volume) for disk in resolved.disks}
    nics = {nic.name for nic in vm.status.nics if nic.port and nic.mac}
    for disk in vm.spec.disks:
        # the volume that it named before stays resolved until the one that it names now is there
        if (disk.name, disk.volume or volume_name(vm.metadata.name, disk.name)) not in disks:
            yield disk.name, f"disk {disk.name}"
    yield from ((nic.name, f"NIC {nic.name}") for nic in vm.spec.nics if nic.name not in nics)
    for devices in (vm.spec.disks, vm.spec.nics, vm.spec.host_devices):
        yield from ((item.name, f"the slot of {item.name}") for item in devices if item.name not in slots)


def _missing_size(vm: VirtualMachine, resolved: Resolved) -> Iterator[str]:
    """A growth that its host has no room for is not waited for: the VM has what it was given."""
    if resolved.memory is None:
        yield "memory.size"
        return
    granted = vm.status.condition("SizeGranted")
    if granted is not None and granted.status == "False":
        return
    cores, memory = vm.spec.cpu.cores, vm.spec.memory.size
    if cores is not None and cores != resolved.cores:
        yield "cpu.cores"
    if memory and size_bytes(memory) != size_bytes(resolved.memory):
        yield "memory.size"
    yield from _undecided(vm)


def _undecided(vm: VirtualMachine) -> Iterator[str]:
    """What spec wants to itself, or no more, and the operator has not decided on."""
    asked, has, devices = compute_of(vm), granted_compute(vm), granted_devices(vm)
    if asked.dedicated != has.dedicated:
        yield "cpu.dedicated"
    if asked.numa != has.numa:
        yield "cpu.numa"
    if asked.hugepages != has.hugepages:
        yield "memory.hugepages"
    for device in vm.spec.host_devices:
        if devices.get(device.name) != device.class_:
            yield f"hostDevices[{device.name}]"
