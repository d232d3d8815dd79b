"""The replica of OVN's northbound database.

Used by `clients.ovn_nb` only, in the threads that ovsdbapp and its executor own; nothing here is called from
the event loop. See the Python IDL of Open vSwitch 3.x (ovs/db/idl.py) and ovsdbapp 2.x or later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from ovs.db import data, idl, types
from ovsdbapp.backend.ovs_idl import connection

from quantix_operator.clients.ovn_nb_errors import StaleObservation
from quantix_operator.northbound.rows import (
    CLUSTER_KEY,
    KIND_KEY,
    MEMBERSHIPS,
    NAME_KEY,
    OWNER_KEY,
    ROAMING_TABLES,
    ROOT_TABLES,
    TARGET_KEY,
    UNMARKED_TABLES,
    Observed,
    ObservedRow,
    RowRef,
    SetRef,
    SharedKeys,
    Value,
    is_row_of,
)

TABLES = ("NB_Global", *sorted(ROOT_TABLES | MEMBERSHIPS.keys()))
MAX_BACKOFF_MS = 2000
LOCK = "quantix_operator"

Touched = Callable[[str, str], None]


class NorthboundIdl(connection.OvsdbIdl):  # type: ignore[misc]
    """The replica, with an index of our rows by owner.

    `on_touched(kind, name)` is told of every row of ours that somebody else changed or removed, and
    `on_touched("", "")` after every full dump; both in the thread of the IDL.
    """

    cluster: str = ""
    on_touched: Touched | None = None

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._owned: dict[str, set[RowRef]] = {}
        self.own_change = False
        self.dumps = 0
        # The FSM backs off to 8 s by default; a restarted database is back much sooner
        self._session.reconnect.set_backoff(1000, MAX_BACKOFF_MS)

    def run(self) -> bool:
        """Process what the server sent; notices the end of a full dump."""
        before = self.state
        changed: bool = super().run()
        if self.state == self.IDL_S_MONITORING and before != self.state:
            self.dumps += 1
            if self.on_touched is not None:
                self.on_touched("", "")
        return changed

    @property
    def monitoring(self) -> bool:
        """Whether the replica is complete and follows the server (`state` alone outlives the connection)."""
        return bool(self.state == self.IDL_S_MONITORING and self._session.is_connected())

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        """Keep the index; called by the IDL for every row that changes."""
        marks = self._marks_of(row)
        if marks.get(CLUSTER_KEY) != self.cluster:
            return
        ref = RowRef(row._table.name, row.uuid)
        # Those of the other tables are found by their UUID, see `observe`
        if ref.table not in UNMARKED_TABLES:
            rows = self._owned.setdefault(marks.get(OWNER_KEY, ""), set())
            (rows.discard if event == idl.ROW_DELETE else rows.add)(ref)
        if not self.own_change and event != idl.ROW_CREATE and self.on_touched is not None:
            self.on_touched(marks.get(KIND_KEY, ""), marks.get(NAME_KEY, ""))

    def rows_of(self, owner_uid: str) -> Iterator[RowRef]:
        """The rows that carry this owner's mark."""
        for ref in tuple(self._owned.get(owner_uid, ())):
            row = self.row(ref)
            # A dump after a reconnect clears the replica without a notice for each row
            if row is None or _marks(row).get(OWNER_KEY) != owner_uid:
                self._owned[owner_uid].discard(ref)
            else:
                yield ref

    def row(self, ref: RowRef) -> Any | None:
        """The replica's row, or None."""
        return self.tables[ref.table].rows.get(ref.uuid)

    def observe(self, owner_uid: str, wanted: Iterable[RowRef], referred: Iterable[RowRef]) -> Observed:
        """The rows of an owner and those wanted by UUID in normal form, and which of `referred` exist."""
        refs = dict.fromkeys((*self.rows_of(owner_uid), *self._unmarked_rows_of(owner_uid), *wanted))
        places = [*refs, *referred]
        found = ((ref, self.row(ref)) for ref in refs)
        rows = {ref: self._observed(ref, row, places, owner_uid) for ref, row in found if row is not None}
        known = frozenset(ref for ref in referred if self.row(ref) is not None)
        return Observed(rows, known)

    def ports_of(self, kind: str) -> list[ObservedRow]:
        """Our switch ports that were made for objects of a kind."""
        table = "Logical_Switch_Port"
        found = []
        for uuid, row in tuple(self.tables[table].rows.items()):
            marks = _marks(row)
            if marks.get(CLUSTER_KEY) == self.cluster and marks.get(KIND_KEY) == kind:
                found.append(self._observed(RowRef(table, uuid), row, (), marks.get(OWNER_KEY, "")))
        return found

    def translated_to(self, target_uid: str) -> frozenset[str]:
        """The addresses inside that our translations to this object lead to."""
        rows = (
            row
            for row in tuple(self.tables["NAT"].rows.values())
            if _marks(row).get(TARGET_KEY) == target_uid
        )
        return frozenset(
            str(normal_form(row._data["logical_ip"]))
            for row in rows
            if _marks(row).get(CLUSTER_KEY) == self.cluster
        )

    def _observed(self, ref: RowRef, row: Any, places: Sequence[RowRef], asking: str) -> ObservedRow:
        columns = _columns(row)
        if ref.table in UNMARKED_TABLES:
            owner = asking if is_row_of(self.cluster, asking, ref, columns) else ""
        else:
            marks = _marks(row)
            owner = marks.get(OWNER_KEY, "") if marks.get(CLUSTER_KEY) == self.cluster else ""
        return ObservedRow(ref, columns, owner, frozenset(self._parents(ref, places)))

    def _unmarked_rows_of(self, owner_uid: str) -> Iterator[RowRef]:
        """The rows of an owner in tables that cannot carry its mark; a cluster has few such rows."""
        for table in UNMARKED_TABLES:
            for uuid, row in tuple(self.tables[table].rows.items()):
                ref = RowRef(table, uuid)
                if is_row_of(self.cluster, owner_uid, ref, _columns(row)):
                    yield ref

    def _marks_of(self, row: Any) -> dict[str, str]:
        """The marks of a row; of one that can carry none, those of the router's port that it is about."""
        ref = RowRef(row._table.name, row.uuid)
        if ref.table not in UNMARKED_TABLES:
            return _marks(row)
        columns = _columns(row)
        try:
            port = self.row(RowRef("Logical_Router_Port", UUID(str(columns.get("logical_port")))))
        except ValueError:
            return {}  # a port that we did not name
        marks = _marks(port) if port is not None else {}
        ours = is_row_of(self.cluster, marks.get(OWNER_KEY, ""), ref, columns)
        return marks if ours else {}

    def _parents(self, ref: RowRef, places: Sequence[RowRef]) -> Iterator[SetRef]:
        atom = data.Atom(types.UuidType, ref.uuid)
        for table, column in MEMBERSHIPS.get(ref.table, ()):
            if ref.table in ROAMING_TABLES:
                candidates: Iterable[UUID] = tuple(self.tables[table].rows)
            else:
                candidates = (place.uuid for place in places if place.table == table)
            for candidate in candidates:
                parent = self.row(RowRef(table, candidate))
                # The datum's own dict: turning a set of thousands into Python rows for each look is slow
                if parent is not None and atom in parent._data[column].values:
                    yield SetRef(table, candidate, column)

    def missing_keys(self, shared: Iterable[SharedKeys]) -> list[SharedKeys]:
        """Those of our keys in shared maps that are missing or differ."""
        missing = []
        for item in shared:
            row = self.row(item.ref)
            if row is None:
                raise StaleObservation(f"{item.ref.table} {item.ref.uuid} is gone.")
            current = normal_form(row._data[item.column])
            there = current if isinstance(current, dict) else {}
            keys = {key: text for key, text in item.keys.items() if there.get(key) != text}
            if keys:
                missing.append(SharedKeys(item.ref, item.column, keys))
        return missing

    def owners(self) -> dict[str, int]:
        """How many rows each owner has."""
        counted = {owner: sum(1 for _ in self.rows_of(owner)) for owner in tuple(self._owned)}
        return {owner: rows for owner, rows in counted.items() if rows}

    def count(self) -> tuple[int, int]:
        """How many rows are ours, and how many are not."""
        ours = foreign = 0
        for name, table in self.tables.items():
            if name == "NB_Global":
                continue
            for row in tuple(table.rows.values()):
                if self._marks_of(row).get(CLUSTER_KEY) == self.cluster:
                    ours += 1
                else:
                    foreign += 1
        return ours, foreign


def normal_form(datum: Any) -> Value:
    """A datum of OVSDB as northbound.rows describes it."""
    if datum.type.is_map():
        return {str(key.value): str(value.value) for key, value in datum.values.items()}
    values = [atom.value for atom in datum.values]
    if datum.type.is_optional():
        return values[0] if values else None
    if datum.type.n_max == 1:
        value: Value = values[0]
        return value
    return frozenset(values)


def _columns(row: Any) -> dict[str, Value]:
    # `_data` fills in defaults when it is asked for a column, but not in items()
    return {name: normal_form(row._data[name]) for name in row._table.columns}


def _marks(row: Any) -> dict[str, str]:
    datum = row._data.get("external_ids") if row._data else None
    if datum is None:
        return {}
    return {key.value: value.value for key, value in datum.values.items()}
