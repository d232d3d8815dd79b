"""The computing parts of a VirtualMachine: CPU, memory, firmware, boot order, identity and clock.

CPU and memory are also what an InstanceType holds.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import (
    AtRestart,
    Fixed,
    Live,
    NotBuilt,
    Partly,
    Range,
    Rule,
    Text,
    keyed,
    ordered,
)
from quantix_api.model import ApiModel
from quantix_api.scalars import CPUAmount, DeviceName, Size

Vendor = Annotated[str, Text(128)]


class CPUFeature(ApiModel):
    """A CPU flag that the guest must have, or must not see."""

    name: Annotated[str, Text(32, 1), AtRestart("The flag's name as QEMU writes it, such as vmx.")]
    policy: Annotated[
        Literal["Require", "Disable"],
        AtRestart("Require: only hosts that have it fit. Disable: the guest does not see it."),
        NotBuilt("hosts are not chosen by it", "Require"),
    ] = "Require"


_LAID_OUT = "(has(self.sockets) ? self.sockets : 1) * (has(self.threads) ? self.threads : 1)"


class CPU(ApiModel):
    """Virtual CPUs. No member has a default in the schema: a VM wins over its instance type by what it says,
    and only by that (docs/adr/0025).
    """

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.numa) || self.numa == 'Auto' || (has(self.dedicated) && self.dedicated)",
            "cpu.numa Strict needs cpu.dedicated: true",
        ),
        Rule(
            "!has(self.maxCores) || !has(self.cores) || self.maxCores >= self.cores",
            "cpu.maxCores must not be below cpu.cores",
        ),
        Rule(
            f"!has(self.cores) || self.cores % ({_LAID_OUT}) == 0",
            "cpu.cores must be a multiple of sockets × threads",
        ),
        Rule(
            f"!has(self.maxCores) || self.maxCores % ({_LAID_OUT}) == 0",
            "cpu.maxCores must be a multiple of sockets × threads",
        ),
        Rule(
            "!has(self.limit) || quantity(self.limit).compareTo(quantity('10m')) >= 0",
            "cpu.limit must be at least 10m",
        ),
    )

    cores: Annotated[
        int | None,
        Range(1, 710),
        Partly(
            "vCPUs that the guest sees, in all. Up to maxCores they are added to the running guest; "
            "anything else waits for the next start."
        ),
    ] = None
    max_cores: Annotated[
        int | None,
        Range(1, 710),
        AtRestart("vCPUs that the guest can be given while it runs. Absent: as many as cores."),
    ] = None
    sockets: Annotated[int | None, Range(1, 64), AtRestart("CPU sockets that the guest sees. Absent: 1.")] = (
        None
    )
    threads: Annotated[
        int | None, Range(1, 8), AtRestart("Threads of each core that the guest sees. Absent: 1.")
    ] = None
    model: Annotated[
        str | None,
        Text(64, 1),
        AtRestart(
            "CPU model of the guest: Auto (the newest that all schedulable hosts have, kept in "
            "status.resolved), HostPassthrough, or the name of a QEMU model. Absent: Auto. "
            "Where KVM does not work it is qemu64, whatever is said."
        ),
    ] = None
    features: Annotated[
        tuple[CPUFeature, ...],
        keyed("name", at_most=64),
        AtRestart("CPU flags to require or to hide. Where KVM does not work they do not count."),
    ] = ()
    dedicated: Annotated[
        bool | None,
        AtRestart("true: each vCPU has a physical CPU to itself. false, or absent: CPUs are shared."),
    ] = None
    numa: Annotated[
        Literal["Auto", "Strict"] | None,
        AtRestart(
            "Strict: the guest's NUMA nodes mirror those of the host that it is bound to; needs dedicated. "
            "Absent: Auto."
        ),
    ] = None
    weight: Annotated[
        int | None,
        Range(1, 10000),
        Live("Share of CPU time for each vCPU when the host is busy, compared with other VMs. Absent: 100."),
    ] = None
    limit: Annotated[
        CPUAmount | None,
        Live("Most CPU time that the VM may use, such as 1500m. Absent: no limit."),
    ] = None
    reservation: Annotated[
        CPUAmount | None,
        Live(
            "CPU time that a host must keep for the VM, at most that of all its cores. "
            "Absent: cores divided by the host's overcommit."
        ),
    ] = None


class Memory(ApiModel):
    """Memory of the guest."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.size) || quantity(self.size).compareTo(quantity('16Mi')) >= 0",
            "memory.size must be at least 16Mi",
        ),
        Rule(
            "!has(self.maxSize) || !has(self.size) "
            "|| quantity(self.maxSize).compareTo(quantity(self.size)) >= 0",
            "memory.maxSize must not be below memory.size",
        ),
        Rule(
            "!has(self.minSize) || !has(self.size) "
            "|| quantity(self.minSize).compareTo(quantity(self.size)) <= 0",
            "memory.minSize must not be above memory.size",
        ),
    )

    size: Annotated[
        Size | None,
        Partly(
            "Memory that the guest has, such as 2Gi. While it runs, it grows up to maxSize and shrinks "
            "again to what it was started with; anything else waits for the next start."
        ),
    ] = None
    max_size: Annotated[
        Size | None,
        AtRestart("Memory that the guest can be given while it runs. Absent: no more than size."),
    ] = None
    min_size: Annotated[
        Size | None,
        Live("Memory that is left to the guest when the host runs short. Absent: all of it, always."),
    ] = None
    hugepages: Annotated[
        Literal["2Mi", "1Gi"] | None,
        AtRestart("Size of the huge pages that back the guest's memory. Absent: ordinary pages."),
    ] = None


class Firmware(ApiModel):
    """What the machine starts with."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule("self.type == 'UEFI' || !self.secureBoot", "firmware.secureBoot needs firmware.type UEFI"),
    )

    type: Annotated[Literal["BIOS", "UEFI"], AtRestart("BIOS or UEFI.")] = "BIOS"
    secure_boot: Annotated[
        bool,
        AtRestart(
            "true: only signed boot loaders start; needs type UEFI. Guests want 512 MiB of memory then, or "
            "more."
        ),
    ] = False
    tpm: Annotated[bool, AtRestart("true: the guest has a TPM 2.0; its state is kept beside its disk.")] = (
        False
    )


class Boot(ApiModel):
    """Where the guest starts from."""

    order: Annotated[
        tuple[DeviceName, ...],
        ordered(16),
        AtRestart(
            "Names of disks, cdroms and nics, tried in this order. Absent: disks, cdroms, nics as listed."
        ),
    ] = ()
    menu_seconds: Annotated[
        int, Range(0, 60), AtRestart("How long the boot menu waits for a key, in seconds; 0: no menu.")
    ] = 0


class SMBIOS(ApiModel):
    """What the guest reads as its hardware's maker and numbers."""

    manufacturer: Annotated[Vendor | None, AtRestart("Maker of the system.")] = None
    product: Annotated[Vendor | None, AtRestart("Product name of the system.")] = None
    version: Annotated[Vendor | None, AtRestart("Version of the system.")] = None
    serial: Annotated[Vendor | None, AtRestart("Serial number of the system.")] = None
    sku: Annotated[Vendor | None, AtRestart("Order number of the system.")] = None
    family: Annotated[Vendor | None, AtRestart("Product family of the system.")] = None
    asset_tag: Annotated[Vendor | None, AtRestart("Asset tag of the chassis.")] = None


class Identity(ApiModel):
    """Identity for guests that were moved here from elsewhere."""

    uuid: Annotated[
        str | None,
        Text(36),
        Rule(
            "self.matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')",
            "must be a UUID in small letters, such as 4c4c4544-0042-3010-8052-b4c04f4d5331",
        ),
        Rule(
            "self != '00000000-0000-0000-0000-000000000000'",
            "must not be the nil UUID, which tells no two machines apart",
        ),
        Fixed("UUID that the guest sees; no two VMs may have the same. Absent: metadata.uid."),
    ] = None
    machine_type: Annotated[
        str | None,
        Text(64),
        # q35 alone is another machine after each update of QEMU; of other types there are no guests
        Rule(
            "self.matches('^pc-q35-[a-z0-9.]+$')",
            "must be a q35 machine type with its version, such as pc-q35-7.2",
        ),
        AtRestart("QEMU machine type, such as pc-q35-7.2. Absent: the newest at the first start, then kept."),
    ] = None
    smbios: Annotated[SMBIOS | None, AtRestart("What the guest reads as maker and numbers.")] = None


class Clock(ApiModel):
    """The guest's hardware clock."""

    timezone: Annotated[
        str,
        Text(64, 1),
        AtRestart("Time zone of the hardware clock, such as Europe/Berlin; one that its host knows."),
    ] = "UTC"
