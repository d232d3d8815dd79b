"""Text on terminals: colour, glyphs, width, alignment."""

import pytest

from quantix_cli.tables import Cell, table
from quantix_cli.terminal import Terminal

PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)
ROWS = [
    (Cell("web-1"), Cell("● Running", "green"), Cell("2", right=True), Cell("")),
    (Cell("a-longer-name"), Cell("▲ Waiting"), Cell("16", right=True), Cell("NotEnoughMemory: no host fits")),
]
HEADER = ("NAME", "STATE", "CPU", "REASON")


def test_columns_are_aligned_and_numbers_stand_to_the_right() -> None:
    assert table(HEADER, ROWS, PIPE) == [
        "NAME           STATE      CPU  REASON",
        "web-1          ● Running    2",
        "a-longer-name  ▲ Waiting   16  NotEnoughMemory: no host fits",
    ]


def test_only_the_last_column_is_cut_and_only_at_a_terminals_edge() -> None:
    narrow = Terminal(is_tty=True, colour=False, unicode=True, width=57)
    assert table(HEADER, ROWS, narrow)[2] == "a-longer-name  ▲ Waiting   16  NotEnoughMemory: no host …"


def test_where_nothing_of_the_last_column_could_be_read_it_goes_on_in_the_next_line() -> None:
    narrow = Terminal(is_tty=True, colour=False, unicode=True, width=40)
    assert table(HEADER, ROWS, narrow)[2] == "a-longer-name  ▲ Waiting   16  NotEnoughMemory: no host fits"


def test_a_terminal_without_utf8_gets_ascii_glyphs_of_the_same_width() -> None:
    ascii_only = Terminal(is_tty=False, colour=False, unicode=False, width=None)
    assert table(HEADER, ROWS, ascii_only)[1] == "web-1          * Running    2"


def test_colour_wraps_the_text_and_not_the_padding() -> None:
    coloured = Terminal(is_tty=True, colour=True, unicode=True, width=200)
    assert "\x1b[32m● Running\x1b[0m    2" in table(HEADER, ROWS, coloured)[1]


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x07", "\r", "\x9b31m"])
def test_control_characters_from_outside_never_reach_the_terminal(hostile: str) -> None:
    assert not set(hostile) & {c for c in PIPE.plain(f"name{hostile}") if not c.isprintable()}


def test_a_message_of_several_lines_stays_in_its_row() -> None:
    hostile = (*ROWS[0][:3], Cell("Refused: no\nweb-9  ● Running"))
    assert table(HEADER, [hostile], PIPE)[1:] == ["web-1  ● Running    2  Refused: no web-9  ● Running"]


def test_rows_that_are_shown_elsewhere_count_for_the_widths() -> None:
    assert table(HEADER, ROWS[:1], PIPE, heading=False, beside=ROWS) == ["web-1          ● Running    2"]
