"""From a VirtualMachine and this host's facts to the domain that should run. Pure.

Called by `observe`. It invents nothing: what spec leaves open must stand in `status.resolved` and
`status.nics`, which the operator writes; `unresolved` says what a VM waits for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quantix_api import VirtualMachine
from quantix_api.compute import Compute, granted_compute, granted_devices
from quantix_api.layout import FIRST_BOOT_FILE, Layout
from quantix_api.quantities import cpu_millis, size_bytes
from quantix_api.vm_devices import DiskQoS
from quantix_hostd.claims import VolumePlace
from quantix_hostd.domainxml import spec as domain
from quantix_hostd.domainxml.ceph import CephSource
from quantix_hostd.facts.devices import Seat
from quantix_hostd.virtualmachine.disk_limits import disk_limits

SEED_NAME = "qx_seed"
ANSWERS_NAME = "qx_answers"
FIRST_BOOT_UNIT = 5
_SERIAL_LENGTH = 20
_MAX_QUEUES = 8
_TCG_MODEL = "qemu64"
_AUTO_MODEL = "Auto"


@dataclass(frozen=True)
class HostFacts:
    """What the renderer must know of this host. `userspace_switch`: OVS reads taps by AF_PACKET;
    `cpu_controller`: the kernel's control group for CPU time is there; `address_bits`: those of an address of
    memory, None where that is not known.
    """

    name: str
    cluster_uid: str
    boot_id: str
    kvm: bool
    userspace_switch: bool
    machine_type: str
    cpu_controller: bool = False
    address_bits: int | None = None
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
    backing: domain.Backing | None = None
    encrypted: bool = False
    qos: DiskQoS | None = None
    ceph: CephSource | None = None


@dataclass(frozen=True)
class Surroundings:
    """What else the domain is made from: volumes, MTU by NIC, ISO files by CD-ROM, its places on CPUs, the
    host's devices by name. `left_out`: names of devices of spec that wait, of which nothing else is here.
    """

    volumes: tuple[VolumeState, ...]
    mtus: Mapping[str, int]
    media: Mapping[str, str | None]
    places: domain.CpuPlaces = field(default_factory=domain.CpuPlaces)
    devices: Mapping[str, Seat] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()


def desired_domain(
    vm: VirtualMachine, around: Surroundings, facts: HostFacts, layout: Layout, handled_restart_at: str = ""
) -> domain.DomainSpec:
    """The domain of a VM of which all is there but what is left out. What `refusals` tell is in it as far as
    it can be.

    `handled_restart_at` is the newest `spec.restart.at` that this start fulfils.
    """
    resolved = vm.status.resolved
    assert resolved is not None
    assert resolved.uuid is not None
    assert resolved.memory is not None
    uid = vm.metadata.uid
    firmware = domain.Firmware(resolved.firmware or "BIOS")
    console, compute = vm.spec.console, granted_compute(vm)
    return domain.DomainSpec(
        identity=_identity(vm, resolved.uuid, handled_restart_at),
        machine_type=resolved.machine_type or facts.machine_type,
        cpu=_cpu(vm, compute, facts),
        places=around.places,
        dedicated=compute.dedicated,
        mirrors_numa=compute.numa == "Strict",
        memory_bytes=size_bytes(resolved.memory),
        page_bytes=_optional_bytes(compute.hugepages),
        run_dir=str(layout.vm_run(uid)),
        console_log=str(layout.vm_log(uid) / "console.log"),
        kvm=facts.kvm,
        cpu_controller=facts.cpu_controller,
        max_memory_bytes=_optional_bytes(resolved.max_memory),
        os=vm.spec.os,
        firmware=firmware,
        firmware_files=_firmware_files(firmware, facts, layout.vm_data(uid)),
        tpm=vm.spec.firmware.tpm,
        watchdog=vm.spec.watchdog is not None,
        disks=_disks(vm, around),
        cdroms=_cdroms(vm, around, layout.vm_run(uid)),
        nics=_nics(vm, around, facts),
        host_devices=tuple(
            domain.HostDevice(name, _ports(vm)[name], seat) for name, seat in around.devices.items()
        ),
        device_classes=tuple(granted_devices(vm).items()),
        console=domain.Console(console.serial, console.vnc, console.video),
        smbios=_smbios(vm),
        timezone=vm.spec.clock.timezone,
        boot_menu_seconds=vm.spec.boot.menu_seconds,
        boot_order_chosen=bool(vm.spec.boot.order),
        left_out=around.left_out,
    )


def has_first_boot_drive(vm: VirtualMachine) -> bool:
    """Whether the guest finds first-boot settings in a drive of its own."""
    return vm.spec.cloud_init is not None or vm.spec.sysprep is not None


def first_boot_name(vm: VirtualMachine) -> str:
    """Of that drive."""
    return SEED_NAME if vm.spec.cloud_init is not None else ANSWERS_NAME


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


def _cpu(vm: VirtualMachine, cpu: Compute, facts: HostFacts) -> domain.Cpu:
    resolved = vm.status.resolved
    assert resolved is not None
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
        if disk.name in around.left_out:
            continue
        volume = volumes[disk.name]
        assert volume.place is not None
        cache, limits = disk.cache.lower(), disk_limits(disk.qos, volume.qos)
        disks.append(
            domain.Disk(
                name=disk.name,
                port=ports[disk.name],
                path=volume.place.shown,
                image_format="raw" if volume.ceph else "qcow2",
                ceph=volume.ceph,
                serial=disk.serial or volume.uid.replace("-", "")[:_SERIAL_LENGTH],
                bus=domain.Bus(disk.bus.lower()),
                cache=cache if volume.direct_io or cache != "none" else "writeback",
                read_only=disk.read_only,
                boot_order=boot.get(disk.name),
                iops=limits.iops,
                bytes_per_second=limits.bytes_per_second,
                backing=volume.backing,
                secret_uuid=volume.uid if volume.encrypted else "",
            )
        )
    return tuple(disks)


def _cdroms(vm: VirtualMachine, around: Surroundings, vm_run: Path) -> tuple[domain.Cdrom, ...]:
    boot = _boot_orders(vm)
    found = [
        domain.Cdrom(cdrom.name, unit, around.media.get(cdrom.name), boot.get(cdrom.name))
        for unit, cdrom in enumerate(vm.spec.cdroms)
        if cdrom.name not in around.left_out
    ]
    if has_first_boot_drive(vm):
        found.append(domain.Cdrom(first_boot_name(vm), FIRST_BOOT_UNIT, str(vm_run / FIRST_BOOT_FILE)))
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
        if nic.name not in around.left_out
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
