"""The kind Host: a machine that runs VMs, made by its daemon when it joins."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.address_space import MOST_BITS
from quantix_api.host_spec import HostSpec
from quantix_api.markers import Doc, Entries, Live, Range, Rule, Text, keyed, ordered
from quantix_api.model import (
    AGE,
    PHASE,
    READY,
    REASON,
    ApiModel,
    ApiObject,
    Column,
    Definition,
    Progress,
    Status,
)
from quantix_api.resources import HOSTS
from quantix_api.scalars import CIDR, IP, MAC, UID, Capacity, Count, Name, Percent, Short, Time

HostPhase = Literal[
    "Joining",
    "Ready",
    "Suspect",
    "Isolated",
    "StorageLost",
    "Failed",
    "Unreachable",
    "Fencing",
    "Fenced",
    "Clean",
    "Maintenance",
]


class CleanProof(ApiModel):
    """The host's word, after its return, that nothing of a recovered VM is left on it."""

    recovery_uid: Annotated[UID, Doc("UID of the HostRecovery that it answers.")]
    boot_id: Annotated[UID, Doc("Boot ID of the host when it looked.")]


class WireMTU(ApiModel):
    """What fits through one of the wires that Networks are joined to."""

    name: Annotated[Name, Doc("Name of the physical network.")]
    mtu: Annotated[Count, Doc("Largest packet, in bytes.")]


class HostNetwork(ApiModel):
    """The host's network."""

    underlay_mtu: Annotated[Count | None, Doc("Largest packet between hosts by tunnels, in bytes.")] = None
    physical: Annotated[
        tuple[WireMTU, ...],
        keyed("name", at_most=17),
        Doc("The wires that it has: the way out, and the site's."),
    ] = ()
    datapath: Annotated[Literal["Kernel", "Userspace"] | None, Doc("Where Open vSwitch moves packets.")] = (
        None
    )


class HostAddresses(ApiModel):
    """Where the host can be reached."""

    api: Annotated[str | None, Text(261), Doc("Address and port of its daemon, such as 10.0.0.7:9443.")] = (
        None
    )
    tunnel: Annotated[IP | None, Doc("Address for the guests' networks.")] = None
    migration: Annotated[IP | None, Doc("Address for moving VMs.")] = None
    storage: Annotated[IP | None, Doc("Address for storage.")] = None


class HugePages(ApiModel):
    """Huge pages of one size."""

    size: Annotated[Literal["2Mi", "1Gi"], Doc("Size of a page.")]
    total: Annotated[Count, Doc("How many there are, used or not.")]


class NUMANode(ApiModel):
    """A NUMA node."""

    id: Annotated[Count, Doc("Its number.")]
    cpus: Annotated[str | None, Text(253), Doc("Its CPUs, such as 0-7,16-23.")] = None
    memory: Annotated[Capacity | None, Doc("Its memory.")] = None
    hugepages: Annotated[
        tuple[HugePages, ...], keyed("size", at_most=2), Doc("Those of the host's huge pages that are in it.")
    ] = ()


class HostDeviceStatus(ApiModel):
    """A device that VMs may have."""

    address: Annotated[
        str,
        Text(64, 1),
        Doc("PCI address, with /TYPE where it makes mediated devices; or what is not there."),
    ]
    class_: Annotated[Name | None, Doc("Class that spec.devices gives it.")] = None
    id: Annotated[str | None, Text(16), Doc("vendor:product.")] = None
    numa_node: Annotated[Count | None, Doc("NUMA node that it is near to.")] = None
    virtual_machine_uid: Annotated[UID | None, Doc("VM that has it.")] = None
    total: Annotated[Count | None, Doc("How many VMs can have it, or a part of it, at once.")] = None
    free: Annotated[Count | None, Doc("How many still can.")] = None
    message: Annotated[str | None, Text(512), Doc("Why no VM can have it.")] = None


class HostPool(ApiModel):
    """A pool as this host sees it."""

    name: Annotated[Name, Doc("Name of the StoragePool.")]
    capacity: Annotated[Capacity | None, Doc("Space that there is.")] = None
    available: Annotated[Capacity | None, Doc("Space that is free.")] = None
    allocated: Annotated[Capacity | None, Doc("Space that was promised on this host.")] = None
    state: Annotated[
        Literal["Reachable", "Unreachable"] | None, Doc("Whether the host reaches the pool.")
    ] = None
    reason: Annotated[
        Literal[
            "DirectoryMissing", "PathRefused", "PathShared", "PathBarred", "CredentialsRefused", "Degraded"
        ]
        | None,
        Doc("What is wrong with the pool's place, or with its key, as this host finds it."),
    ] = None
    message: Annotated[str | None, Text(512), Doc("Why the host does not reach it, or what is missing.")] = (
        None
    )
    full: Annotated[
        str | None, Text(128), Doc("Why Ceph takes no writes there, so that VMs wait; absent while it does.")
    ] = None


class PressureShare(ApiModel):
    """A VM that uses much of what its host is short of."""

    uid: Annotated[UID, Doc("UID of the VM.")]
    percent: Annotated[Percent, Doc("Part of the host's CPUs that it used, in steps of 5.")]


class HostPressure(ApiModel):
    """How much the host's programs, QEMU among them, wait for a resource. Coarse, and said when it changes
    for minutes: how much exactly is told by the metrics.
    """

    resource: Annotated[Literal["CPU", "Memory"], Doc("What is waited for.")]
    level: Annotated[
        Literal["Low", "Some", "High"],
        Doc("High: programs wait for it much of the time. Low: hardly ever, and there is some to spare."),
    ]
    since: Annotated[Time | None, Doc("When it came to this level.")] = None
    virtual_machines: Annotated[
        tuple[PressureShare, ...],
        keyed("uid"),
        Doc("Of CPU that is short: the VMs that used most of it, looked at again from time to time."),
    ] = ()


class Allocated(ApiModel):
    """What VMs were promised."""

    cpus: Annotated[Count | None, Doc("vCPUs that VMs were promised.")] = None
    memory: Annotated[Capacity | None, Doc("Memory that VMs were promised.")] = None


class CachedImage(ApiModel):
    """A copy of an Image on this host."""

    uid: Annotated[UID, Doc("UID of the Image.")]
    pool: Annotated[Name | None, Doc("Pool that the copy is in.")] = None
    size: Annotated[Capacity | None, Doc("Space that it takes.")] = None


class HostLeg(ApiModel):
    """The host's own leg into the guests' network, so that it reaches them. Written by the operator."""

    port: Annotated[UID, Doc("Name of its logical switch port, a UUID.")]
    mac: Annotated[MAC | None, Doc("MAC address of the interface qxh0.")] = None
    addresses: Annotated[
        tuple[CIDR, ...],
        ordered(4),
        Doc("Addresses of qxh0 with their prefix length, such as 100.64.0.2/16."),
    ] = ()
    gateway: Annotated[IP | None, Doc("IPv4 address of the router to the guests.")] = None
    gateway_ipv6: Annotated[IP | None, Doc("IPv6 address of the router to the guests.")] = None
    prefixes: Annotated[tuple[CIDR, ...], ordered(128), Doc("Where guests are: routes go by qxh0.")] = ()
    mtu: Annotated[Count | None, Doc("Largest packet, in bytes.")] = None


class HostStatus(Status):
    """What is so."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.hostUID) || (has(self.hostUID) && self.hostUID == oldSelf.hostUID)",
            "hostUID is set once: another machine needs another name",
        ),
    )

    phase: Annotated[HostPhase | None, Doc("In one word: how the host is.")] = None
    host_uid: Annotated[
        UID | None, Doc("Identity of the machine, made from its hardware UUID and machine ID; never changes.")
    ] = None
    boot_id: Annotated[UID | None, Doc("Boot ID of the running kernel.")] = None
    clean: Annotated[CleanProof | None, Doc("Its word that nothing of a recovered VM is left.")] = None
    storage_addresses: Annotated[
        tuple[Annotated[str, Text(128)], ...], ordered(64), Doc("Addresses that its storage clients use.")
    ] = ()
    network: Annotated[HostNetwork | None, Doc("Its network.")] = None
    host_leg: Annotated[HostLeg | None, Doc("Its own leg into the guests' network.")] = None
    progress: Annotated[Progress | None, Doc("How far it is emptied, during maintenance.")] = None
    cpus: Annotated[Count | None, Doc("CPUs that it has.")] = None
    memory: Annotated[Capacity | None, Doc("Memory that it has.")] = None
    arch: Annotated[Short | None, Doc("Architecture, such as x86_64.")] = None
    cpu_model: Annotated[str | None, Text(128), Doc("Newest CPU model that its guests can have.")] = None
    cpu_address_bits: Annotated[
        int | None,
        Range(0, MOST_BITS),
        Doc("Bits of an address of memory of its CPUs, which bound what a guest can be given."),
    ] = None
    cpu_vendor: Annotated[Short | None, Doc("Maker of its CPUs.")] = None
    numa: Annotated[tuple[NUMANode, ...], keyed("id", at_most=64), Doc("Its NUMA nodes.")] = ()
    hugepages: Annotated[
        tuple[HugePages, ...], keyed("size", at_most=2), Doc("Its huge pages, which VMs may ask for.")
    ] = ()
    devices: Annotated[
        tuple[HostDeviceStatus, ...], keyed("address", at_most=256), Doc("Devices that VMs may have.")
    ] = ()
    pools: Annotated[
        tuple[HostPool, ...], keyed("name", at_most=32), Doc("Pools as this host sees them.")
    ] = ()
    addresses: Annotated[HostAddresses, Doc("Where it can be reached.")] = HostAddresses()
    versions: Annotated[
        dict[str, Annotated[str, Text(64)]], Entries(), Doc("Versions of what runs on it, by name.")
    ] = {}  # noqa: RUF012 - pydantic copies it
    pressure: Annotated[
        tuple[HostPressure, ...],
        keyed("resource", at_most=2),
        Doc("How much its programs wait for CPU and memory; nothing where its kernel does not tell."),
    ] = ()
    allocated: Annotated[Allocated | None, Doc("What VMs were promised.")] = None
    virtual_machines: Annotated[Count | None, Doc("How many VMs are on it.")] = None
    images: Annotated[
        tuple[CachedImage, ...], keyed("uid", at_most=50), Doc("Copies of Images that it keeps.")
    ] = ()


class Host(ApiObject):
    """A machine that runs VMs. Its daemon makes it when it joins, with an empty spec."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.status) || !has(oldSelf.status.hostUID) "
            "|| (has(self.status) && has(self.status.hostUID))",
            "hostUID is set once: another machine needs another name",
        ),
    )
    DEFINITION: ClassVar[Definition] = Definition(
        HOSTS,
        ("host",),
        (
            PHASE,
            READY,
            Column("CPUs", ".status.cpus", "integer"),
            Column("Memory", ".status.memory"),
            Column("VMs", ".status.virtualMachines", "integer"),
            REASON,
            AGE,
        ),
        (".status.phase", ".spec.maintenance"),
    )

    spec: Annotated[HostSpec, Live("What is wanted.")]
    status: HostStatus = HostStatus()
