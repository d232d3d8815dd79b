"""Parts of sentences, for fields of messages where a name or a number does not do. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NONE_OFFERED, TOO_FEW_FREE = "none is offered", "too few are free"
"""Why a host has no device of a class, where no device of it says more."""

IN_HUGE_PAGES = "{size} in huge pages of {page}"
"""Memory of a guest."""
BESIDE_CPUS = "{cpus} with {memory} beside them on NUMA nodes"
"""CPUs that a guest has to itself; `memory` is a size, or one in huge pages."""

SAME_PLACE, INSIDE, AROUND = "is that of", "lies in that of", "holds that of"
"""Where the directory of a pool lies, beside that of another one."""

REFUSED, NO_ROUTE = "it refuses connections", "no network of the host leads to it"
NO_ANSWER, CUT_OFF = "it did not answer in time", "the connection was cut off"
UNKNOWN_NAME = "the host's name servers do not know its name, or do not answer"
CERTIFICATE_REFUSED = "its certificate is refused ({why})"
NO_TLS, NO_HTTP = "it does not speak TLS with this host", "its answer is no HTTP"
FAILED = "the connection failed"
"""What is wrong with a server that an image is fetched from."""

ANOTHER_HOST = "another host"
"""What a VM needs that may not be beside others of its group, and from where an image is copied."""
A_HOST, SOME_HOSTS = "host {names}", "hosts {names}"
LACKS_IMAGE, SENDS_ANOTHER = "it does not have it any more", "what it sends is another file"
TOO_SLOW, ANSWERED = "it is too slow", "it answered {code}"
"""Which hosts have an image, and why it does not come from one of them."""
NOT_BY = ", not {hosts}"
"""Which hosts do not reach a pool that others reach."""
AND_MORE = "{named} and {more} more"
"""Of many, the first by their names."""
STATUS_REFUSED = "its status was refused: {why}"
"""What went wrong where the API server did not take what hostd says of an object."""
COPY_STOOD_STILL = "the copy came no further for {minutes} min"
COPY_ENDED = "QEMU ended the copy, as it does when it cannot write"
"""Why a disk of a running guest is not in its other pool yet."""
LIBVIRT_UNCONNECTED, SILENT = "there is no connection to it", "no answer within {seconds:.0f} s"
EARLIER_CALL_OWED, EARLIER_CALLS_OWED = (
    "an earlier call has not been answered",
    "{calls} earlier calls have not been answered",
)
"""What is known of a libvirt or a disk that does not answer, or of a QEMU that keeps libvirt."""

A_KIND, A_KIND_ELSEWHERE = "a {kind}", "a {kind} of another namespace"
COUNTED_ELSEWHERE = "{counted} of other namespaces"
"""What one namespace is told of another's objects."""

GATEWAY_ADDRESS, BROADCAST_ADDRESS = "the gateway", "the broadcast address"
NETWORK_ADDRESS, ANYCAST_ADDRESS = "the network address", "the anycast address of the routers"
EXCLUDED_ADDRESS = "in excludeRanges"
"""What an address of a network is that no guest can have."""

NO_TEXT, OVER_1_MIB = "no text", "over 1 MiB"
NO_PASSPHRASE = "no passphrase of 1 to {most} bytes"
"""What a Secret holds that should hold text, or a passphrase."""
DONE_AGAIN = "it is done again and again: {actions}"
"""Of a bug: what a controller never comes to the end of."""
UNENCRYPTED, OTHER_DISK = "it is not encrypted", "it is not the disk that was made"
FOREIGN_BACKING = "it stands on a file that is no image of its pool"
TABLES_DAMAGED = "QEMU finds errors in its tables ({said})"
NO_FILE, NO_CLAIM = "it is no regular file", "it is no claim"
"""What is wrong with the data of a volume, or with a file that is to become some."""
VOLUME_OF_DISK, SOURCE_OF_THIS_KIND = "The volume of disk {disk}", "spec.source of this kind"
"""What a VM waits for, and what a volume cannot be made from."""
FILE_GONE, DATA_GONE, NOTHING_LEFT = "its file is gone", "its data is gone", "nothing of it is left on {host}"
"""How far something that is deleted has come."""
NO_SLOT_LEFT = "{name} was started with no slot left for it"
LATER_TURN = (
    "its volume was used under turn {floor} already, {name} has turn {epoch}, "
    "and a restart gives {name} a later one"
)
"""Why a device comes to a guest at its next start only."""
A_RESTORE, A_VOLUME = "a restore", "a volume"
"""Of which no name is known."""

UNQUIESCED = {
    "NoAgent": "no agent in the guest answers",
    "FreezeFailed": "the agent in the guest did not do it",
    "FreezeTimedOut": "the guest did not do it in time",
}
"""Why a guest's file systems were not held still, by the reason of condition Quiesced."""

SNAPSHOT_GUEST_ENDED = "the guest ended before all of its disks was copied"
SNAPSHOT_UNKNOWN = "libvirt began anew, and does not tell how the copying of its disks ended"
SNAPSHOT_TOO_LARGE = (
    "its disks could not be copied within 60 s, and the guest stands still meanwhile; "
    "without its memory it would go on"
)
SNAPSHOT_STATE_CHANGED = "what its firmware or TPM remembers changed at that moment"
SNAPSHOT_NOT_STOPPED = "libvirt was told to end the copying of its disks, and has not yet"
SNAPSHOT_UNTOLD = "libvirt does not say why"
"""What kept a snapshot of a running VM from being finished."""
AGENT_REFUSED = "the guest's agent refused"

REACHED_BY_NONE = "no host that is Ready reaches it"
"""What the cluster says of a pool."""
GOES_AFTER = "it goes after {users}"
COPIES_UNTOLD = "the API did not tell yet whether another volume is still to be made from it"
"""What the data of a volume that is deleted waits for."""


CLUSTER_BUSY = "{count} go on in the cluster, and no more may"
HOST_BUSY = "{host} takes part in {count}, and no more may"
MOVES_ALREADY = "{name} is being moved by {other}"
STARTS_YET = "{name} is starting"
ARRIVES_YET = "{name} has just come to {host}"
DISK_MOVES = "{volume} is on its way to pool {pool}"
"""What a migration waits for before it begins."""
MIGRATION_REFUSED = "the API takes no migration of it, and says: {said}"
"""Why a VM does not leave a host that is to be emptied."""
HOST_REMOVED = "its Host object was removed"
"""Since when a host is silent of which nothing else is known."""
IS_OFF, IS_LEAVING = "is off", "is being deleted"
IS_SET_BACK = "is being set back to a snapshot"
"""What a VM is that is to be moved."""
WISH_CANCELLED, WISH_REFUSED = "It is to be cancelled", "{host} refuses it"
WISH_OFF, WISH_DELETED = "{name} is to be off", "{name} is being deleted"
"""Why a migration that goes on is to be given up."""
NO_OTHER_HOST, NOT_THERE = "there is no other host", "is not there"
DIFFER = "differ, or come too late"
NEAR_TO, AWAY_FROM = "near", "away from"
"""Where a VM would rather be."""
IS_EMPTIED, IS_LEAVING_HOST = "being emptied", "being deleted"
"""What a host is while nothing is balanced."""
NOT_READY = "{host} has not said that it is ready"
NO_WORD = "it did not say why"
"""Of a host that gave a migration up."""


@dataclass(frozen=True)
class Phrase:
    """What is so of one host, and of several."""

    one: str
    several: str

    def of(self, count: int, **fields: object) -> str:
        """The phrase about so many hosts."""
        return (self.one if count == 1 else self.several).format(**fields)


CEPH_UNKNOWN = "its monitors and its key are not known yet"
CEPH_SHUT_OUT = "the cluster has shut this host's client out (ceph osd blocklist ls)"
CEPH_KEY_REFUSED = "the cluster refused user {user} with the key in Secret {secret}"
CEPH_POOL_MISSING = "there is no pool {pool} in the cluster"
CEPH_FOREIGN = "it carries the mark of another Quantix cluster, {cluster}"
CEPH_NO_MONITOR = "spec.rbd.monitors names none"
CEPH_NAMESPACE = "spec.rbd.namespace is not built yet"
CALL_GIVEN_UP = "a call was not answered for minutes, and goes over another connection next time"
"""Why a pool in Ceph cannot be used."""

CEPH_QUOTA_USED = "all of its quota is used"
CEPH_OSD_FULL = "an OSD is full"
"""Why Ceph takes no writes in a pool."""

CPU_AND_MEMORY = Phrase("lacks CPU and memory", "lack CPU and memory")
LACKS: Mapping[str, Phrase] = {
    "Ready": Phrase("is {what}", "are {what}"),
    "Open": Phrase("is {what}", "are {what}"),
    "Selector": Phrase("lacks label {what}", "lack label {what}"),
    "Taint": Phrase("has taint {what}", "have taint {what}"),
    "Device": Phrase("lacks a device of class {what}", "lack a device of class {what}"),
    "Pool": Phrase("lacks pool {what}", "lack pool {what}"),
    "Volume": Phrase("does not have volume {what}", "do not have volume {what}"),
    "Network": Phrase("lacks network {what}", "lack network {what}"),
    "Affinity": Phrase("has no VM with {what}", "have no VM with {what}"),
    "AntiAffinity": Phrase("has a VM with {what}", "have a VM with {what}"),
    "Addresses": Phrase("can give no guest {what} of memory", "can give no guest {what} of memory"),
    "CPU": Phrase("lacks CPU", "lack CPU"),
    "Memory": Phrase("lacks memory", "lack memory"),
    "HugePages": Phrase("lacks {what}", "lack {what}"),
    "NUMA": Phrase("lacks {what}", "lack {what}"),
    "PoolRoom": Phrase("has no room in pool {what}", "have no room in pool {what}"),
    "CPUModel": Phrase("has not the CPU {what}", "have not the CPU {what}"),
    "MachineType": Phrase("does not know machine {what}", "do not know machine {what}"),
}
"""What keeps a VM off a host, by the scheduler's word for it."""
