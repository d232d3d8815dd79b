"""Messages about volumes and pools. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

_VOLUMES = (
    Template("Available", "Volume", "It is there."),
    Template("AllReady", "VirtualMachine", "All are ready."),
    Template(
        "WaitingForHost",
        "Volume",
        "Pool {pool} is in each host by itself, so it is made on the host of the VM that uses it first.",
        "use it in a VM",
    ),
    Template(
        "WaitingForHost",
        "Volume",
        "It is made on the host of VM {vm}, which has none yet.",
        "qx vm explain {vm} says why",
    ),
    Template(
        "WaitingForHost",
        "VirtualMachine, Volume",
        "Volume {volume} is copied once it is there; it is made on the host of VM {vm}, which has none yet.",
        "qx vm explain {vm} says why",
    ),
    Template(
        "WaitingForHost",
        "VirtualMachine, Volume",
        "Volume {volume} is copied once it is there; it is made on the host of the VM that uses it first.",
        "use it in a VM, or copy another volume",
    ),
    Template("Creating", "Volume, VirtualMachine", "{volume} is being made.", NOTHING_TO_DO),
    Template(
        "Creating",
        "Volume, VirtualMachine",
        "Volume {volume} is copied once it is there, and it waits ({why}).",
        "qx volume explain {volume} says what helps",
    ),
    Template("Copying", "Volume, VirtualMachine", "{source} is being copied.", NOTHING_TO_DO),
    Template(
        "Copying",
        "Volume, VirtualMachine",
        "{source} is copied once {host} has ended copies that came before.",
        NOTHING_TO_DO,
    ),
    Template("Resizing", "Volume", "It grows to {size}.", NOTHING_TO_DO),
    Template("VolumeResized", "Volume", "It grew from {before} to {size}."),
    Template(
        "VolumeNotFound",
        "VirtualMachine",
        "There is no volume {volume} here.",
        "create it or correct {path}; it then goes on by itself",
    ),
    Template(
        "VolumeInUse",
        "VirtualMachine",
        "Volume {volume} is in use by {user}.",
        "stop that one, or use another volume",
    ),
    Template(
        "VolumeInUse",
        "VirtualMachine, Volume",
        "Host {host} has not let go of one of its volumes.",
        "nothing; it goes on once {host} has released it",
    ),
    Template(
        "VolumeInUse",
        "VirtualMachine, Volume",
        "Volume {handle} was changed by somebody else at the same moment.",
        NOTHING_TO_DO,
    ),
    Template(
        "InUse",
        "Volume",
        "Host {holder} has not let go of it.",
        "nothing; it goes on once {holder} has released it",
    ),
    Template(
        "ClaimForeign",
        "VirtualMachine, Volume",
        "The volume belongs to cluster {cluster}, not to this one.",
        "an administrator has to take the pool over",
    ),
    Template(
        "ClaimStale",
        "VirtualMachine, Volume",
        "The volume was released under epoch {floor}, and epoch {epoch} cannot have it again.",
        NOTHING_TO_DO,
    ),
    Template("ClaimNotHeld", "VirtualMachine", "Host {host} does not hold the volume.", NOTHING_TO_DO),
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
        "correct {path}; it then goes on by itself",
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
        "The data of a volume is not where it was, at {place}.",
        "bring the file back, or restore it from a backup",
    ),
    Template(
        "DataMissing",
        "VirtualMachine",
        "{name} has ended, but what it holds at {place} cannot be given back: its data is not there.",
        "bring the data back; if it is gone for good, delete {name}",
    ),
    Template(
        "DataMissing",
        "Volume, VirtualMachine",
        "The data of volume {volume} is not where it was, at {place} on {host}.",
        "bring the file back, or name the pool that it was moved to",
    ),
    Template(
        "DataDamaged",
        "Volume, VirtualMachine",
        "{path} is not as Quantix left it, so it is not used. Said: {said}.",
        "put back what belongs there, or restore the volume from a backup",
    ),
    Template(
        "DataDamaged",
        "Volume, VirtualMachine",
        "{unclaimed} has lost its claim, without which nobody may use or remove it.",
        "restore the volume from a backup; or, once no process has it, remove that directory",
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
        "Pool {pool} can promise {available} more; {wanted} are needed.",
        "delete volumes, or add disks; it goes on by itself",
    ),
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "{host} does not reach pool {pool}. Said: {said}.",
        "bring the pool back; it goes on by itself",
    ),
    Template(
        "PoolFull",
        "Volume, Image",
        "Pool {pool} has no room for {what}.",
        "delete volumes or images, or add disks; it goes on by itself",
    ),
    Template(
        "PoolFull",
        "Volume, Image",
        "There is no room for {what}. Said: {said}.",
        "delete volumes or images, or add disks; it goes on by itself",
    ),
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "{host} is not one of the hosts of pool {pool}.",
        "correct hostSelector of the pool, or use another one",
    ),
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "{host} cannot use pool {pool}. Said: {said}.",
        "make the directory {path}, or mount what belongs there",
    ),
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "{host} does not use pool {pool}: its directory {link} is a symbolic link.",
        "mount --bind the directory that it leads to there, or name that one in a pool",
    ),
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "{host} does not use pool {pool}: it has kept data in {empty}, where there is none now.",
        "mount what belongs there; or, if it is to begin anew, mkdir {empty}/volumes",
    ),
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "The host cannot use {what}. Said: {said}.",
        "bring the pool back; it goes on by itself",
    ),
    Template("Reachable", "StoragePool", "Hosts that reach it: {hosts} of {all}."),
    Template("Enough", "StoragePool", "At least 15 % of it are free on every host."),
    Template(
        "FillsUp",
        "StoragePool",
        "{free} of {capacity} are left on {host}.",
        "delete volumes or images, or add disks, before 5 % are left",
    ),
    Template(
        "PoolFull",
        "StoragePool",
        "{free} of {capacity} are left on {host}: VMs are paused when nothing is, and nothing new is taken.",
        "delete volumes or images, or add disks",
    ),
    Template(
        "PoolFull",
        "Volume, Image",
        "Pool {pool} has {free} left, which is for the disks it has; {wanted} are needed.",
        "delete volumes or images, or add disks; it goes on by itself",
    ),
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
        "qx pool set NAME --no-default, for one of the two",
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

STORAGE_TEMPLATES: tuple[Template, ...] = (*_VOLUMES, *_POOLS)
