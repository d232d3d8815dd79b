"""What a domain is made of: the frozen input of the renderer.

Filled by `virtualmachine/desired.py` from a VirtualMachine and the facts of the host. Holds host paths and
numbers only, never an API object, so that the configurators stay pure and small.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from quantix_hostd.domainxml.ceph import CephSource
from quantix_hostd.facts.devices import Seat

DomainUuid = NewType("DomainUuid", str)
SwitchPortName = NewType("SwitchPortName", str)

DOMAIN_PREFIX = "qx-"
METADATA_NAMESPACE = "https://quantix.io/domain/1"
_MAX_SHARES = 10_000
GUEST_AGENT_CHANNEL = "org.qemu.guest_agent.0"
QUANTIX_AGENT_CHANNEL = "io.quantix.agent.0"


class Bus(StrEnum):
    VIRTIO = "virtio"
    SCSI = "scsi"
    SATA = "sata"


class Firmware(StrEnum):
    """Symbolic names, as in `status.resolved.firmware`; each host maps them to its own files."""

    BIOS = "BIOS"
    UEFI = "UEFI"
    UEFI_SECURE_BOOT = "UEFISecureBoot"


@dataclass(frozen=True)
class Backing:
    """The image that a disk stands on; nothing is beneath it."""

    path: str
    image_format: str


@dataclass(frozen=True)
class Disk:
    """A writable disk. `port` is the number the operator gave the device (1, 2, …); `secret_uuid` is that of
    libvirt's secret with the passphrase, "" for a disk that is not encrypted. `path`: what people call what
    holds it, for one that is in a file its path.
    """

    name: str
    port: int
    path: str
    serial: str
    image_format: str = "qcow2"
    bus: Bus = Bus.VIRTIO
    cache: str = "none"
    native_io: bool = True
    read_only: bool = False
    boot_order: int | None = None
    iops: int = 0
    bytes_per_second: int = 0
    backing: Backing | None = None
    secret_uuid: str = ""
    ceph: CephSource | None = None


@dataclass(frozen=True)
class Cdrom:
    """A read-only medium; `path` None is an empty drive. `unit` is its place on the SATA controller (0–5)."""

    name: str
    unit: int
    path: str | None
    boot_order: int | None = None


@dataclass(frozen=True)
class Nic:
    name: str
    port: int
    switch_port: SwitchPortName
    mac: str
    mtu: int
    bridge: str
    model: str = "virtio"
    link_up: bool = True
    queues: int = 1
    offloads: bool = True
    boot_order: int | None = None


@dataclass(frozen=True)
class HostDevice:
    """A device of the host for this guest alone."""

    name: str
    port: int
    seat: Seat


@dataclass(frozen=True)
class Cpu:
    """`model` "HostPassthrough" is the host's own CPU; anything else is a name that QEMU knows.

    `limit_millis` of CPU time in a second for the whole domain; 0: no limit.
    """

    model: str
    cores: int = 1
    max_cores: int = 1
    sockets: int = 1
    threads: int = 1
    required: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    weight: int = 100
    limit_millis: int = 0

    @property
    def shares(self) -> int:
        """`weight` for each vCPU; cpu.weight of cgroup v2 ends at 10000 (kernel, admin-guide/cgroup-v2)."""
        return min(_MAX_SHARES, self.weight * self.cores)


@dataclass(frozen=True)
class NumaNode:
    """A NUMA node of the host; `memory_bytes` with what of it is in huge pages."""

    id: int
    cpus: tuple[int, ...]
    memory_bytes: int = 0


@dataclass(frozen=True)
class BoundMemory:
    """Memory that comes from the nodes of a guest's own CPUs, in equal parts, and from no other; in pages of
    `page_bytes` (0: ordinary ones).
    """

    size_bytes: int = 0
    page_bytes: int = 0


UNBOUND = BoundMemory()


@dataclass(frozen=True)
class CpuPlaces:
    """Where the guest runs: each vCPU on one of its `own` CPUs, where it has such, and everything else on the
    `shared` ones. `whole`: those are all CPUs of the host. `nodes`: those of its own CPUs.
    """

    own: tuple[int, ...] = ()
    shared: tuple[int, ...] = ()
    whole: bool = True
    nodes: tuple[NumaNode, ...] = ()

    def of_vcpu(self, number: int) -> tuple[int, ...]:
        """The CPUs that this vCPU may run on."""
        return (self.own[number],) if number < len(self.own) else self.shared


@dataclass(frozen=True)
class Console:
    serial: bool = True
    vnc: bool = True
    video: str = "Virtio"


@dataclass(frozen=True)
class Smbios:
    manufacturer: str = ""
    product: str = ""
    version: str = ""
    serial: str = ""
    sku: str = ""
    family: str = ""
    asset_tag: str = ""


@dataclass(frozen=True)
class FirmwareFiles:
    """Where this host keeps a UEFI build; the NVRAM file is made by hostd before the start."""

    loader: str
    nvram: str
    nvram_template: str


@dataclass(frozen=True)
class Identity:
    """Who the domain is; `epoch` is the assignment's, `generation` the VM's when it was rendered."""

    vm_uid: str
    namespace: str
    name: str
    uuid: DomainUuid
    epoch: int
    generation: int
    handled_restart_at: str = ""


@dataclass(frozen=True)
class DomainSpec:
    identity: Identity
    machine_type: str
    cpu: Cpu
    memory_bytes: int
    """What the guest has: at the start all of it is there from the first moment."""
    run_dir: str
    console_log: str
    emulator: str = "/usr/bin/qemu-system-x86_64"
    kvm: bool = True
    places: CpuPlaces = CpuPlaces()
    dedicated: bool = False
    """Whether it is to have CPUs to itself; `places` say what it has."""
    mirrors_numa: bool = False
    """Whether the guest sees the NUMA nodes of its own CPUs, and has its memory there."""
    page_bytes: int = 0
    """Size of the huge pages that back its memory; 0: ordinary ones."""
    cpu_controller: bool = False
    """Whether libvirt can limit and weigh CPU time here."""
    max_memory_bytes: int = 0
    """What it can be given while it runs; no more than `memory_bytes`: nothing."""
    os: str = "Linux"
    firmware: Firmware = Firmware.BIOS
    firmware_files: FirmwareFiles | None = None
    tpm: bool = False
    watchdog: bool = False
    disks: tuple[Disk, ...] = ()
    cdroms: tuple[Cdrom, ...] = ()
    nics: tuple[Nic, ...] = ()
    host_devices: tuple[HostDevice, ...] = ()
    """Those that it is started with; none for a guest that runs, which keeps what it has."""
    device_classes: tuple[tuple[str, str], ...] = ()
    """Name and class of each that spec wants."""
    console: Console = field(default_factory=Console)
    smbios: Smbios = field(default_factory=Smbios)
    timezone: str = "UTC"
    boot_menu_seconds: int = 0
    boot_order_chosen: bool = False
    """Whether spec names the boot order: else a device that comes or goes later changes none."""
    left_out: frozenset[str] = frozenset()
    """Names of devices of spec that wait: a guest that runs keeps what it has of them."""

    @property
    def domain_name(self) -> str:
        return domain_name(self.identity.vm_uid)

    @property
    def boot_orders(self) -> dict[str, int]:
        """The places of the devices that it can boot from, by alias."""
        orders = {disk.name: disk.boot_order for disk in self.disks}
        orders |= {cdrom.name: cdrom.boot_order for cdrom in self.cdroms}
        orders |= {nic.name: nic.boot_order for nic in self.nics}
        return {f"ua-{name}": order for name, order in orders.items() if order}

    @property
    def serial_socket(self) -> str:
        return f"{self.run_dir}/serial.sock"

    @property
    def vnc_socket(self) -> str:
        return f"{self.run_dir}/vnc.sock"


def domain_name(vm_uid: str) -> str:
    return DOMAIN_PREFIX + vm_uid


def vm_uid_of(name: str) -> str | None:
    """The VM's UID when `name` is a domain name of ours, else None."""
    return name.removeprefix(DOMAIN_PREFIX) if name.startswith(DOMAIN_PREFIX) else None


def tap_name(switch_port: str) -> str:
    """The host's interface of a port (at most 15 bytes): fixed, so a stale one is never another VM's."""
    return "qx" + switch_port.replace("-", "")[:12]
