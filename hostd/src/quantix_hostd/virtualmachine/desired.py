"""From a VirtualMachine and this host's facts to the domain that should run. Pure.

Called by `observe`. It invents nothing: what spec leaves open must stand in `status.resolved` and
`status.nics`, which the operator writes; until then the VM waits and `missing_parts` says for what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quantix_api import VirtualMachine
from quantix_api.errors import PermanentError, WaitingError
from quantix_api.layout import Layout
from quantix_api.messages import as_error
from quantix_api.quantities import cpu_millis, size_bytes
from quantix_api.vm_status import Resolved
from quantix_hostd.claims import VolumePlace
from quantix_hostd.domainxml import spec as domain

SEED_NAME = "qx_seed"
SEED_UNIT = 5
_SERIAL_LENGTH = 20
_MAX_QUEUES = 8
_TCG_MODEL = "qemu64"
_AUTO_MODEL = "Auto"


@dataclass(frozen=True)
class HostFacts:
    """What the renderer must know of this host. `userspace_switch`: OVS reads taps by AF_PACKET;
    `cpu_controller`: the kernel's control group for CPU time is there.
    """

    name: str
    cluster_uid: str
    boot_id: str
    kvm: bool
    userspace_switch: bool
    machine_type: str
    cpu_controller: bool = False
    bridge: str = "qx-int"
    firmware: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Symbolic firmware name → (loader, NVRAM template)."""


@dataclass(frozen=True)
class VolumeState:
    """A disk's volume as this host sees it; `place` is None while it is not usable, with the reason."""

    disk: str
    volume: str
    uid: str
    place: VolumePlace | None
    size_bytes: int = 0
    wanted_bytes: int = 0
    direct_io: bool = True
    reason: str = ""
    message: str = ""
    pool: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What else the domain is made from: volumes, MTU by NIC, ISO files by CD-ROM."""

    volumes: tuple[VolumeState, ...]
    mtus: Mapping[str, int]
    media: Mapping[str, str | None]


def missing_parts(vm: VirtualMachine) -> tuple[str, ...]:
    """What the operator has not resolved yet, in words; empty when `resolved` and `nics` cover spec."""
    resolved = vm.status.resolved
    if resolved is None or resolved.uuid is None:
        return ("how it is run",)
    ports = {device.name for device in resolved.devices}
    disks = {disk.name for disk in resolved.disks}
    nics = {nic.name for nic in vm.status.nics if nic.port and nic.mac}
    missing = [f"disk {disk.name}" for disk in vm.spec.disks if disk.name not in disks]
    missing += [f"NIC {nic.name}" for nic in vm.spec.nics if nic.name not in nics]
    devices = [disk.name for disk in vm.spec.disks] + [nic.name for nic in vm.spec.nics]
    missing += [f"the slot of {name}" for name in devices if name not in ports]
    return (*missing, *_missing_size(vm, resolved))


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


def not_resolved(vm: VirtualMachine, missing: tuple[str, ...]) -> WaitingError:
    """The wait for the operator, in the words of the first of its conditions that is False."""
    for name in ("VolumesReady", "NetworkReady"):
        said = vm.status.condition(name)
        if said is not None and said.status == "False":
            return WaitingError(said.reason, said.message)
    return as_error(WaitingError, "Starting", what=", ".join(missing))


def desired_domain(
    vm: VirtualMachine, around: Surroundings, facts: HostFacts, layout: Layout, handled_restart_at: str = ""
) -> domain.DomainSpec:
    """The domain of a VM whose parts are all there; raises WaitingError for the first that is not.

    `handled_restart_at` is the newest `spec.restart.at` that this start fulfils.
    """
    missing = missing_parts(vm)
    if missing:
        raise not_resolved(vm, missing)
    resolved = vm.status.resolved
    assert resolved is not None
    assert resolved.uuid is not None
    assert resolved.memory is not None
    uid = vm.metadata.uid
    firmware = domain.Firmware(resolved.firmware or "BIOS")
    console = vm.spec.console
    return domain.DomainSpec(
        identity=_identity(vm, resolved.uuid, handled_restart_at),
        machine_type=resolved.machine_type or facts.machine_type,
        cpu=_cpu(vm, facts),
        memory_bytes=size_bytes(resolved.memory),
        run_dir=str(layout.vm_run(uid)),
        console_log=str(layout.vm_log(uid) / "console.log"),
        kvm=facts.kvm,
        cpu_controller=facts.cpu_controller,
        max_memory_bytes=_optional_bytes(resolved.max_memory),
        os=vm.spec.os,
        firmware=firmware,
        firmware_files=_firmware_files(firmware, facts, layout.vm_data(uid)),
        tpm=vm.spec.firmware.tpm,
        disks=_disks(vm, around),
        cdroms=_cdroms(vm, around, layout.vm_run(uid)),
        nics=_nics(vm, around, facts),
        console=domain.Console(console.serial, console.vnc, console.video),
        smbios=_smbios(vm),
        timezone=vm.spec.clock.timezone,
        boot_menu_seconds=vm.spec.boot.menu_seconds,
        boot_order_chosen=bool(vm.spec.boot.order),
    )


def _identity(vm: VirtualMachine, uuid: str, handled_restart_at: str) -> domain.Identity:
    assignment = vm.status.assignment
    return domain.Identity(
        vm_uid=vm.metadata.uid,
        namespace=vm.metadata.namespace or "",
        name=vm.metadata.name,
        uuid=domain.DomainUuid(uuid),
        epoch=assignment.epoch if assignment else 0,
        generation=vm.metadata.generation,
        handled_restart_at=handled_restart_at,
    )


def _cpu(vm: VirtualMachine, facts: HostFacts) -> domain.Cpu:
    resolved, cpu = vm.status.resolved, vm.spec.cpu
    assert resolved is not None
    if cpu.limit and not facts.cpu_controller:
        raise as_error(PermanentError, "ConfigRefused", field="spec.cpu.limit", host=facts.name)
    cores = resolved.cores or cpu.cores or 1
    wanted = cpu.model if cpu.model != _AUTO_MODEL else resolved.cpu_model or _TCG_MODEL
    names = resolved.cpu_features
    return domain.Cpu(
        model=wanted if facts.kvm else _TCG_MODEL,
        cores=cores,
        max_cores=max(cores, resolved.max_cores or cores),
        sockets=cpu.sockets,
        threads=cpu.threads,
        # TCG has its own set of features: a model's extras are only for KVM
        required=tuple(name for name in names if not name.startswith("-")) if facts.kvm else (),
        disabled=tuple(name[1:] for name in names if name.startswith("-")) if facts.kvm else (),
        weight=cpu.weight,
        limit_millis=cpu_millis(cpu.limit) if cpu.limit else 0,
    )


def _firmware_files(
    firmware: domain.Firmware, facts: HostFacts, vm_data: Path
) -> domain.FirmwareFiles | None:
    found = facts.firmware.get(firmware.value)
    if found is None:
        return None
    return domain.FirmwareFiles(found[0], str(vm_data / "nvram.fd"), found[1])


def _disks(vm: VirtualMachine, around: Surroundings) -> tuple[domain.Disk, ...]:
    ports, boot = _ports(vm), _boot_orders(vm)
    volumes = {volume.disk: volume for volume in around.volumes}
    disks = []
    for disk in vm.spec.disks:
        volume = volumes.get(disk.name)
        if volume is None:
            raise as_error(WaitingError, "Creating", volume=f"The volume of disk {disk.name}")
        if volume.place is None:
            raise WaitingError(volume.reason, volume.message)
        cache = disk.cache.lower()
        disks.append(
            domain.Disk(
                name=disk.name,
                port=ports[disk.name],
                path=str(volume.place.data),
                serial=disk.serial or volume.uid.replace("-", "")[:_SERIAL_LENGTH],
                bus=domain.Bus(disk.bus.lower()),
                cache=cache if volume.direct_io or cache != "none" else "writeback",
                read_only=disk.read_only,
                boot_order=boot.get(disk.name),
                iops=(disk.qos.iops or 0) if disk.qos else 0,
                bytes_per_second=_optional_bytes(disk.qos.bytes_per_second if disk.qos else None),
            )
        )
    return tuple(disks)


def _cdroms(vm: VirtualMachine, around: Surroundings, vm_run: Path) -> tuple[domain.Cdrom, ...]:
    boot = _boot_orders(vm)
    found = [
        domain.Cdrom(cdrom.name, unit, around.media.get(cdrom.name), boot.get(cdrom.name))
        for unit, cdrom in enumerate(vm.spec.cdroms)
    ]
    if vm.spec.cloud_init is not None:
        found.append(domain.Cdrom(SEED_NAME, SEED_UNIT, str(vm_run / "seed.iso")))
    return tuple(found)


def _nics(vm: VirtualMachine, around: Surroundings, facts: HostFacts) -> tuple[domain.Nic, ...]:
    ports, boot = _ports(vm), _boot_orders(vm)
    status = {nic.name: nic for nic in vm.status.nics}
    cores = (vm.status.resolved.cores if vm.status.resolved else None) or 1
    return tuple(
        domain.Nic(
            name=nic.name,
            port=ports[nic.name],
            switch_port=domain.SwitchPortName(status[nic.name].port or ""),
            mac=status[nic.name].mac or "",
            mtu=around.mtus[nic.name],
            bridge=facts.bridge,
            model=nic.model.lower(),
            link_up=nic.link_state == "Up",
            queues=1 if facts.userspace_switch else min(cores, _MAX_QUEUES),
            offloads=not facts.userspace_switch,
            boot_order=boot.get(nic.name),
        )
        for nic in vm.spec.nics
    )


def _smbios(vm: VirtualMachine) -> domain.Smbios:
    smbios = vm.spec.identity.smbios
    if smbios is None:
        return domain.Smbios()
    return domain.Smbios(
        smbios.manufacturer or "",
        smbios.product or "",
        smbios.version or "",
        smbios.serial or "",
        smbios.sku or "",
        smbios.family or "",
        smbios.asset_tag or "",
    )


def _ports(vm: VirtualMachine) -> dict[str, int]:
    resolved = vm.status.resolved
    return {device.name: device.port for device in resolved.devices} if resolved else {}


def _boot_orders(vm: VirtualMachine) -> dict[str, int]:
    names = vm.spec.boot.order or (
        *(disk.name for disk in vm.spec.disks),
        *(cdrom.name for cdrom in vm.spec.cdroms),
        *(nic.name for nic in vm.spec.nics),
    )
    return {name: position for position, name in enumerate(names, 1)}


def _optional_bytes(size: str | None) -> int:
    return size_bytes(size) if size else 0
