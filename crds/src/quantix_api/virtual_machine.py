"""The kind VirtualMachine: its spec, its rules and how it is served."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import (
    AtRestart,
    Fixed,
    Live,
    NotBuilt,
    Range,
    Rule,
    SchemaDefault,
    at_most_one,
    keyed,
)
from quantix_api.model import AGE, PHASE, READY, ApiModel, ApiObject, Column, Definition, condition_column
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_api.scalars import IN_OUR_TIME, Name, Time
from quantix_api.vm_compute import CPU, Boot, Clock, Firmware, Identity, Memory
from quantix_api.vm_devices import Cdrom, Console, Disk, HostDevice, Nic, Watchdog
from quantix_api.vm_guest import Agent, CloudInit, Readiness, Sysprep
from quantix_api.vm_placement import HighAvailability, MigrationSettings, Placement
from quantix_api.vm_status import VirtualMachineStatus

_NAMED_IN_BOOT = (
    "!has(self.boot) || !has(self.boot.order) || self.boot.order.all(o, "
    "(has(self.disks) && self.disks.exists(d, d.name == o)) "
    "|| (has(self.cdroms) && self.cdroms.exists(c, c.name == o)) "
    "|| (has(self.nics) && self.nics.exists(n, n.name == o)))"
)
_NAMES_UNIQUE = (
    "(!has(self.disks) || !has(self.cdroms) "
    "|| !self.cdroms.exists(c, self.disks.exists(d, d.name == c.name))) "
    "&& (!has(self.disks) || !has(self.nics) "
    "|| !self.nics.exists(n, self.disks.exists(d, d.name == n.name))) "
    "&& (!has(self.cdroms) || !has(self.nics) "
    "|| !self.nics.exists(n, self.cdroms.exists(c, c.name == n.name)))"
)
_HAS_CORES = "(has(self.cpu) && has(self.cpu.cores))"
_HAS_SIZE = "(has(self.memory) && has(self.memory.size))"
_SIZED = f"has(self.instanceType) ? !{_HAS_CORES} && !{_HAS_SIZE} : {_HAS_CORES} && {_HAS_SIZE}"
_UUID = "(has({0}.identity) && has({0}.identity.uuid) ? {0}.identity.uuid : '')"


class Restart(ApiModel):
    """A restart that was asked for."""

    at: Annotated[Time, IN_OUR_TIME, Live("When the restart was asked for; each time is acted on once.")]
    mode: Annotated[
        Literal["Graceful", "Force", "Reset"],
        Live(
            "Graceful: shut down, by force after the grace period. Force: kill at once. "
            "Both start a new QEMU. Reset: press the reset button of the running one."
        ),
    ] = "Graceful"


class VirtualMachineSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            _SIZED,
            "say how large the VM is: either instanceType, or both cpu.cores and memory.size, not a mixture",
        ),
        at_most_one("cloudInit", "sysprep"),
        Rule(_NAMED_IN_BOOT, "boot.order names a device that is not in disks, cdroms or nics", ".boot.order"),
        Rule(_NAMES_UNIQUE, "disks, cdroms and nics share their names: each name only once"),
        Rule(f"{_UUID.format('self')} == {_UUID.format('oldSelf')}", "identity.uuid cannot change"),
    )

    power_state: Annotated[
        Literal["Running", "Stopped", "Paused"],
        Live(
            "What the VM should do. Stopped: shut down, by force after gracePeriodSeconds. "
            "Leave it out of Git to let people start and stop."
        ),
    ] = "Running"
    grace_period_seconds: Annotated[
        int,
        Range(0, 86400),
        Live("How long a shutdown may take, in seconds, before force is used; 0: at once."),
    ] = 60
    restart: Annotated[
        Restart | None,
        Live("Restarts the VM once when its time is past; removing it does nothing."),
    ] = None
    deletion_protection: Annotated[bool, Live("true: the VM cannot be deleted.")] = False
    os: Annotated[
        Literal["Linux", "Windows", "Other"], AtRestart("Kind of guest, which chooses clock and devices.")
    ] = "Linux"
    instance_type: Annotated[
        Name | None, AtRestart("InstanceType that says cpu and memory. Absent: cpu.cores and memory.size do.")
    ] = None
    cpu: Annotated[
        CPU,
        AtRestart("Virtual CPUs; cores is needed unless instanceType is set, whose word yields to this."),
    ] = CPU()
    memory: Annotated[
        Memory,
        AtRestart("Memory; size is needed unless instanceType is set, whose word yields to this."),
    ] = Memory()
    firmware: Annotated[
        Firmware,
        SchemaDefault({"type": "BIOS", "secureBoot": False, "tpm": False}),
        AtRestart("What the machine starts with."),
    ] = Firmware()
    boot: Annotated[Boot, AtRestart("Where the guest starts from.")] = Boot()
    identity: Annotated[Identity, Fixed("For guests moved here from elsewhere; the UUID cannot change.")] = (
        Identity()
    )
    clock: Annotated[Clock, AtRestart("The guest's hardware clock.")] = Clock()
    disks: Annotated[
        tuple[Disk, ...],
        keyed("name", at_most=32),
        Live("Disks; each is backed by a Volume. A SATA disk comes or goes at the next start."),
    ] = ()
    cdroms: Annotated[tuple[Cdrom, ...], keyed("name", at_most=4), AtRestart("CD-ROM drives.")] = ()
    nics: Annotated[
        tuple[Nic, ...],
        keyed("name"),
        Live("Network cards."),
    ] = ()
    host_devices: Annotated[
        tuple[HostDevice, ...],
        keyed("name"),
        AtRestart("Devices of the host for this guest alone, such as GPUs."),
    ] = ()
    console: Annotated[Console, AtRestart("Screen and serial port.")] = Console()
    watchdog: Annotated[Watchdog | None, AtRestart("A watchdog timer. Absent: none.")] = None
    cloud_init: Annotated[
        CloudInit | None, AtRestart("First-boot settings for guests with cloud-init. Absent: none.")
    ] = None
    sysprep: Annotated[Sysprep | None, AtRestart("First-boot settings for Windows. Absent: none.")] = None
    placement: Annotated[Placement, Live("Which hosts may run the VM. Absent: all.")] = Placement()
    migration: Annotated[MigrationSettings, Live("How the VM moves while it runs.")] = MigrationSettings()
    ha: Annotated[HighAvailability, Live("What happens after a failure.")] = HighAvailability()
    readiness: Annotated[
        Readiness | None, Live("When the VM counts as Ready. Absent: as soon as QEMU runs the guest.")
    ] = None
    agent: Annotated[Agent, Live("The agent in the guest."), NotBuilt()] = Agent()


class VirtualMachine(ApiObject):
    """A virtual machine: give it disks, networks and a size, and it runs on one of the hosts."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.status) || !has(oldSelf.status.assignment) "
            "|| (has(self.status) && has(self.status.assignment))",
            "status.assignment cannot be removed: its epoch would be forgotten",
        ),
    )
    DEFINITION: ClassVar[Definition] = Definition(
        VIRTUAL_MACHINES,
        ("vm",),
        (
            PHASE,
            READY,
            Column("Host", ".status.assignment.host"),
            Column("Address", ".status.addresses[0]"),
            condition_column("Protected", "Protected", "status"),
            condition_column("Reason", "Ready", "reason"),
            Column("CPU", ".status.resolved.cores", "integer", priority=1),
            Column("Memory", ".status.resolved.memory", priority=1),
            AGE,
        ),
        (
            ".spec.powerState",
            ".spec.instanceType",
            ".status.phase",
            ".status.assignment.host",
            ".status.migration.targetHost",
        ),
        ("quantix", "all"),
    )

    spec: Annotated[VirtualMachineSpec, Live("What is wanted.")]
    status: VirtualMachineStatus = VirtualMachineStatus()
