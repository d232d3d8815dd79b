"""The kind Volume: stored data that a VM's disk is backed by."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Doc, Fixed, Live, NotBuilt, Rule, Text, exactly_one, keyed, unchanged
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
from quantix_api.resources import VOLUMES
from quantix_api.scalars import UID, DataState, DeviceName, Name, SharedName, Size
from quantix_api.vm_devices import DiskQoS
from quantix_api.vm_guest import KeyName


class SnapshotSource(ApiModel):
    """A disk of a VirtualMachineSnapshot."""

    name: Annotated[Name, Fixed("Name of the VirtualMachineSnapshot.")]
    disk: Annotated[DeviceName, Fixed("Name of the disk in it.")]


class VolumeUpload(ApiModel):
    """A file that is sent."""

    format: Annotated[
        Literal["Auto", "Qcow2", "Raw", "ISO"], Fixed("Format of the file; Auto: found out from its content.")
    ] = "Auto"


class VolumeSource(ApiModel):
    """What a Volume is made from."""

    RULES: ClassVar[tuple[Rule, ...]] = (exactly_one("image", "volume", "snapshot", "upload"),)

    image: Annotated[SharedName | None, Fixed("An Image: NAME here, or shared/NAME.")] = None
    volume: Annotated[Name | None, Fixed("Another Volume here, which is copied.")] = None
    snapshot: Annotated[SnapshotSource | None, Fixed("A disk of a snapshot.")] = None
    upload: Annotated[VolumeUpload | None, Fixed("The file is sent with qx volume upload.")] = None


class EncryptionSecret(ApiModel):
    """A key of a Secret in the Volume's namespace."""

    name: Annotated[Name, Fixed("Name of the Secret.")]
    key: Annotated[KeyName, Fixed("Key in the Secret.")] = "passphrase"


class Encryption(ApiModel):
    """Encryption of the data with LUKS."""

    secret_ref: Annotated[EncryptionSecret, Fixed("The Secret that holds the passphrase.")]


class VolumeSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.size) || has(self.source)", "a volume without a source is empty and needs a size"),
        # so that its pool is asked for the room before a file says how much it unpacks to
        Rule(
            "has(self.size) || !has(self.source) || !has(self.source.upload)",
            "a volume of a file that is sent needs a size: qx volume upload says the file's",
        ),
        unchanged("source", message="the source of a volume cannot change: make a new volume"),
        unchanged("copyMode", "accessMode", message="copyMode and accessMode cannot change"),
        unchanged("encryption", message="encryption cannot change: make a new volume from this one"),
    )

    pool: Annotated[
        Name | None,
        Live(
            "StoragePool that holds the data; a change moves it. "
            "Absent: the default pool, then kept in status.pool."
        ),
    ] = None
    size: Annotated[
        Size | None,
        Live(
            "Size, such as 10Gi; it only grows. Needed for an empty volume. Absent: as large as the source."
        ),
    ] = None
    source: Annotated[VolumeSource | None, Fixed("What it is made from. Absent: it is empty.")] = None
    copy_mode: Annotated[
        Literal["Linked", "Full"],
        Fixed(
            "Linked: data of its image stays there, and blocks of a volume where the file system can. "
            "Full: all is copied."
        ),
    ] = "Linked"
    access_mode: Annotated[
        Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"],
        Fixed("How many VMs may have it. ReadWriteMany is for file systems that know how to share a disk."),
        NotBuilt("one VM has it at a time"),
    ] = "ReadWriteOnce"
    encryption: Annotated[
        Encryption | None,
        Fixed("Encryption of what is written to it. Absent: none. What comes from an image is in the image."),
    ] = None
    deletion_protection: Annotated[
        bool, Live("true: the volume cannot be deleted. Deleting a volume deletes its data.")
    ] = False
    qos: Annotated[
        DiskQoS | None,
        Live("Limits of the volume, where the disk of the VM that has it says none. Absent: none."),
    ] = None


class Attachment(ApiModel):
    """A VM that names the Volume."""

    uid: Annotated[UID, Doc("UID of the VM.")]
    name: Annotated[Name, Doc("Name of the VM.")]


class VolumeStatus(Status):
    """What is so."""

    phase: Annotated[
        Literal["Pending", "Creating", "Available", "InUse", "Moving", "Failed"] | None,
        Doc("In one word, for people: what happens to the volume. InUse: a VM has it, running or not."),
    ] = None
    host: Annotated[Name | None, Doc("The host whose daemon acts on it and reports.")] = None
    confirmed_host: Annotated[
        Name | None,
        Doc("The host of which the scheduler has confirmed that the volume is its own: it keeps the data."),
    ] = None
    pool: Annotated[Name | None, Doc("The pool that holds the data.")] = None
    moving_to: Annotated[
        Name | None, Doc("The pool that it may be moved to, or is: the pool has room for it.")
    ] = None
    capacity: Annotated[Size | None, Doc("Its size as the guest sees it.")] = None
    attached_to: Annotated[
        tuple[Attachment, ...], keyed("uid"), Doc("VMs that name the volume in one of their disks.")
    ] = ()
    handle: Annotated[
        str | None, Text(128), Doc("Name of the directory or RBD image that holds the data.")
    ] = None
    data: Annotated[
        DataState | None, Doc("Whether anything of it is stored; Absent: nothing is, so the object may go.")
    ] = None
    progress: Annotated[Progress | None, Doc("How far copying or moving has come.")] = None


class Volume(ApiObject):
    """Stored data that outlives the VM that uses it. Deleting it deletes the data."""

    DEFINITION: ClassVar[Definition] = Definition(
        VOLUMES,
        ("vol",),
        (
            PHASE,
            READY,
            Column("Size", ".status.capacity"),
            Column("Pool", ".status.pool"),
            Column("VM", r".metadata.annotations.quantix\.io/virtual-machine"),
            REASON,
            AGE,
        ),
        (".spec.pool", ".spec.source.volume", ".spec.source.snapshot.name", ".status.phase", ".status.host"),
    )

    spec: Annotated[VolumeSpec, Live("What is wanted.")]
    status: VolumeStatus = VolumeStatus()
