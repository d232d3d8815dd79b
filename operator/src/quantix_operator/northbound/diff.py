"""From the rows that should be and those that are to the operations between: pure, and empty when equal.

Called by `northbound.converge` for one owner at a time, so a change of one VM compares that VM's rows only.
It decides nothing about what is wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from typing import TypeVar

from quantix_api.errors import WaitingError
from quantix_api.messages import render
from quantix_operator.northbound.rows import (
    Delete,
    DesiredRow,
    Insert,
    Observed,
    ObservedRow,
    Operation,
    RowRef,
    Update,
    Value,
    referred_rows,
)

T = TypeVar("T")

TRANSACTION_ROWS = 500
"""The most rows in one transaction: ten thousand at once block the database for nine seconds."""


def plan_rows(
    owner_uid: str, desired: Sequence[DesiredRow], observed: Observed, keep: Collection[RowRef] = ()
) -> tuple[Operation, ...]:
    """What turns the observed rows of one owner into the desired ones, parents before their children.

    Rows in `keep` stay as they are.

    Raises WaitingError (Programming) when a row is referred to that is neither there nor wanted here: its
    own object has not been programmed yet.
    """
    wanted = {row.ref: row for row in desired}
    _check_references(desired, wanted.keys() | observed.known)
    operations: list[Operation] = []
    for row in wanted.values():
        there = observed.rows.get(row.ref)
        if there is None:
            operations.append(Insert(row.ref, present(row.columns), row.parents))
        else:
            update = _difference(row, there)
            if update is not None:
                operations.append(update)
    stays = wanted.keys() | set(keep)
    gone = (row for row in observed.rows.values() if row.owner == owner_uid and row.ref not in stays)
    operations.extend(Delete(row.ref, row.parents) for row in sorted(gone, key=lambda row: row.ref))
    return tuple(operations)


def present(columns: Mapping[str, Value]) -> dict[str, Value]:
    """The columns that a new row would not have anyway."""
    return {name: value for name, value in columns.items() if value not in (None, frozenset(), "", {})}


def batches(operations: Sequence[T], limit: int = TRANSACTION_ROWS) -> Iterator[Sequence[T]]:
    """The operations in transactions of at most `limit` rows, in order."""
    for start in range(0, len(operations), limit):
        yield operations[start : start + limit]


def _check_references(desired: Sequence[DesiredRow], known: Set[RowRef]) -> None:
    for row in desired:
        for target in referred_rows(row):
            if target not in known:
                said = render("Programming", row=f"{target.table} {target.uuid}")
                raise WaitingError(said.reason, said.sentence, said.hint, retry_after_s=0.5)


def _difference(row: DesiredRow, there: ObservedRow) -> Update | None:
    columns: dict[str, Value] = {}
    set_keys: dict[str, dict[str, str]] = {}
    remove_keys: dict[str, frozenset[str]] = {}
    for name, value in row.columns.items():
        current = there.columns.get(name)
        if isinstance(value, dict) and isinstance(current, dict):
            changed = {key: text for key, text in value.items() if current.get(key) != text}
            extra = frozenset(current.keys() - value.keys())
            if changed:
                set_keys[name] = changed
            if extra:
                remove_keys[name] = extra
        elif not _same(value, current):
            columns[name] = value
    enter, leave = row.parents - there.parents, there.parents - row.parents
    if not (columns or set_keys or remove_keys or enter or leave):
        return None
    return Update(row.ref, columns, set_keys, remove_keys, enter, leave)


def _same(value: Value, current: Value) -> bool:
    empty: tuple[Value, ...] = (None, frozenset[str](), {})
    if value in empty and current in empty:
        return True
    # bool is an int for Python, but not for OVSDB
    return type(value) is type(current) and value == current
