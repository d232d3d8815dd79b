"""Messages about volumes, images and pools. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

_IMAGES = (
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "There is no image {image} here; {near} is near.",
        "remove the disk and add it again with the right image, or add the image; it then starts by itself",
    ),
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "There is no image {image} here.",
        "remove the disk and add it again with the right image, or add the image; it then starts by itself",
    ),
    Template(
        "ImageDownloading", "Image, VirtualMachine, Volume", "{image} is being downloaded.", NOTHING_TO_DO
    ),
    Template("Verifying", "Image", "The file is there and is being checked.", NOTHING_TO_DO),
    Template("Verified", "Image", "The file is there and was checked."),
    Template(
        "WaitingForUpload",
        "Image",
        "The file was not sent yet.",
        "qx image upload FILE --name {name}",
    ),
    Template(
        "WaitingForUpload",
        "Image",
        "The last upload ended after {done} of {total}; nothing was kept.",
        "qx image upload FILE --name {name}",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{server} answered {code} for {file}; asked again in {minutes} min.",
        "correct spec.url",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{server} could not be reached for {file}; asked again in {minutes} min. Said: {said}.",
        "check the network, or correct spec.url",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{server} ended the download of {file} after {done} of {total}; nothing was kept. "
        "Asked again in {minutes} min.",
        NOTHING_TO_DO,
    ),
    Template(
        "AddressRefused",
        "Image",
        "{server} is an address of this host or its network, from which no image is fetched.",
        "put the file on another server, or send it with qx image upload",
    ),
    Template(
        "ChecksumMismatch",
        "Image",
        "The file has sha256 {found}, the image says {wanted}; nothing was kept.",
        "correct the sum, or find out who changed the file",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file names another file as its backing file, which could read the host's disk.",
        "qemu-img convert -O qcow2 IN OUT, upload OUT",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file describes a disk of {size}; spec.maxVirtualSize allows {limit}.",
        "raise maxVirtualSize in a new image, or use a smaller file",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file is {found}, but spec.format says {wanted}.",
        "make a new image with format {found} or Auto",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file is no disk image that Quantix knows. Said: {said}.",
        "use a qcow2, raw or ISO file",
    ),
    Template(
        "ImageRefused",
        "VirtualMachine, Volume",
        "Image {image} was refused.",
        "qx image show {image} says why",
    ),
)

_VOLUMES = (
    Template("Available", "Volume", "It is there."),
    Template("AllReady", "VirtualMachine", "All are ready."),
    Template(
        "WaitingForHost",
        "Volume",
        "Pool {pool} is in each host by itself, so it is made on the host of the VM that uses it first.",
        "use it in a VM",
    ),
    Template("Creating", "Volume, VirtualMachine", "{volume} is being made.", NOTHING_TO_DO),
    Template("Copying", "Volume", "{source} is being copied.", NOTHING_TO_DO),
    Template("Moving", "Volume, VirtualMachine", "{volume} is on its way to pool {pool}.", NOTHING_TO_DO),
    Template("Resizing", "Volume", "It grows to {size}.", NOTHING_TO_DO),
    Template(
        "VolumeNotFound",
        "VirtualMachine",
        "There is no volume {volume} here.",
        "create it or correct {path}; it then starts by itself",
    ),
    Template(
        "VolumeInUse",
        "VirtualMachine",
        "Volume {volume} is in use by {user}.",
        "stop that one, or use another volume",
    ),
    Template(
        "VolumeConflict",
        "VirtualMachine",
        "A volume {volume} is there already and was made from {source}; it is not touched.",
        "delete it, or name it in the disk's volume",
    ),
    Template(
        "SnapshotNotFound",
        "VirtualMachine",
        "There is no snapshot {snapshot} here.",
        "correct {path}; it then starts by itself",
    ),
    Template(
        "SourceNotFound",
        "Volume, VirtualMachine",
        "There is no {kind} {source} to make it from.",
        "correct the name, or add it; it then goes on by itself",
    ),
    Template(
        "DataMissing",
        "Volume",
        "Its data is not where it was, at {place} on {host}.",
        "bring the file back, or restore it from a backup",
    ),
    Template(
        "DataMissing",
        "Volume, VirtualMachine",
        "The data of volume {volume} is not where it was, at {place} on {host}.",
        "bring the file back, or restore it from a backup",
    ),
    Template(
        "DataDamaged",
        "Volume, VirtualMachine",
        "{path} is not as Quantix left it, so it is not used. Said: {said}.",
        "put back what belongs there, or restore the volume from a backup",
    ),
    Template("Granted", "Volume", "Its pool has room for {size}."),
    Template(
        "Denied",
        "Volume",
        "Host {host} says that it keeps volume {volume}, but {vm} is not assigned to it: what it said is "
        "taken back.",
        "find out who acts as host {host}",
    ),
)

_POOLS = (
    Template(
        "PoolNotFound",
        "VirtualMachine",
        "There is no pool {pool}.",
        "create it or correct {path}",
    ),
    Template(
        "PoolNotFound",
        "VirtualMachine, Volume, Image",
        "There is no pool {pool}.",
        "create it or correct spec.pool",
    ),
    Template(
        "PoolNotFound",
        "VirtualMachine, Volume, Image",
        "No pool is named, and none is the default.",
        "name one, or set default: true on a pool",
    ),
    Template(
        "PoolFull",
        "VirtualMachine, Volume",
        "Pool {pool} is full; {name} is paused so that no data is lost.",
        "delete snapshots or volumes, or add disks; it resumes by itself",
    ),
    Template(
        "PoolFull",
        "Volume, Image",
        "Pool {pool} has {available} free; {wanted} are needed.",
        "delete volumes, or add disks; it goes on by itself",
    ),
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "{host} does not reach pool {pool}. Said: {said}.",
        "bring the pool back; it goes on by itself",
    ),
    Template("Reachable", "StoragePool", "{hosts} of {all} hosts reach it."),
    Template(
        "Unreachable",
        "StoragePool",
        "{path} is not built yet, so no host reaches it.",
        "make a pool with spec.dir",
    ),
    Template(
        "Unreachable",
        "StoragePool",
        "No host reaches it. Said: {said}.",
        "correct its place, or bring it back",
    ),
    Template(
        "NoHost",
        "StoragePool",
        "No host is chosen by its hostSelector.",
        "label a host, or correct hostSelector",
    ),
    Template(
        "Degraded",
        "StoragePool",
        "It works with less safety than it should. Said: {said}.",
        "bring back what is missing",
    ),
    Template(
        "DefaultConflict",
        "StoragePool",
        "{other} is the default pool too, and the older one counts.",
        "set default: false on one of them",
    ),
    Template(
        "CredentialsRefused",
        "StoragePool, Host",
        "{server} refused the user and key.",
        "correct Secret {secret}",
    ),
    Template("Blocklist", "StoragePool", "A failed host can be shut out of it."),
    Template(
        "LocalStorage", "StoragePool", "It is in each host by itself: its volumes do not outlive their host."
    ),
    Template(
        "NoCapability", "StoragePool", "Its user may not shut a failed host out.", "give the user that right"
    ),
)

STORAGE_TEMPLATES: tuple[Template, ...] = (*_IMAGES, *_VOLUMES, *_POOLS)
