"""Messages about volumes. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

STORAGE_TEMPLATES: tuple[Template, ...] = (
    Template("Available", "Volume", "It is there."),
    Template(
        "Available",
        "Volume",
        "It grows to {size} at the next start of {waiting}.",
        "qx vm restart {waiting}",
    ),
    Template("Available", "Volume", "It grows to {size} once a guest of {user} has it."),
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
        "Volume",
        "VM {off} is off: it is made on the host where that VM starts first.",
        "qx vm start {off}",
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
    Template("Creating", "Volume, VirtualMachine", "The file of volume {sent} is being sent.", NOTHING_TO_DO),
    Template(
        "Creating",
        "VirtualMachine",
        "Volume {going} is still being deleted; then a new one is made.",
        "nothing; qx volume explain {going} says what keeps it",
    ),
    Template(
        "VolumeInUse",
        "VirtualMachine",
        "Volume {lost} is being deleted, which cannot be undone: its data goes once the guest stops.",
        "copy what is needed out of the guest before it is stopped or started again",
    ),
    Template(
        "VolumeInUse",
        "VirtualMachine",
        "Volume {going} is deleted, but kept until it is copied for VM {clone}; then a new one is made.",
        "qx vm start {clone}, or qx vm delete {clone} --volumes, after which it goes on within 4 min",
    ),
    Template(
        "VolumeInUse",
        "VirtualMachine",
        "Volume {going} is deleted, but kept until volume {copy} is made from it; then a new one is made.",
        "use {copy} in a VM, or qx volume delete {copy}, after which it goes on within 4 min",
    ),
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
        "VolumeInUse",
        "VirtualMachine, Volume",
        "Another process keeps the claim of volume {locked} locked.",
        "lslocks on the hosts of its pool says which; once that one has ended it goes on by itself",
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
        "qx volume delete {volume} where its data is not needed, or another name for the VM",
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
