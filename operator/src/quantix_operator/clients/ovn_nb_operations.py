"""The one command that changes OVN's northbound database.

Used by `clients.ovn_nb` only, in the threads that ovsdbapp and its executor own; nothing here is called from
the event loop. See the Python IDL of Open vSwitch 3.x (ovs/db/idl.py) and ovsdbapp 2.x or later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ovs.db import data, error, types
from ovsdbapp.backend.ovs_idl import command

from quantix_api.conditions import INTERNAL_ERROR
from quantix_api.errors import InvariantError
from quantix_api.messages import as_error
from quantix_operator.clients.ovn_nb_errors import StaleObservation
from quantix_operator.clients.ovn_nb_idl import NorthboundIdl
from quantix_operator.northbound.rows import (
    REFERENCES,
    ROOT_TABLES,
    UNMARKED_TABLES,
    Delete,
    Insert,
    Operation,
    RowRef,
    SetRef,
    SharedKeys,
    Update,
    Value,
)


class ApplyOperations(command.BaseCommand):  # type: ignore[misc]
    """A plan as one transaction: all of it, or nothing."""

    def __init__(
        self, api: Any, replica: NorthboundIdl, operations: Sequence[Operation | SharedKeys]
    ) -> None:
        super().__init__(api)
        self._replica = replica
        self._operations = operations
        self._ran = False
        self.abandoned = False

    def run_idl(self, txn: Any) -> None:
        """Write the operations into `txn`; raises StaleObservation when they no longer fit."""
        if self.abandoned:
            raise StaleObservation("The change was given up before its turn came.")
        if self._ran:
            raise StaleObservation("The network database changed while the change was written.")
        self._ran = True
        for operation in self._operations:
            if isinstance(operation, Insert):
                self._insert(txn, operation)
        for operation in self._operations:
            if isinstance(operation, Update):
                self._update(operation)
            elif isinstance(operation, Delete):
                self._delete(operation)
            elif isinstance(operation, SharedKeys):
                self._set_keys(self._existing(operation.ref), operation.column, operation.keys)
            else:
                for parent in operation.parents:
                    self._enter(parent, operation.ref)

    def _insert(self, txn: Any, operation: Insert) -> None:
        table = self._replica.tables[operation.ref.table]
        if operation.ref.uuid in table.rows:
            raise StaleObservation(f"{operation.ref.table} {operation.ref.uuid} is already there.")
        row = txn.insert(table, new_uuid=operation.ref.uuid, persist_uuid=True)
        for column, value in operation.columns.items():
            self._set(row, column, value)

    def _update(self, operation: Update) -> None:
        row = self._existing(operation.ref)
        for column, value in operation.columns.items():
            self._set(row, column, value)
        for column, removed in operation.remove_keys.items():
            for key in removed:
                row.delkey(column, key)
        for column, keys in operation.set_keys.items():
            self._set_keys(row, column, keys)
        for parent in operation.enter:
            self._enter(parent, operation.ref)
        for parent in operation.leave:
            self._leave(parent, operation.ref)

    def _delete(self, operation: Delete) -> None:
        for parent in operation.leave:
            self._leave(parent, operation.ref)
        row = self._replica.row(operation.ref)
        if row is None:
            return
        if operation.ref.table in ROOT_TABLES:
            row.delete()
            return
        # The server collects it. What it refers to may go in the same transaction, and is counted before
        for table, column in REFERENCES:
            if table == operation.ref.table:
                setattr(row, column, [])

    def _existing(self, ref: RowRef) -> Any:
        row = self._replica.row(ref)
        if row is None:
            raise StaleObservation(f"{ref.table} {ref.uuid} is gone.")
        # Fails the transaction if the row goes before it is committed: an update of nothing is no error
        if ref.table != "NB_Global":
            row.verify(*UNMARKED_TABLES.get(ref.table, ("external_ids",))[:1])
        return row

    def _enter(self, parent: SetRef, member: RowRef) -> None:
        self._existing(RowRef(parent.table, parent.uuid)).addvalue(parent.column, member.uuid)

    def _leave(self, parent: SetRef, member: RowRef) -> None:
        row = self._replica.row(RowRef(parent.table, parent.uuid))
        if row is not None:
            row.delvalue(parent.column, member.uuid)

    def _set_keys(self, row: Any, column: str, keys: Mapping[str, str]) -> None:
        for key, value in _typed(row, column, keys).items():
            row.setkey(column, key, value)

    def _set(self, row: Any, column: str, value: Value) -> None:
        plain: Any = value
        if value is None:
            plain = []
        elif isinstance(value, frozenset):
            plain = list(value)
        elif isinstance(value, dict):
            plain = _typed(row, column, value)
        try:
            # The IDL only logs a value of the wrong type and goes on without it
            data.Datum.from_python(row._table.columns[column].type, plain, lambda item: item)
        except error.Error as wrong:
            said = f"{row._table.name}.{column} cannot hold {value!r}"
            raise as_error(InvariantError, INTERNAL_ERROR, said=said) from wrong
        setattr(row, column, plain)


def _typed(row: Any, column: str, texts: Mapping[str, str]) -> dict[str, str | int]:
    """The entries of a map as its column takes them: numbers where it holds numbers."""
    counts = row._table.columns[column].type.value.type == types.IntegerType
    return {key: int(text) if counts else text for key, text in texts.items()}
