"""What to do about reasons of images, volumes and pools. Data only."""

from __future__ import annotations

from quantix_api.documentation.advice_entry import Advice, waits

_IMAGE = "`qx image explain NAME`."
_VOLUME = "`qx volume explain NAME`."
_POOL = "`qx pool explain POOL`; `df` and `mount` on the host."

_IMAGES = {
    "ImageNotFound": Advice(
        "`qx image list`, and `qx image list 'shared/*'` for those that every namespace may use.",
        "Add the image under that name; or, as a disk keeps its image's name for good, `qx vm delete NAME` "
        "of a VM that never ran, which has no data yet, and create it again with the right one. A VM that "
        "has run gets a volume of the right image instead, by `qx volume create` and `qx vm attach NAME "
        "--volume VOLUME`, before `qx vm detach NAME DISK` takes the other disk out.",
    ),
    "ImageDownloading": waits(_IMAGE, "`status.progress` shows how far it is."),
    "Verifying": waits(_IMAGE, "A large image takes as long as reading it does."),
    "WaitingForUpload": Advice(
        f"{_IMAGE[:-1]}, or of a volume `qx volume explain NAME`.",
        "`qx image upload FILE --name NAME`, or of a volume `qx volume upload FILE --name NAME`. The file "
        "may be on any machine that has `qx`.",
    ),
    "ImageUnreachable": Advice(
        "`curl -I URL` on the host: it is the host that downloads. Where it names hosts: `qx host list`.",
        "It is tried again by itself. An image's `url` cannot change: for another one there is another "
        "image, or send the file with `qx image upload`.",
    ),
    "AddressRefused": Advice(
        "`getent hosts SERVER` on the host: where does the name lead?",
        "Put the file on a server outside the hosts' own network, or `qx image upload` it. An administrator "
        "may [allow more addresses](images.md#which-servers).",
    ),
    "ChecksumMismatch": Advice(
        "`sha256sum FILE`, and the sum that the publisher names.",
        "Where the publisher has a new file, make a new image with its sum. Otherwise do not use the file.",
    ),
    "ImageRefused": Advice(
        "`qemu-img info FILE`.",
        "[What is refused](images.md#what-is-refused) has each case. Converting helps for most: `qemu-img "
        "convert -O qcow2 IN OUT`, then `qx image upload OUT`, or of a volume `qx volume upload OUT`.",
    ),
}

_VOLUMES = {
    "WaitingForHost": Advice(
        _VOLUME,
        "Use it in a VM: its data is then made on that VM's host. A clone waits for the VM of its source: "
        "`qx vm explain` that one.",
    ),
    "Creating": waits(_VOLUME, "If it lasts, look at its pool: `qx pool explain POOL`."),
    "Copying": waits(_VOLUME, "A full copy takes as long as writing the disk; two at a time on a host."),
    "Moving": waits(_VOLUME, "It takes as long as copying the data does."),
    "Resizing": waits(_VOLUME, "The volume of a stopped VM grows when it starts."),
    "VolumeNotFound": Advice(
        "`qx volume list`.", "Make it (`qx volume create NAME --size SIZE`) or correct the name."
    ),
    "VolumeInUse": Advice(
        f"{_VOLUME} It says who has it.",
        "Stop that VM or take the disk out of it. A volume is never in two VMs; a silent host that has it "
        "has to come back first. A volume that is being deleted lasts as long as the guest that has it: save "
        "what is in it from within that guest.",
    ),
    "PassphraseWrong": Advice(
        "`kubectl describe secret NAME`: was the Secret of the volume made anew, or is a line end in it?",
        "Put the passphrase back that the Secret held when the volume was made; it then goes on by itself.",
    ),
    "VolumeConflict": Advice(
        f"{_VOLUME} It was left by an earlier VM of this name, or made for something else.",
        "To keep its data: name it in the disk, `volume: NAME`, under another disk name. To begin anew: `qx "
        "volume delete NAME`.",
    ),
    "SourceNotFound": Advice(
        _VOLUME, "Correct the name in a new volume, or add what it names under that name."
    ),
    "DataMissing": Advice(
        "`ls` of the path that it names, as root on the host; is a file system not mounted?",
        "Bring the file back, or restore a backup to that path. No empty disk is made in its place.",
    ),
    "DataDamaged": Advice(
        "The path that it names, as root on the host.",
        "Somebody or something else changed it there. Put back what belongs there; do not edit files of a "
        "pool.",
    ),
    "ClaimForeign": Advice(
        "Which cluster made the pool.", "Two clusters may not share a directory: use another one."
    ),
    "ClaimStale": waits(_VOLUME, "A VM that runs gets the volume at its next start."),
    "ClaimNotHeld": waits(_VOLUME, "If it lasts, `qx support-bundle` and report it."),
    "Denied": Advice(
        "`kubectl get csr`, and the certificates of that host: [certificates](certificates.md).",
        "A host claimed a volume that is none of its own. If nobody of you tried that, treat its key as "
        "stolen.",
    ),
}

_POOLS = {
    "PoolNotFound": Advice("`qx pool list`.", "Correct the name, or set `default: true` on a pool."),
    "PoolFull": Advice(
        f"{_POOL} `qx volume list` and `qx image list` show who has how much. In Ceph: `ceph health detail`, "
        "`ceph osd df`, `ceph osd pool get-quota`.",
        "Delete what nobody needs, or enlarge the file system; in Ceph add OSDs, or raise the quota. "
        "`overcommitPercent` of the pool is how much may be promised. Paused VMs resume by themselves, and "
        "those in Ceph, which stand still, go on.",
    ),
    "FillsUp": Advice(
        f"{_POOL} `qx volume list` and `qx image list` show who has how much.",
        "Delete what nobody needs, or enlarge the file system, before the last twentieth is reached: then "
        "nothing new is taken, and VMs are paused once nothing is left.",
    ),
    "PoolUnreachable": Advice(
        _POOL,
        "Mount what belongs there, make the directory, or mend what the message names. VMs go on by "
        "themselves.",
    ),
    "Unreachable": Advice(
        "For a pool: its path on the hosts. For a host: is it on, is its network up, does `quantix-hostd` "
        "run?",
        "Bring it back; everything else follows by itself.",
    ),
    "DirectoryMissing": Advice(
        "`ls -d` of that path on the host; is a disk not mounted?",
        "Make the directory on each host that is to reach the pool, or mount what belongs there: within half "
        "a minute the host looks again. Quantix makes none, since a disk may be missing.",
    ),
    "PathRefused": Advice(
        "`realpath` of the pool's path on that host.",
        "A place cannot change: delete the pool and create one in a directory of your own, below `/srv`, "
        "`/mnt`, `/home` or `/var/lib`. What belongs to the system, or to Quantix itself, is not taken, also "
        "where a link leads there.",
    ),
    "PathBarred": Advice(
        "`namei -l PATH` on that host shows the rights of each directory on the way.",
        "Let QEMU's user in: `chmod o+x DIR`, or for that user alone `setfacl -m u:libvirt-qemu:x DIR`. The "
        "host looks again within half a minute. Or make the pool elsewhere, such as below `/srv`. VMs that "
        "run go on; one that is to start there waits (`PoolUnreachable`), and goes on by itself. What is in "
        "the pool can be deleted meanwhile.",
    ),
    "PathShared": Advice(
        "`kubectl get pools -o yaml`, and `realpath` of both paths on that host.",
        "Delete the later pool and create one in another directory: of two in one place the room would be "
        "counted twice. The one that keeps data already, else the older, has the place.",
    ),
    "PoolLeft": Advice(
        "The directory that it names, as root on the host.",
        "A host removes what it made for a pool that is deleted, and nothing else: no data of volumes, no "
        "files that it does not know, no image that was sent and lies nowhere else. Remove the rest by hand; "
        "or create a pool in that directory again, which then has what is left.",
    ),
    "NoHost": Advice(
        "`kubectl get pool POOL -o yaml`, `kubectl get hosts --show-labels`.",
        "Label a host, or correct `hostSelector`.",
    ),
    "Degraded": Advice(_POOL, "Bring back what is missing."),
    "DefaultConflict": Advice(
        "`qx pool list -o wide`.", "Leave `default: true` on one pool only: `qx pool set NAME --no-default`."
    ),
    "CredentialsRefused": Advice(
        "The Secret that it names.",
        "Correct user and key: `ceph auth get client.USER` shows the key. BMCs are not built yet.",
    ),
    "NoCapability": Advice(
        "The rights of the pool's user: `ceph auth get client.USER`.",
        "Give it `profile rbd` for `mon`. Failover is not built yet, so nothing asks for it.",
    ),
}

STORAGE_ADVICE: dict[str, Advice] = {**_IMAGES, **_VOLUMES, **_POOLS}
