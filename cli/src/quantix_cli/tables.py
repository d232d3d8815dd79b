"""Tables on the terminal. Pure: rows of cells in, lines out; what the cells say is the commands' affair."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from quantix_cli.terminal import Terminal

_GAP = "  "
_READABLE = 24


class Cell(NamedTuple):
    """Text with a colour for all of it, and whether it stands to the right of its column (numbers).

    A tuple, since a long list makes ten thousand of them.
    """

    text: str
    colour: str = ""
    right: bool = False


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    terminal: Terminal,
    *,
    heading: bool = True,
    beside: Sequence[Sequence[Cell]] = (),
) -> list[str]:
    """Lines of aligned columns. Only the last column is cut, and only at a terminal's edge; where nothing of
    it could be read there, it goes on in the next line.

    `beside` are rows of the same table that are shown elsewhere: they count for the widths.
    """
    shown, others = ([_on_a_line(row, terminal) for row in some] for some in (rows, beside))
    rights = [any(row[i].right for row in shown) for i in range(len(header))]
    title = [Cell(text, "", right) for text, right in zip(header, rights, strict=True)]
    widths = [max(_width(row[i].text) for row in (title, *shown, *others)) for i in range(len(header))]
    return [_line(row, widths, terminal) for row in ([title, *shown] if heading else shown)]


def _on_a_line(row: Sequence[Cell], terminal: Terminal) -> list[Cell]:
    return [cell if _is_plain(cell.text) else _tidied(cell, terminal) for cell in row]


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _tidied(cell: Cell, terminal: Terminal) -> Cell:
    # a message of somebody else's may hold what would begin a line of its own
    return Cell(" ".join(terminal.plain(cell.text).split("\n")), cell.colour, cell.right)


def _line(row: Sequence[Cell], widths: Sequence[int], terminal: Terminal) -> str:
    parts: list[str] = []
    room = terminal.width
    for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
        text = cell.text
        if i == len(row) - 1:
            if room is not None and _READABLE <= room < _width(text):
                text = text[: room - 1] + terminal.plain("…")
            parts.append(terminal.paint(text, cell.colour))
            break
        fill = " " * (width - _width(text))
        painted = terminal.paint(text, cell.colour)
        parts.append(fill + painted if cell.right else painted + fill)
        if room is not None:
            room -= width + len(_GAP)
    return _GAP.join(parts).rstrip()


def _width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
