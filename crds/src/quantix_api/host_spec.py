"""What an administrator says about a Host."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Live, NotBuilt, Range, Rule, Text, exactly_one, keyed
from quantix_api.model import ApiModel
from quantix_api.policies import Overcommit
from quantix_api.quantities import size_bytes
from quantix_api.scalars import Count, DeviceName, InterfaceName, LabelValue, Name, Short, Size, Time

_LEAST_RESERVE_BYTES = 512 << 20
_MOST_RESERVE_BYTES = 8 << 30
# two at once leave a disk of 500 MB a second half of it, and its guests
_COPY_BYTES_PER_SECOND = 128 << 20


class Taint(ApiModel):
    """Keeps VMs away that do not tolerate it."""

    key: Annotated[str, Text(63, 1), Live("Key of the taint.")]
    value: Annotated[LabelValue | None, Live("Value of the taint. Absent: none.")] = None
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "Evacuate"],
        Live("NoSchedule: nothing new. PreferNoSchedule: rather not. Evacuate: what runs is moved away too."),
        NotBuilt("Evacuate does as NoSchedule"),
    ]


class Redfish(ApiModel):
    """A BMC that speaks Redfish."""

    url: Annotated[
        str,
        Text(2048, 1),
        Rule("self.matches('^https://[^/]+')", "must start with https:// and name the BMC"),
        Live("URL of the BMC."),
    ]
    insecure_tls: Annotated[
        bool, Live("true: its certificate is not checked; whoever is between can then switch the host off.")
    ] = False


class IPMI(ApiModel):
    """A BMC that speaks IPMI over LAN."""

    address: Annotated[str, Text(253, 1), Live("Address of the BMC.")]


class BMCSecret(ApiModel):
    """A Secret in namespace quantix-system."""

    name: Annotated[Name, Live("Name of the Secret; its keys are username and password.")]


class BMC(ApiModel):
    """The baseboard management controller of the host: with it a failed host can be proven off."""

    RULES: ClassVar[tuple[Rule, ...]] = (exactly_one("redfish", "ipmi"),)

    redfish: Annotated[Redfish | None, Live("A BMC that speaks Redfish.")] = None
    ipmi: Annotated[IPMI | None, Live("A BMC that speaks IPMI.")] = None
    secret_ref: Annotated[
        BMCSecret | None, Live("Secret in quantix-system with its user and password. Absent: none.")
    ] = None


class Interfaces(ApiModel):
    """Network interfaces of the host, by what they are for."""

    tunnel: Annotated[
        InterfaceName | None, Live("For the guests' networks. Absent: that of the default route.")
    ] = None
    migration: Annotated[
        InterfaceName | None, Live("For moving VMs. Absent: that of the host's own address.")
    ] = None
    storage: Annotated[
        InterfaceName | None, Live("For storage. Absent: that of the default route."), NotBuilt()
    ] = None


class PhysicalNetwork(ApiModel):
    """A wire that Networks may be joined to."""

    name: Annotated[DeviceName, Live("Name of the wire, as Networks call it in spec.physical.")]
    interface: Annotated[InterfaceName, Live("The host's interface that it is plugged into.")]


class DeviceOffer(ApiModel):
    """Devices that VMs may have to themselves."""

    class_: Annotated[Name, Live("Class, as VMs call it in spec.hostDevices.")]
    match: Annotated[
        str,
        Text(32, 1),
        Rule(
            "self.matches('^[0-9a-f]{4}:[0-9a-f]{4}$') "
            "|| self.matches('^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}[.][0-7]$')",
            "must be vendor:product, such as 10de:2236, or a PCI address, such as 0000:3b:00.0",
        ),
        Live("Which devices: vendor:product, or a PCI address."),
    ]
    mdev_type: Annotated[Short | None, Live("Type of mediated device. Absent: the whole device.")] = None


class Reserved(ApiModel):
    """What the host keeps for itself."""

    cpus: Annotated[Count | None, Live("CPUs that no VM counts on. Absent: none.")] = None
    memory: Annotated[Size | None, Live("Memory that no VM gets. Absent: a share that is worked out.")] = None
    hugepages_2mi: Annotated[Count, Live("Huge pages of 2 MiB to set aside. 0: those of its boot.")] = 0
    hugepages_1gi: Annotated[Count, Live("Huge pages of 1 GiB to set aside. 0: those of its boot.")] = 0

    @property
    def shared_cpus(self) -> int:
        """CPUs that no guest has to itself: one at least is left to everything else."""
        return max(self.cpus or 0, 1)

    def memory_bytes(self, total_bytes: int) -> int:
        """Of `total_bytes`: a sixteenth (512 MiB to 8 GiB) where nothing is said."""
        if self.memory:
            return size_bytes(self.memory)
        return min(max(total_bytes // 16, _LEAST_RESERVE_BYTES), _MOST_RESERVE_BYTES)


class HostOvercommit(ApiModel):
    """How much more may be promised than this host has."""

    cpu_percent: Annotated[
        int | None, Range(100, 10000), Live("vCPUs in percent of CPUs. Absent: what SchedulingPolicy says.")
    ] = None
    memory_percent: Annotated[
        int | None, Range(50, 1000), Live("Memory in percent. Absent: what SchedulingPolicy says.")
    ] = None

    def over(self, policy: Overcommit) -> Overcommit:
        """The overcommit that counts on this host."""
        return Overcommit(
            cpu_percent=self.cpu_percent or policy.cpu_percent,
            memory_percent=self.memory_percent or policy.memory_percent,
        )


class DiskCopies(ApiModel):
    """Copies of the disks of running VMs into another pool."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.bytesPerSecond) || (quantity(self.bytesPerSecond).compareTo(quantity('1Mi')) >= 0"
            " && quantity(self.bytesPerSecond).compareTo(quantity('1Ti')) <= 0)",
            "bytesPerSecond is from 1Mi to 1Ti: with less a copy counts as one that stands still",
        ),
    )

    bytes_per_second: Annotated[Size | None, Live("Of each that begins, 1Mi to 1Ti. Absent: 128Mi.")] = None

    @property
    def bytes_in_a_second(self) -> int:
        return size_bytes(self.bytes_per_second) if self.bytes_per_second else _COPY_BYTES_PER_SECOND


class HostSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.physicalNetworks) || self.physicalNetworks.all(n, "
            "self.physicalNetworks.exists_one(o, o.interface == n.interface))",
            "an interface is one wire: name it once in physicalNetworks, and join Networks by that name",
        ),
    )

    unschedulable: Annotated[bool, Live("true: it gets no new VMs.")] = False
    maintenance: Annotated[
        bool,
        Live("true: it gets no new VMs, and those on it leave as their onMaintenance says."),
    ] = False
    taints: Annotated[
        tuple[Taint, ...], keyed("key", "effect"), Live("Keep VMs away that do not tolerate them.")
    ] = ()
    bmc: Annotated[BMC | None, Live("Its BMC (the controller of its power). Absent: none."), NotBuilt()] = (
        None
    )
    trust_at: Annotated[
        Time | None, Live("Failures up to this time are forgiven, and it gets VMs again."), NotBuilt()
    ] = None
    absence_accepted: Annotated[
        bool,
        Live("true: its absence is known, and no longer counts when many hosts fail at once."),
        NotBuilt(),
    ] = False
    interfaces: Annotated[Interfaces, Live("Its network interfaces. A change counts at once.")] = Interfaces()
    physical_networks: Annotated[
        tuple[PhysicalNetwork, ...], keyed("name"), Live("Wires that Networks may be joined to.")
    ] = ()
    devices: Annotated[
        tuple[DeviceOffer, ...],
        keyed("class", at_most=64),
        Live("Devices that VMs may have to themselves."),
    ] = ()
    reserved: Annotated[Reserved, Live("What it keeps for itself.")] = Reserved()
    overcommit: Annotated[HostOvercommit, Live("How much more may be promised than it has.")] = (
        HostOvercommit()
    )
    disk_copies: Annotated[DiskCopies, Live("How disks of running VMs get into another pool.")] = DiskCopies()
