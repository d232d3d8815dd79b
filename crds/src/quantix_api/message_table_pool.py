"""Messages about pools. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

_MAKE_ROOM_IN_CEPH = "delete snapshots, volumes or images, raise its quota, or add OSDs; it goes on by itself"

POOL_TEMPLATES: tuple[Template, ...] = (
    Template(
        "PoolNotFound",
        "VirtualMachine, Volume, Image",
        "There is no pool {pool}.",
        "create it or correct {path}",
    ),
    Template(
        "PoolNotFound",
        "VirtualMachine, Volume, Image",
        "No pool is named, and none is the default.",
        "name one, or set default: true on a pool",
    ),
    Template(
        "PoolNotFound",
        "client",
        "No pool is named, and none of {pools} is the default.",
        "{option}, or qx pool set POOL --default",
    ),
    Template(
        "PoolNotFound",
        "client",
        "It needs a pool, and none of {pools} is the default.",
        "qx pool set POOL --default",
    ),
    Template(
        "PoolNotFound",
        "client",
        "{name} needs a pool, and there is none yet.",
        "qx pool create fast --path /srv/fast --default",
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
        "PoolFull",
        "refusal",
        "Pool {pool} can promise {most} in all; {wanted} are wanted.",
        "less, or another pool; qx pool list -o wide shows what each can promise",
    ),
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "{host} does not reach pool {pool}. Said: {said}.",
        "bring the pool back; it goes on by itself",
    ),
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "{host} gets no answers from pool {pool}: over {connections} connections to Ceph calls were never "
        "answered.",
        "end hostd on {host}, which is then started anew; its guests run on",
    ),
    Template(
        "PoolFull",
        "Volume, Image",
        "Pool {pool} has no room for {what}.",
        "delete volumes or images, or add disks; it goes on by itself",
    ),
    Template(
        "PoolFull",
        "VirtualMachineSnapshot, VirtualMachine",
        "The file system of {directory} on {host} has no room for {what}.",
        "make room there; it goes on by itself",
    ),
    Template(
        "PoolFull",
        "Volume, Image",
        "There is no room for {what}. Said: {said}.",
        "delete volumes or images, or add disks; it goes on by itself",
    ),
    Template("PoolFull", "Volume, Image", "Pool {pool} takes no more, since {full}.", _MAKE_ROOM_IN_CEPH),
    Template(
        "PoolFull",
        "VirtualMachine",
        "Pool {pool} takes no writes, since {full}: what {stalled} writes there waits, and nothing is lost.",
        _MAKE_ROOM_IN_CEPH,
    ),
    Template(
        "PoolFull",
        "VirtualMachine",
        "Pool {pool} takes no writes, since {full}: {starting} cannot start from it.",
        _MAKE_ROOM_IN_CEPH,
    ),
    Template(
        "PoolFull",
        "Volume",
        "Pool {pool} takes no writes, since {full}: what VMs write to {volume} waits, and nothing is lost.",
        _MAKE_ROOM_IN_CEPH,
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
        "see to it that {path} can be written to; it goes on by itself",
    ),
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "{host} cannot use pool {pool}: what {hangs} lies on hangs. Said: {said}.",
        "see to its disk, or to the server behind it; it goes on by itself",
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
    Template(
        "PoolUnreachable",
        "VirtualMachine, Volume, Image",
        "{host} does not use pool {pool} yet: what it made in {path} for pool {other}, which was deleted, is "
        "still to be removed.",
        NOTHING_TO_DO,
    ),
    Template(
        "PoolLeft",
        "Host",
        "Pool {pool} was deleted, and {path} stays: it holds {found}.",
        "look at it on {host}, as root; remove it once nobody wants it",
    ),
    Template(
        "PoolLeft",
        "Host",
        "Pool {pool} was deleted, and {path} stays: image {image} lies nowhere else.",
        "qx pool create {pool} --path {place} has it again; or remove it on {host}, as root",
    ),
    Template("Reachable", "StoragePool", "Hosts that reach it: {hosts} of {all}{but}."),
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
        "StoragePool",
        "{free} of {capacity} are left, and Ceph takes no writes, since {full}: what VMs write waits, and "
        "nothing new is taken.",
        _MAKE_ROOM_IN_CEPH,
    ),
    Template(
        "PoolFull",
        "StoragePool",
        "Ceph takes no writes, since {full}: what VMs write waits, and nothing new is taken.",
        _MAKE_ROOM_IN_CEPH,
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
        "make a pool without it",
    ),
    Template(
        "Unreachable",
        "StoragePool",
        "No host reaches it. Said: {said}.",
        "look at its directory on that host, or at its monitors in Ceph, and bring it back",
    ),
    Template(
        "DirectoryMissing",
        "StoragePool",
        "{host} does not use pool {pool}: there is no directory {path}.",
        "mkdir -p {path} on {host}, or mount what belongs there; or qx pool delete {pool}",
    ),
    Template(
        "PathRefused",
        "StoragePool",
        "{host} keeps nothing of pool {pool} in {place}: {tree} is not for pools.",
        "qx pool delete {pool}, then qx pool create {pool} --path DIR with one of your own, as in /srv",
    ),
    Template(
        "PathBarred",
        "StoragePool",
        "{host} runs no VM from pool {pool}: {user}, the user of QEMU, may not enter {barred}.",
        "chmod o+x {barred} on {host}; or qx pool delete {pool}, and create it elsewhere",
    ),
    Template(
        "PathShared",
        "StoragePool",
        "{host} does not use pool {pool}: its directory {path} {where} pool {other}.",
        "qx pool delete {pool}, then qx pool create {pool} --path DIR with another one",
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
    Template(
        "SecretNotFound",
        "StoragePool, Volume",
        "There is no Secret {name} in {namespace} with the key of pool {pool}.",
        "create it, or correct spec.rbd.secretRef; it then goes on by itself",
    ),
    Template(
        "SecretNotFound",
        "StoragePool, Volume",
        "Secret {name} in {namespace} has no {key}, which is to be the key of pool {pool}.",
        "add it; it then goes on by itself",
    ),
    Template(
        "SecretNotGranted",
        "StoragePool, Volume",
        "Its host is about to be allowed to read Secret {name} in {namespace}, with the key of pool {pool}.",
        NOTHING_TO_DO,
    ),
    Template("Blocklist", "StoragePool", "A failed host can be shut out of it."),
    Template(
        "LocalStorage", "StoragePool", "It is in each host by itself: its volumes do not outlive their host."
    ),
    Template(
        "NoCapability", "StoragePool", "Its user may not shut a failed host out.", "give the user that right"
    ),
)
