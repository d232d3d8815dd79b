"""The kind StoragePool: where Volumes and Images are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Doc, Entries, Fixed, Live, Range, Refused, Rule, Text, exactly_one, ordered
from quantix_api.model import AGE, READY, REASON, ApiModel, ApiObject, Column, Definition, Status
from quantix_api.resources import NAMESPACE_HOSTS, NAMESPACE_SYSTEM, STORAGE_POOLS
from quantix_api.scalars import UID, Capacity, Count, LabelValue, Name, Short
from quantix_api.system_trees import NOT_THE_SYSTEMS

_PLACE_CHANGED = "the place of a pool cannot change: make a new pool and move the volumes"
_SAME_RBD = (
    "has(self.rbd) == has(oldSelf.rbd) && (!has(self.rbd) || (self.rbd.pool == oldSelf.rbd.pool "
    "&& (has(self.rbd.__namespace__) ? self.rbd.__namespace__ : '') "
    "== (has(oldSelf.rbd.__namespace__) ? oldSelf.rbd.__namespace__ : '')))"
)
_MEMBER = "key"
_SAME_DIR = "has(self.dir) == has(oldSelf.dir) && (!has(self.dir) || self.dir.path == oldSelf.dir.path)"


class CephSecret(ApiModel):
    """A Secret in namespace quantix-system."""

    name: Annotated[Name, Live("Name of the Secret.")]


@dataclass(frozen=True)
class CephAccount:
    """As whom a host comes to a pool of a Ceph cluster, and where its key is."""

    user: str
    """Without `client.`"""
    namespace: str
    """Of the Secret."""
    secret: str
    member: str
    """Of the Secret's data."""


class RBD(ApiModel):
    """A pool of a Ceph cluster."""

    monitors: Annotated[
        tuple[Annotated[str, Text(128, 1)], ...], ordered(), Live("Addresses of the Ceph monitors.")
    ] = ()
    pool: Annotated[str, Text(128, 1), Fixed("Name of the pool in Ceph.")]
    namespace: Annotated[str | None, Text(128), Fixed("RBD namespace in it. Absent: none."), Refused()] = None
    user: Annotated[str, Text(64, 1), Live("Ceph user, without client.")] = "quantix"
    secret_ref: Annotated[
        CephSecret | None,
        Live(
            "Secret in quantix-system that holds the user's key as `key`, for all hosts. Absent: each host "
            "is a user of its own, USER.HOST, whose key Secret HOST in quantix-hosts holds under the name of "
            "the pool."
        ),
    ] = None

    def account(self, pool: str, host: str) -> CephAccount:
        """That of a host for the StoragePool of this name."""
        if self.secret_ref is not None:
            return CephAccount(self.user, NAMESPACE_SYSTEM, self.secret_ref.name, _MEMBER)
        return CephAccount(f"{self.user}.{host}", NAMESPACE_HOSTS, host, pool)


class Dir(ApiModel):
    """A directory on each host that reaches the pool."""

    path: Annotated[
        str,
        Text(1024, 2),
        Rule(
            "self.matches('^(/[A-Za-z0-9_.-]+)+$') && !self.matches('/[.][.]?(/|$)')",
            "must be an absolute path such as /srv/quantix: names of letters, digits, _, - and ., no . "
            "or .., and no / at its end",
        ),
        NOT_THE_SYSTEMS,
        Fixed("Path of the directory, such as /srv/quantix. It has to be there; no other pool may be in it."),
    ]


class StoragePoolSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one("rbd", "dir"),
        Rule(_SAME_RBD, _PLACE_CHANGED),
        Rule(_SAME_DIR, _PLACE_CHANGED),
    )

    rbd: Annotated[RBD | None, Fixed("A pool of a Ceph cluster, which all hosts share.")] = None
    dir: Annotated[Dir | None, Fixed("A directory on the host itself.")] = None
    default: Annotated[
        bool, Live("true: used where an object names no pool. Of several, the oldest counts.")
    ] = False
    host_selector: Annotated[
        dict[str, LabelValue], Entries(), Live("Labels of the Hosts that reach the pool. Absent: all.")
    ] = {}  # noqa: RUF012 - pydantic copies it
    allowed_namespaces: Annotated[
        dict[str, LabelValue] | None,
        Entries(),
        Live("Labels of the namespaces that may use the pool. Absent: all may."),
    ] = None
    overcommit_percent: Annotated[
        int, Range(100, 10000), Live("Space that may be promised, in percent of the space that there is.")
    ] = 200


class StoragePoolStatus(Status):
    """What is so. Figures are rounded to 1 %."""

    capacity: Annotated[Capacity | None, Doc("Space that there is.")] = None
    available: Annotated[Capacity | None, Doc("Space that is free.")] = None
    allocated: Annotated[Capacity | None, Doc("Space that was promised to volumes.")] = None
    virtual_machines: Annotated[
        Count | None, Doc("How many VMs name it for a disk. It cannot be deleted meanwhile.")
    ] = None
    snapshots: Annotated[
        Count | None, Doc("How many snapshots of VMs lie in it. It cannot be deleted meanwhile.")
    ] = None
    hosts: Annotated[Count | None, Doc("How many hosts reach it.")] = None
    fencing: Annotated[
        Literal["Blocklist", "Power", "None"] | None, Doc("How a failed host is kept from writing to it.")
    ] = None
    cluster_uid: Annotated[UID | None, Doc("UID of the cluster whose marks it carries.")] = None
    term: Annotated[Count | None, Doc("Number of the term in which it was last claimed.")] = None
    backend: Annotated[Short | None, Doc("What keeps the data, with its version.")] = None


class StoragePool(ApiObject):
    """A place where volumes and images are kept: a directory of each host, or Ceph."""

    DEFINITION: ClassVar[Definition] = Definition(
        STORAGE_POOLS,
        ("pool",),
        (
            READY,
            Column("Capacity", ".status.capacity"),
            Column("Available", ".status.available"),
            REASON,
            AGE,
        ),
    )

    spec: Annotated[StoragePoolSpec, Live("What is wanted.")]
    status: StoragePoolStatus = StoragePoolStatus()
