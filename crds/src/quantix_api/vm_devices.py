"""The devices of a VirtualMachine: disks, CD-ROM drives, NICs, host devices, consoles, watchdog.

Defaults of list items are the models' only, never the schema's: client-side apply would otherwise report a
change at every run.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.inbound import groups_that_count
from quantix_api.markers import (
    AtRestart,
    Fixed,
    Live,
    Partly,
    Range,
    Rule,
    Text,
    at_most_one,
    distinct,
    unchanged,
)
from quantix_api.model import ApiModel
from quantix_api.scalars import IP, MAC, DeviceName, Name, SharedName, Size

_SOURCE_CHANGED = "the source of a disk cannot change: remove the disk and add one with another name"


class DiskQoS(ApiModel):
    """Limits of a disk."""

    iops: Annotated[int | None, Range(1), Live("Most reads and writes in a second. Absent: no limit.")] = None
    bytes_per_second: Annotated[
        Size | None, Live("Most data in a second, such as 200Mi. Absent: no limit.")
    ] = None


class Disk(ApiModel):
    """A place for a Volume in the VM. With no source it is a new, empty Volume of `size`."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        at_most_one(
            "image",
            "snapshot",
            "cloneOf",
            "volume",
            message="a disk has at most one of image, snapshot, cloneOf and volume; none: a new empty volume",
        ),
        Rule(
            "has(self.volume) || has(self.image) || has(self.snapshot) || has(self.cloneOf) "
            "|| has(self.size)",
            "a disk without image, snapshot, cloneOf or volume is empty and needs a size",
        ),
        Rule(
            "!has(self.volume) || (!has(self.size) && !has(self.pool))",
            "a disk that attaches a volume has that volume's size and pool: set them there",
        ),
        Rule(
            "!has(self.readOnly) || !self.readOnly || !has(self.bus) || self.bus != 'SATA'",
            "a SATA disk cannot be read-only: give it the bus Virtio or SCSI",
        ),
        Rule("!has(self.snapshotDisk) || has(self.snapshot)", "snapshotDisk needs snapshot"),
        Rule("!has(self.copyMode) || has(self.cloneOf)", "copyMode needs cloneOf"),
        unchanged(
            "image", "snapshot", "snapshotDisk", "cloneOf", "copyMode", "volume", message=_SOURCE_CHANGED
        ),
    )

    name: Annotated[
        DeviceName,
        AtRestart("Name of the disk in this VM; its Volume is named VM-DISK. Another name is another disk."),
    ]
    image: Annotated[
        SharedName | None, Fixed("Image that the Volume is made from: NAME here, or shared/NAME.")
    ] = None
    snapshot: Annotated[Name | None, Fixed("VirtualMachineSnapshot that the Volume is made from.")] = None
    snapshot_disk: Annotated[
        DeviceName | None,
        Fixed("Which disk of the snapshot. Absent: the one of this disk's name."),
    ] = None
    clone_of: Annotated[Name | None, Fixed("Another Volume here that the new one is a copy of.")] = None
    copy_mode: Annotated[
        Literal["Linked", "Full"] | None,
        Fixed("With cloneOf: Linked shares the image that it stands on, Full copies all. Absent: Linked."),
    ] = None
    volume: Annotated[Name | None, Fixed("An existing Volume to attach; its size and pool are its own.")] = (
        None
    )
    size: Annotated[
        Size | None,
        Partly(
            "Size of the Volume, such as 10Gi; it only grows, at once, or at the next start of a stopped VM. "
            "Needed for an empty disk. Absent: as large as the source."
        ),
    ] = None
    pool: Annotated[
        Name | None,
        Live(
            "StoragePool that holds the data; a change moves it. "
            "Absent: the default pool at first, then where it is."
        ),
    ] = None
    reclaim_policy: Annotated[
        Literal["Retain", "Delete"],
        Live("What happens to the Volume when the VM is deleted or the disk leaves spec. Absent: Retain."),
    ] = "Retain"
    bus: Annotated[
        Literal["Virtio", "SCSI", "SATA"], AtRestart("How the guest sees the disk. Absent: Virtio.")
    ] = "Virtio"
    cache: Annotated[
        Literal["None", "Writeback", "Writethrough"],
        AtRestart("How the host caches the disk. Absent: None."),
    ] = "None"
    read_only: Annotated[bool, AtRestart("true: the guest cannot write to it. Absent: false.")] = False
    serial: Annotated[
        str | None,
        Text(20, 1),
        Rule("self.matches('^[A-Za-z0-9_.-]+$')", "must be letters, digits, '_', '.' and '-' only"),
        AtRestart("Serial number that the guest reads. Absent: the first 20 digits of the Volume's UID."),
    ] = None
    qos: Annotated[
        DiskQoS | None,
        Live(
            "Limits of the disk, which count as a whole: {} is no limit. Absent: those of its Volume's spec."
        ),
    ] = None


class Cdrom(ApiModel):
    """A CD-ROM drive; its medium is read straight from the Image."""

    name: Annotated[DeviceName, AtRestart("Name of the drive in this VM.")]
    image: Annotated[
        SharedName | None,
        Live("Image in the drive: NAME here, or shared/NAME. Absent: the drive is empty."),
    ] = None


class NicQoS(ApiModel):
    """Limits of a NIC."""

    ingress_bits_per_second: Annotated[
        Size | None, Live("Most that the guest receives, in bits a second, such as 100M. Absent: no limit.")
    ] = None
    egress_bits_per_second: Annotated[
        Size | None, Live("Most that the guest sends, in bits a second, such as 100M. Absent: no limit.")
    ] = None


class Nic(ApiModel):
    """A network card. What comes in is denied but for what its security groups allow."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.portSecurity) || self.portSecurity == 'Enabled' || !has(self.securityGroups) "
            "|| self.securityGroups.size() == 0",
            "securityGroups need portSecurity Enabled",
        ),
    )

    name: Annotated[DeviceName, AtRestart("Name of the NIC in this VM.")]
    network: Annotated[
        SharedName,
        Live("Network that it is in: NAME here, or shared/NAME. After a change the guest needs a new lease."),
    ]
    addresses: Annotated[
        tuple[IP, ...],
        distinct(2),
        Live("Its addresses, one of each family. Absent: chosen once and kept while the VM exists."),
    ] = ()
    mac: Annotated[
        MAC | None, AtRestart("Its MAC address. Absent: derived from the VM's UID and the NIC's name.")
    ] = None
    security_groups: Annotated[
        tuple[Name, ...] | None,
        distinct(),
        Live("SecurityGroups that say what may come in. Absent: the namespace's own group default."),
    ] = None
    link_state: Annotated[Literal["Up", "Down"], Live("Whether the cable is plugged in. Absent: Up.")] = "Up"
    port_security: Annotated[
        Literal["Enabled", "Disabled"],
        Live("Disabled: no check of sender addresses, and no securityGroups. Absent: Enabled."),
    ] = "Enabled"
    model: Annotated[
        Literal["Virtio", "E1000e"], AtRestart("The card that the guest sees. Absent: Virtio.")
    ] = "Virtio"
    qos: Annotated[NicQoS | None, Live("Limits of the NIC. Absent: none.")] = None

    @property
    def effective_security_groups(self) -> tuple[str, ...]:
        """The groups that count: none without port security, `default` where nothing is said."""
        return groups_that_count(self.port_security, self.security_groups)


class HostDevice(ApiModel):
    """A device of the host that the guest has to itself."""

    name: Annotated[DeviceName, AtRestart("Name of the device in this VM.")]
    class_: Annotated[
        Name, AtRestart("Class of device, as Hosts offer it in spec.devices, such as nvidia-a16-4q.")
    ]


class Console(ApiModel):
    """Screen and serial port; both can only be reached through the host's daemon."""

    vnc: Annotated[bool, AtRestart("true: the VM has a screen that can be reached by VNC.")] = True
    serial: Annotated[bool, AtRestart("true: the VM has a serial port, ttyS0 in the guest.")] = True
    video: Annotated[Literal["Virtio", "VGA", "None"], AtRestart("Graphics card of the guest.")] = "Virtio"


class Watchdog(ApiModel):
    """A timer that acts when the guest no longer feeds it."""

    action: Annotated[
        Literal["Reset", "PowerOff", "Pause", "None"],
        Live("What happens to the VM when the guest no longer feeds the timer. Each time it is told."),
    ] = "Reset"
