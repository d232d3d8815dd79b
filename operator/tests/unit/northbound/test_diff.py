"""From wanted and observed rows to operations; the law behind it is shown on a real database."""

from __future__ import annotations

import pytest

from quantix_api.errors import WaitingError
from quantix_operator.northbound.diff import batches, plan_rows
from quantix_operator.northbound.rows import (
    Delete,
    DesiredRow,
    Insert,
    Observed,
    ObservedRow,
    Owner,
    SetRef,
    Update,
    Value,
)

OWNER = Owner("11111111-1111-4111-8111-111111111111", "uid-1", "Network", "default/net")
SWITCH = OWNER.row("Logical_Switch", name="s", other_config={"a": "1", "b": "2"})
PORT = OWNER.row("Logical_Switch_Port", "p", parents=[SetRef(*SWITCH.ref, "ports")], name="p")


def seen(*rows: ObservedRow) -> Observed:
    return Observed({row.ref: row for row in rows})


def as_observed(row: DesiredRow = SWITCH, **columns: Value) -> ObservedRow:
    """The row as wanted, but for these columns."""
    return ObservedRow(row.ref, {**row.columns, **columns}, OWNER.uid, row.parents)


def test_what_is_missing_is_inserted_parents_first() -> None:
    operations = plan_rows(OWNER.uid, [SWITCH, PORT], Observed())
    assert [type(item) for item in operations] == [Insert, Insert]
    assert [item.ref for item in operations] == [SWITCH.ref, PORT.ref]


def test_what_is_as_wanted_is_left_alone() -> None:
    assert plan_rows(OWNER.uid, [SWITCH, PORT], seen(as_observed(), as_observed(PORT))) == ()


def test_columns_that_others_write_are_not_compared() -> None:
    assert plan_rows(OWNER.uid, [SWITCH], seen(as_observed(up=True))) == ()


def test_single_keys_of_a_map_are_set_and_removed() -> None:
    (operation,) = plan_rows(OWNER.uid, [SWITCH], seen(as_observed(other_config={"a": "9", "c": "3"})))
    assert isinstance(operation, Update)
    assert operation.columns == {}
    assert operation.set_keys == {"other_config": {"a": "1", "b": "2"}}
    assert operation.remove_keys == {"other_config": frozenset({"c"})}


def test_a_port_that_is_elsewhere_moves() -> None:
    elsewhere = SetRef(*OWNER.ref("Logical_Switch", "other"), "ports")
    there = ObservedRow(PORT.ref, PORT.columns, OWNER.uid, frozenset({elsewhere}))
    (operation,) = plan_rows(OWNER.uid, [SWITCH, PORT], seen(as_observed(), there))
    assert operation == Update(PORT.ref, enter=PORT.parents, leave=frozenset({elsewhere}))


def test_what_is_no_longer_wanted_goes_unless_it_is_kept() -> None:
    both = seen(as_observed(), as_observed(PORT))
    assert plan_rows(OWNER.uid, [SWITCH], both) == (Delete(PORT.ref, PORT.parents),)
    assert plan_rows(OWNER.uid, [SWITCH], both, keep=[PORT.ref]) == ()


def test_rows_of_others_are_never_removed() -> None:
    foreign = ObservedRow(PORT.ref, {}, "")
    assert plan_rows(OWNER.uid, [], seen(foreign)) == ()


def test_a_row_whose_parent_is_not_there_waits() -> None:
    with pytest.raises(WaitingError, match="does not have Logical_Switch"):
        plan_rows(OWNER.uid, [PORT], Observed())
    assert plan_rows(OWNER.uid, [PORT], Observed(known=frozenset({SWITCH.ref})))


def test_a_large_plan_comes_in_pieces() -> None:
    assert [len(piece) for piece in batches(range(1001))] == [500, 500, 1]
