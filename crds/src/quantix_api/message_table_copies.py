"""Messages about volumes that are copies of others, that move, and about encrypted ones, and about images
that are copied from other hosts. Data only.
"""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

COPY_TEMPLATES: tuple[Template, ...] = (
    Template(
        "SourceNotFound",
        "Volume, VirtualMachine",
        "There is no {kind} {source} to make it from.",
        "correct the name, or add it; it then goes on by itself",
    ),
    Template(
        "SourceNotFound",
        "Volume",
        "{path} is not built yet, so no volume is made of it.",
        "name an image in it",
    ),
    Template(
        "SourceNotFound",
        "Volume, VirtualMachine",
        "Volume {volume} is kept by host {host} alone, so it is not copied here.",
        "move the VM to {host}, by spec.placement",
    ),
    Template(
        "VolumeInUse",
        "Volume, VirtualMachine",
        "Volume {source} is copied once VM {user} is off; a restart is not enough: it may write to it.",
        "qx vm stop {user}, and start it again once the copy is made; it then goes on by itself",
    ),
    Template(
        "VolumeInUse",
        "Volume, VirtualMachine",
        "Volume {source} is copied once it is in pool {pool}.",
        NOTHING_TO_DO,
    ),
    Template(
        "VolumeInUse",
        "Volume, VirtualMachine",
        "Volume {source} is copied once host {holder} has let go of it.",
        NOTHING_TO_DO,
    ),
    Template(
        "InUse",
        "Volume",
        "It is being copied for volume {clone}.",
        "nothing; it goes on once the copy is made",
    ),
    Template(
        "InUse",
        "Volume, VirtualMachineSnapshot",
        "It is deleted once what is still to be made from it is made: {copies}.",
        "qx volume explain says what that waits for; or delete that, too",
    ),
    Template(
        "SecretNotFound",
        "Volume, VirtualMachine",
        "Volume {encrypted} is encrypted, and its Secret {name} is not there.",
        "create it; it then goes on by itself",
    ),
    Template(
        "SecretNotFound",
        "Volume, VirtualMachine",
        "Volume {encrypted} is encrypted, and its Secret {name} has no key {key}.",
        "add it; it then goes on by itself",
    ),
    Template(
        "SecretNotFound",
        "Volume, VirtualMachine",
        "Volume {encrypted} is encrypted, and what its Secret {name} holds under {key} is {what}.",
        "correct it; it then goes on by itself",
    ),
    Template(
        "SecretNotGranted",
        "Volume, VirtualMachine",
        "Volume {encrypted} is encrypted, and its host is about to be allowed to read its Secret {name}.",
        NOTHING_TO_DO,
    ),
    Template(
        "PassphraseWrong",
        "Volume, VirtualMachine",
        "A disk was encrypted with another passphrase than its Secret holds now. Said: {said}.",
        "put the passphrase back that the Secret held at first; it then goes on by itself",
    ),
    Template(
        "ConfigRefused",
        "Volume, VirtualMachine",
        "Volume {encrypted} is encrypted, and a copy without spec.encryption would be readable.",
        "delete {copy}, then qx volume create {copy} --from {encrypted} --secret {secret}",
    ),
    Template(
        "ConfigRefused",
        "Volume, VirtualMachine",
        "Pool {pool} is in Ceph, where volumes cannot be encrypted yet.",
        "leave out {path}, or name a pool with spec.dir",
    ),
    Template(
        "ConfigRefused",
        "VirtualMachine",
        "Image {image} is in pool {pool}, which is in Ceph: it cannot be a CD-ROM yet.",
        "name an image in a pool with spec.dir",
    ),
    Template("Moving", "Volume, VirtualMachine", "{volume} is on its way to pool {pool}.", NOTHING_TO_DO),
    Template(
        "Moving",
        "Volume, VirtualMachine",
        "{volume} goes to pool {pool} once VM {leaver} is on its other host.",
        NOTHING_TO_DO,
    ),
    Template(
        "Moving",
        "Volume, VirtualMachine",
        "{volume} goes to pool {pool} once snapshot {snapshot} of its VM has been taken.",
        NOTHING_TO_DO,
    ),
    Template(
        "Moving",
        "Volume, VirtualMachine",
        "{volume} goes to pool {pool} once VM {restoring} has been set back to its snapshot.",
        NOTHING_TO_DO,
    ),
    Template(
        "WaitingForHost",
        "Volume, VirtualMachine",
        "{volume} goes to pool {pool} on the host of VM {vm}, which has none yet: there it stays.",
        "qx vm explain {vm} says why",
    ),
    Template(
        "Moving",
        "Volume, VirtualMachine",
        "{volume} goes to pool {pool} once volume {clone} has been made from it.",
        NOTHING_TO_DO,
    ),
    Template(
        "Moving",
        "Volume, VirtualMachine",
        "{volume} waits for its turn to go to pool {pool}: {most} disks of running VMs are copied at once on "
        "a host, {each} for a namespace.",
        NOTHING_TO_DO,
    ),
    Template(
        "Moving",
        "Volume, VirtualMachine",
        "{volume} is not in pool {pool} yet; the next try is at {at}. Said: {said}.",
        NOTHING_TO_DO,
    ),
    Template(
        "Moving",
        "Volume, VirtualMachine",
        "{volume} cannot go to pool {pool}: {path} is there already, and is no copy of it.",
        "name another pool if both are one directory; else look at it, and take it away",
    ),
    Template("Moved", "Volume", "It was moved from pool {before} to pool {pool}."),
    Template(
        "ImageDownloading",
        "Image, VirtualMachine, Volume",
        "{image} is being copied from {sender}.",
        NOTHING_TO_DO,
    ),
    Template(
        "ImageDownloading",
        "Image, VirtualMachine, Volume",
        "{image} waits for its turn: {busy} cannot send more images at once.",
        NOTHING_TO_DO,
    ),
    Template(
        "ImageUnreachable",
        "Image, VirtualMachine, Volume",
        "{image} is on {holders} and nowhere else, and cannot be copied from there: {why}.",
        "get a host back that has it; it then goes on by itself",
    ),
    Template("ImageUnreachable", "log", "No copy came from {sender}: {why}.", NOTHING_TO_DO),
)
