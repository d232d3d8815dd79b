"""Rows of OVN's northbound database as plain values, and the operations that change them.

Made by the builders of network, router, securitygroup and nics; compared by `northbound.diff`; read from and
written to the database by `clients.ovn_nb`. Only values here: no I/O and no knowledge of single tables but
of how they hang together (ovn-nb(5), schema 7.0).

Normal form of a value: a scalar; None for an absent optional; a frozenset for a set; a dict of texts for a
map, also where it holds numbers. References are UUIDs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from uuid import UUID

from quantix_api import identity

Scalar = str | int | bool | UUID
Value = Scalar | None | frozenset[str] | frozenset[UUID] | dict[str, str]

Kind = Literal[
    "Cluster", "Network", "Router", "SecurityGroup", "VirtualMachine", "FloatingIP"
]  # of the object a row is made for

CLUSTER_KEY = "quantix.io/cluster"
OWNER_KEY = "quantix.io/owner"
KIND_KEY = "quantix.io/kind"
ROW_KEY = "quantix.io/key"
NAME_KEY = "quantix.io/name"
TARGET_KEY = "quantix.io/target"
"""The UID of the object that a row leads to, where that is another than its owner."""


class RowRef(NamedTuple):
    """A row, there or not."""

    table: str
    uuid: UUID


class SetRef(NamedTuple):
    """A set of references: the column `column` of a row."""

    table: str
    uuid: UUID
    column: str


@dataclass(frozen=True)
class Owner:
    """The API object that rows are made for; `name` is namespace/name, for people."""

    cluster: str
    uid: str
    kind: Kind
    name: str

    def ref(self, table: str, key: str = "") -> RowRef:
        """The row `key` of this object in `table`, by the UUID that we choose for it."""
        return RowRef(table, identity.row_uuid(self.cluster, self.uid, table, key))

    def row(
        self,
        table: str,
        key: str = "",
        *,
        parents: Iterable[SetRef] = (),
        target: str | None = None,
        **columns: Value,
    ) -> DesiredRow:
        """A wanted row, marked as ours."""
        marks = {
            CLUSTER_KEY: self.cluster,
            OWNER_KEY: self.uid,
            KIND_KEY: self.kind,
            ROW_KEY: key,
            NAME_KEY: self.name,
            **({TARGET_KEY: target} if target is not None else {}),
        }
        return DesiredRow(self.ref(table, key), {**columns, "external_ids": marks}, frozenset(parents))

    def unmarked_row(self, table: str, **columns: Value) -> DesiredRow:
        """A wanted row of a table without external_ids: ours by its UUID, which follows from its key."""
        return DesiredRow(self.ref(table, unmarked_key(table, columns)), columns)


def unmarked_key(table: str, columns: Mapping[str, Value]) -> str:
    """The key of a row of a table without external_ids."""
    return "/".join(str(columns.get(name)) for name in UNMARKED_TABLES[table])


def is_row_of(cluster: str, owner_uid: str, ref: RowRef, columns: Mapping[str, Value]) -> bool:
    """Whether a row of a table without external_ids is the one that we would make for this owner: nobody else
    chooses that UUID.
    """
    key = unmarked_key(ref.table, columns)
    return ref.uuid == identity.row_uuid(cluster, owner_uid, ref.table, key)


@dataclass(frozen=True)
class DesiredRow:
    """A row as it should be: these columns (others are not ours), and in exactly these sets."""

    ref: RowRef
    columns: Mapping[str, Value]
    parents: frozenset[SetRef] = frozenset()


@dataclass(frozen=True)
class SharedKeys:
    """Keys of ours in a map that others write too; everything else in it is left alone."""

    ref: RowRef
    column: str
    keys: Mapping[str, str]


@dataclass(frozen=True)
class ObservedRow:
    """A row as it is; `owner` is "" when it carries no mark of this cluster."""

    ref: RowRef
    columns: Mapping[str, Value]
    owner: str
    parents: frozenset[SetRef] = frozenset()


@dataclass(frozen=True)
class Observed:
    """What a plan for one owner has to know: its rows, those it wants by UUID, and the targets it refers to.

    `known` holds every referred row that exists.
    """

    rows: Mapping[RowRef, ObservedRow] = field(default_factory=dict)
    known: frozenset[RowRef] = frozenset()


@dataclass(frozen=True)
class Insert:
    """Make the row, and enter it into its sets, all in one."""

    ref: RowRef
    columns: Mapping[str, Value]
    parents: frozenset[SetRef]


@dataclass(frozen=True)
class Update:
    """Set columns of a row that is there; `set_keys` and `remove_keys` touch single keys of maps."""

    ref: RowRef
    columns: Mapping[str, Value] = field(default_factory=dict)
    set_keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    remove_keys: Mapping[str, frozenset[str]] = field(default_factory=dict)
    enter: frozenset[SetRef] = frozenset()
    leave: frozenset[SetRef] = frozenset()


@dataclass(frozen=True)
class Delete:
    """Take the row out of its sets and delete it."""

    ref: RowRef
    leave: frozenset[SetRef] = frozenset()


Operation = Insert | Update | Delete

# Deleted by us; everything else goes with its last parent
ROOT_TABLES = frozenset(
    {
        "Logical_Switch",
        "Logical_Router",
        "Port_Group",
        "Address_Set",
        "DHCP_Options",
        "DNS",
        "HA_Chassis_Group",
        "Meter",
        "Copp",
        "Static_MAC_Binding",
    }
)

# Without external_ids (ovn-nb.ovsschema 7.0.0): the columns that tell their rows apart
UNMARKED_TABLES: Mapping[str, tuple[str, ...]] = {"Static_MAC_Binding": ("logical_port", "ip")}

# Where a row of a table can be a member
MEMBERSHIPS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Logical_Switch_Port": (("Logical_Switch", "ports"), ("Port_Group", "ports")),
    "Logical_Router_Port": (("Logical_Router", "ports"),),
    "Logical_Router_Static_Route": (("Logical_Router", "static_routes"),),
    "Logical_Router_Policy": (("Logical_Router", "policies"),),
    "NAT": (("Logical_Router", "nat"),),
    "ACL": (("Logical_Switch", "acls"), ("Port_Group", "acls")),
    "DNS": (("Logical_Switch", "dns_records"),),
    "HA_Chassis": (("HA_Chassis_Group", "ha_chassis"),),
    "QoS": (("Logical_Switch", "qos_rules"),),
}

# Rows of these tables may be in sets of objects that are not their owner's: searched for everywhere
ROAMING_TABLES = frozenset({"Logical_Switch_Port", "NAT", "QoS"})

# Columns that hold a reference to one row of another table
REFERENCES: Mapping[tuple[str, str], str] = {
    ("Logical_Switch_Port", "dhcpv4_options"): "DHCP_Options",
    ("Logical_Switch_Port", "dhcpv6_options"): "DHCP_Options",
    ("Logical_Router_Port", "ha_chassis_group"): "HA_Chassis_Group",
    ("NAT", "exempted_ext_ips"): "Address_Set",
}


def referred_rows(row: DesiredRow) -> Iterable[RowRef]:
    """The rows that must be there (or be made before) for `row` to be complete."""
    for parent in row.parents:
        yield RowRef(parent.table, parent.uuid)
    for column, value in row.columns.items():
        target = REFERENCES.get((row.ref.table, column))
        if target is not None and isinstance(value, UUID):
            yield RowRef(target, value)
