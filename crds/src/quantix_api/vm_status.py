"""The status of a VirtualMachine: where it runs, what was decided for it, what it really is."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Doc, Range, Rule, Text, distinct, keyed, ordered
from quantix_api.model import ApiModel, Status
from quantix_api.scalars import IP, MAC, UID, Count, CPUAmount, DeviceName, Name, Short, Size, Time
from quantix_api.vm_compute import CPU, Memory

Phase = Literal[
    "Pending",
    "Starting",
    "Running",
    "Paused",
    "Migrating",
    "Stopping",
    "Stopped",
    "Failed",
    "Unknown",
]
Epoch = Annotated[int, Range(1)]
_MAX_ADDRESSES_OF_A_NIC = 8
_MAX_NICS = 16
# Far above all that is ever reached by counting, so that no host's word can bring epochs to their end
MAX_CLAIM_EPOCH = 2**53


class Assignment(ApiModel):
    """Which host may run the VM. Written by the scheduler alone."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.epoch > oldSelf.epoch "
            "|| (self.epoch == oldSelf.epoch && has(self.host) == has(oldSelf.host) "
            "&& (!has(self.host) || self.host == oldSelf.host))",
            "a change of host needs a higher epoch, and an epoch never goes back",
        ),
    )

    epoch: Annotated[Epoch, Doc("Number of this assignment; every change of host raises it.")]
    host: Annotated[Name | None, Doc("The host that runs the VM. Absent: no host does.")] = None
    last_host: Annotated[
        Name | None, Doc("While no host runs it: the host that did last, which may keep its data.")
    ] = None
    hold: Annotated[
        Literal["GuestShutdown", "Crashed", "HostKiller"] | None,
        Doc("Why the VM is not started by itself again, until somebody asks for it."),
    ] = None
    returning: Annotated[
        bool,
        Doc("While no host runs it: true when it ran until its host was shut down, so that it goes first."),
    ] = False


class UnfitHosts(ApiModel):
    """The hosts that cannot take the VM for one and the same reason."""

    why: Annotated[str, Text(253, 1), Doc("What keeps the VM off them, such as: lack memory.")]
    away: Annotated[
        bool, Doc("Whether they take no VM at all now: they are not Ready, or a person closed them.")
    ] = False
    count: Annotated[Count, Doc("How many hosts that are.")]
    hosts: Annotated[tuple[Name, ...], ordered(64), Doc("Their names; of many, the first.")] = ()


class MigrationState(ApiModel):
    """The migration that goes on."""

    uid: Annotated[UID, Doc("UID of the VirtualMachineMigration.")]
    name: Annotated[Name | None, Doc("Name of the VirtualMachineMigration.")] = None
    source_host: Annotated[Name, Doc("The host that it comes from.")]
    target_host: Annotated[Name, Doc("The host that it goes to.")]


class RestoreState(ApiModel):
    """The restore that holds the VM off: until it is over, nothing starts it."""

    uid: Annotated[UID, Doc("UID of the VirtualMachineRestore.")]
    name: Annotated[Name | None, Doc("Name of the VirtualMachineRestore.")] = None


class ResolvedDevice(ApiModel):
    """A device and the PCI root port that it keeps."""

    name: Annotated[DeviceName, Doc("Name of the disk or NIC.")]
    port: Annotated[Count, Doc("Number of its PCI root port.")]


class ResolvedDisk(ApiModel):
    """A disk and the Volume that stands for it."""

    name: Annotated[DeviceName, Doc("Name of the disk.")]
    volume: Annotated[Name, Doc("Name of its Volume.")]
    volume_uid: Annotated[UID, Doc("UID of its Volume.")]


class OfType(ApiModel):
    """What an InstanceType says, kept: the VM has it also when the type is gone."""

    name: Annotated[Name | None, Doc("Its name.")] = None
    cpu: Annotated[CPU, Doc("Its cpu.")] = CPU()
    memory: Annotated[Memory, Doc("Its memory.")] = Memory()


class GrantedDevice(ApiModel):
    """A device of the host."""

    name: Annotated[DeviceName, Doc("Name of the device in spec.hostDevices.")]
    class_: Annotated[Name, Doc("Its class.")]


class Granted(ApiModel):
    """What its host has for the VM alone: it starts with that, whatever spec asks for meanwhile."""

    dedicated: Annotated[bool, Doc("Whether each vCPU has a CPU of the host to itself.")] = False
    numa: Annotated[Literal["Auto", "Strict"], Doc("Strict: its memory is beside its CPUs.")] = "Auto"
    hugepages: Annotated[Literal["2Mi", "1Gi"] | None, Doc("Size of the huge pages for its memory.")] = None
    reservation: Annotated[CPUAmount | None, Doc("CPU time that its host keeps for it.")] = None
    host_devices: Annotated[
        tuple[GrantedDevice, ...], keyed("name"), Doc("Devices of the host, by class.")
    ] = ()


class Resolved(ApiModel):
    """What was decided for the VM where spec leaves it open; kept from start to start."""

    generation: Annotated[Count | None, Doc("Of which generation of spec this is what was decided.")] = None
    uuid: Annotated[UID | None, Doc("UUID that the guest sees.")] = None
    instance_id: Annotated[Short | None, Doc("Instance ID that cloud-init sees.")] = None
    machine_type: Annotated[Short | None, Doc("QEMU machine type.")] = None
    automatic_machine_type: Annotated[
        Short | None, Doc("The machine type that it has whenever spec names none.")
    ] = None
    cpu_model: Annotated[Short | None, Doc("CPU model of the guest.")] = None
    automatic_cpu_model: Annotated[
        Short | None, Doc("The CPU model that it has while spec and its instance type name none.")
    ] = None
    cpu_features: Annotated[
        tuple[Annotated[str, Text(40)], ...], ordered(64), Doc("CPU flags beyond the model: NAME or -NAME.")
    ] = ()
    firmware: Annotated[
        Literal["BIOS", "UEFI", "UEFISecureBoot"] | None, Doc("Firmware that the guest starts with.")
    ] = None
    devices: Annotated[
        tuple[ResolvedDevice, ...], keyed("name", at_most=64), Doc("Where the devices sit on the PCI bus.")
    ] = ()
    cores: Annotated[int | None, Range(1), Doc("vCPUs that the guest sees.")] = None
    max_cores: Annotated[int | None, Range(1), Doc("vCPUs that can be reached while it runs.")] = None
    memory: Annotated[Size | None, Doc("Memory that the guest has.")] = None
    max_memory: Annotated[Size | None, Doc("Memory that can be reached while it runs.")] = None
    granted: Annotated[Granted | None, Doc("What of its host it may have to itself; absent: nothing.")] = None
    of_type: Annotated[
        OfType | None, Doc("What its instance type says; what spec says of the same wins over it.")
    ] = None
    disks: Annotated[
        tuple[ResolvedDisk, ...], keyed("name", at_most=40), Doc("The Volumes of the disks.")
    ] = ()


class NicStatus(ApiModel):
    """What was decided for a NIC."""

    name: Annotated[DeviceName, Doc("Name of the NIC.")]
    network: Annotated[UID | None, Doc("UID of its Network.")] = None
    port: Annotated[UID | None, Doc("Name of its logical switch port, a UUID.")] = None
    mac: Annotated[MAC | None, Doc("Its MAC address.")] = None
    addresses: Annotated[tuple[IP, ...], distinct(_MAX_ADDRESSES_OF_A_NIC), Doc("Its addresses.")] = ()


class LastExit(ApiModel):
    """How QEMU last ended."""

    reason: Annotated[
        Literal["Requested", "GuestShutdown", "HostShutdown", "Crashed", "Killed"],
        Doc("Who or what ended it: a user, the guest itself, the host's shutdown, a crash, a signal."),
    ]
    at: Annotated[Time, Doc("When QEMU ended.")]


class PendingChange(ApiModel):
    """A change of spec that waits for the next start."""

    path: Annotated[str, Text(253, 1), Doc("The field, such as spec.cpu.sockets.")]
    running: Annotated[str | None, Text(253), Doc("What the running VM has.")] = None
    wanted: Annotated[str | None, Text(253), Doc("What spec says.")] = None
    why: Annotated[
        str | None,
        Text(253),
        Doc("Of a disk or a NIC: why the guest that runs does not get it; absent where its bus tells."),
    ] = None


class OpenDisk(ApiModel):
    """A disk that the running QEMU has open."""

    name: Annotated[DeviceName, Doc("Name of the disk.")]
    volume_uid: Annotated[UID, Doc("UID of its Volume.")]


class Runtime(ApiModel):
    """What the host reports about the VM."""

    observed_epoch: Annotated[Count, Doc("The epoch of the assignment that the host acts on.")] = 0
    claim_epoch: Annotated[
        int | None,
        Range(1, MAX_CLAIM_EPOCH),
        Doc("The epoch that the VM's volumes know, where it is above the assignment's: that one is too old."),
    ] = None
    started_at: Annotated[Time | None, Doc("When QEMU was started.")] = None
    handled_restart_at: Annotated[Time | None, Doc("The last spec.restart.at that was done.")] = None
    restarts: Annotated[Count, Doc("How often QEMU was started again after a failure.")] = 0
    domain: Annotated[
        Literal["Present", "Absent"] | None,
        Doc("Whether anything of the VM is left on the host; Absent: nothing, so the VM may go elsewhere."),
    ] = None
    last_exit: Annotated[LastExit | None, Doc("How QEMU last ended.")] = None
    resolved_generation: Annotated[
        Count | None, Doc("Up to which generation the host knows what spec means, and so pendingChanges.")
    ] = None
    pending_changes: Annotated[
        tuple[PendingChange, ...], keyed("path", at_most=64), Doc("Changes that wait for the next start.")
    ] = ()
    disks: Annotated[
        tuple[OpenDisk, ...], keyed("name", at_most=40), Doc("What the running QEMU has open.")
    ] = ()


class Guest(ApiModel):
    """What the agent in the guest says."""

    hostname: Annotated[str | None, Text(253), Doc("Host name of the guest.")] = None
    os: Annotated[str | None, Text(128), Doc("Operating system of the guest.")] = None
    kernel: Annotated[str | None, Text(128), Doc("Kernel of the guest.")] = None
    agent_version: Annotated[str | None, Text(64), Doc("Version of the agent.")] = None


class VirtualMachineStatus(Status):
    """What is so."""

    phase: Annotated[Phase | None, Doc("In one word, for people: what the VM is doing.")] = None
    assignment: Annotated[Assignment | None, Doc("Which host may run the VM.")] = None
    unfit_hosts: Annotated[
        tuple[UnfitHosts, ...],
        keyed("why", at_most=64),
        Doc("While no host can take the VM: every host, by what keeps the VM off it."),
    ] = ()
    migration: Annotated[MigrationState | None, Doc("The migration that goes on; absent: none.")] = None
    restore: Annotated[
        RestoreState | None,
        Doc("The restore that holds it off: its host switches it off, and none starts it; absent: none."),
    ] = None
    resolved: Annotated[Resolved | None, Doc("What was decided where spec leaves it open.")] = None
    nics: Annotated[
        tuple[NicStatus, ...], keyed("name", at_most=_MAX_NICS), Doc("Ports and addresses of the NICs.")
    ] = ()
    addresses: Annotated[
        tuple[IP, ...],
        ordered(_MAX_NICS * _MAX_ADDRESSES_OF_A_NIC),
        Doc("Addresses of the guest: assigned ones, then those that it reports."),
    ] = ()
    runtime: Annotated[Runtime, Doc("What the host reports.")] = Runtime()
    guest: Annotated[Guest | None, Doc("What the agent in the guest reports.")] = None
