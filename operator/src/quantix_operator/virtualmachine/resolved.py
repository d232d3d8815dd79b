"""`status.resolved`: what the VM gets where its spec leaves it open, kept from start to start.

Pure; called by `status`. While hostd has the VM, what the running QEMU was given stays: device ports, the
order of disks, machine type and automatic CPU model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from quantix_api import VirtualMachine, volume_name
from quantix_api.compute import compute_of
from quantix_api.vm_status import OfType, Resolved, ResolvedDevice, ResolvedDisk
from quantix_operator.scheduling.sizing import Sizing
from quantix_operator.virtualmachine.platform import HostPlatform, common_machine_type, cpu_model


@dataclass(frozen=True)
class ResolveInput:
    """`volume_uids` by Volume name; `running`: there is a QEMU under this assignment. `of_type`: what its
    instance type says, while that is there. `waiting`: names of devices that cannot be had yet; what was
    resolved of them before stays.
    """

    vm: VirtualMachine
    sizing: Sizing
    volume_uids: Mapping[str, str]
    fleet: Sequence[HostPlatform]
    host: str
    running: bool
    of_type: OfType | None = None
    waiting: frozenset[str] = frozenset()


def resolve(given: ResolveInput) -> Resolved:
    """The values for the next start, or for the running guest what it has."""
    vm, spec = given.vm, given.vm.spec
    before = vm.status.resolved or Resolved()
    of_type = (given.of_type or before.of_type) if spec.instance_type else None
    compute = compute_of(vm, of_type)
    names = [name for name in device_names(vm) if name not in given.waiting]
    model = cpu_model(compute.model, given.host, given.fleet)
    automatic_machine = _automatic_machine_type(given, before)
    automatic_model = _automatic_cpu(given, before, model)
    return Resolved(
        generation=vm.metadata.generation,
        uuid=spec.identity.uuid or vm.metadata.uid,
        instance_id=(spec.cloud_init.instance_id if spec.cloud_init else None) or vm.metadata.uid,
        machine_type=spec.identity.machine_type or automatic_machine,
        automatic_machine_type=automatic_machine,
        cpu_model=automatic_model if compute.model == "Auto" else model,
        automatic_cpu_model=automatic_model,
        cpu_features=tuple(
            feature.name if feature.policy == "Require" else f"-{feature.name}"
            for feature in compute.features
        ),
        firmware=_firmware(vm),
        devices=device_ports(names, before.devices, keep_gone=given.running),
        cores=given.sizing.cores,
        max_cores=given.sizing.max_cores,
        memory=given.sizing.memory,
        max_memory=given.sizing.max_memory,
        granted=given.sizing.granted,
        of_type=of_type,
        disks=tuple(_disks(given, before.disks)),
    )


def _automatic_machine_type(given: ResolveInput, before: Resolved) -> str:
    """What it has whenever spec names none. Kept beside a wish: one that is taken back leaves no trace.

    An operator that did not keep it yet kept what was in force: that is it, unless it is the wish.
    """
    if before.automatic_machine_type is not None:
        return before.automatic_machine_type
    in_force, wish = before.machine_type, given.vm.spec.identity.machine_type
    return in_force if in_force and in_force != wish else common_machine_type(given.fleet)


def _automatic_cpu(given: ResolveInput, before: Resolved, model: str) -> str:
    """The same for the CPU, whose model is chosen anew at each start. `model`: what spec comes to."""
    if given.running and before.automatic_cpu_model is not None:
        return before.automatic_cpu_model
    if given.running and before.cpu_model and before.cpu_model != model:
        return before.cpu_model
    return cpu_model("Auto", given.host, given.fleet)


def device_names(vm: VirtualMachine) -> tuple[str, ...]:
    """What sits on a PCI root port of its own; CD-ROMs share the SATA controller."""
    spec = vm.spec
    return tuple(device.name for devices in (spec.disks, spec.nics, spec.host_devices) for device in devices)


def device_ports(
    names: Sequence[str], before: Sequence[ResolvedDevice], *, keep_gone: bool
) -> tuple[ResolvedDevice, ...]:
    """Every device keeps its number; new ones take the lowest free.

    `keep_gone`: numbers of devices that left stay taken, as a running guest may not see another device there.
    """
    ports = {device.name: device.port for device in before if keep_gone or device.name in names}
    for name in names:
        if name not in ports:
            ports[name] = _lowest_free(ports)
    return tuple(ResolvedDevice(name=name, port=port) for name, port in sorted(ports.items(), key=_by_port))


def _by_port(item: tuple[str, int]) -> int:
    return item[1]


def _lowest_free(ports: Mapping[str, int]) -> int:
    taken = set(ports.values())
    return next(port for port in range(1, len(taken) + 2) if port not in taken)


def _disks(given: ResolveInput, before: Sequence[ResolvedDisk]) -> Iterator[ResolvedDisk]:
    """In the order of spec; while the VM has a host the first disk stays first: its claim decides (ha.md)."""
    wanted = {
        disk.name: disk.volume or volume_name(given.vm.metadata.name, disk.name)
        for disk in given.vm.spec.disks
    }
    order = [disk.name for disk in before if disk.name in wanted] if given.running else []
    order += [name for name in wanted if name not in order]
    had = {disk.name: disk for disk in before}
    for name in order:
        uid = given.volume_uids.get(wanted[name])
        if name not in given.waiting and uid is not None:
            yield ResolvedDisk(name=name, volume=wanted[name], volume_uid=uid)
        elif name in given.waiting and name in had:
            yield had[name]


def _firmware(vm: VirtualMachine) -> str:
    if vm.spec.firmware.type == "BIOS":
        return "BIOS"
    return "UEFISecureBoot" if vm.spec.firmware.secure_boot else "UEFI"
