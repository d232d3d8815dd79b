"""What the terminal can show, and how text is put on it: colour, glyphs, width.

Built once in `main` from the streams and the environment; everything that prints takes it. Data goes to
stdout, everything else to stderr.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from quantix_cli.suggesting import Here

# SGR codes of the terminal's own 16 colours, so that light and dark backgrounds both work
_COLOURS = {"green": "32", "yellow": "33", "red": "31", "blue": "34", "grey": "90", "bold": "1"}
_GLYPHS = "●◐▲✕○‖✓✗·…▕▏█░"
_ASCII = str.maketrans(dict(zip(_GLYPHS, "*~!xo=+x-.[]#.", strict=True)) | {"→": "->"})


@dataclass(frozen=True)
class Terminal:
    """`width` is in columns, and None where nothing may be cut (no terminal). `here` is where the command
    works, once it is known: what is suggested leads to the same place.
    """

    is_tty: bool
    colour: bool
    unicode: bool
    width: int | None
    here: Here = field(default_factory=Here, compare=False, repr=False)

    def paint(self, text: str, colour: str) -> str:
        """`text` in one of green, yellow, red, blue, grey, bold; unchanged where colour is off."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.colour and colour else text

    def plain(self, text: str) -> str:
        """`text` with glyphs that this terminal has, and no control characters from outside."""
        if text.isascii() and text.isprintable():
            return text
        safe = "".join(c if c == "\n" or c.isprintable() else "?" for c in text)
        return safe if self.unicode else safe.translate(_ASCII)

    def out(self, text: str = "") -> None:
        """One line of data."""
        print(text)

    def note(self, text: str = "") -> None:
        """One line of anything that is not data."""
        print(self.here.told(text), file=sys.stderr)

    def error(self, message: str, hint: str = "", namespace: str | None = None) -> None:
        """The three parts of an error: what and why, and what to do. `namespace`: that of the object which
        it is about, where many namespaces are meant.
        """
        self.note(self.here.told(self.paint(self.plain("✗ "), "red") + self.plain(message), namespace))
        if hint:
            self.note(self.here.told(f"Try: {self.plain(hint)}", namespace))


def detect(environment: Mapping[str, str], *, no_color: bool = False) -> Terminal:
    """Look at stdout and the environment (NO_COLOR, TERM, the locale's encoding)."""
    is_tty = sys.stdout.isatty()
    dumb = environment.get("TERM") == "dumb"
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return Terminal(
        is_tty=is_tty,
        colour=is_tty and not dumb and not no_color and not environment.get("NO_COLOR"),
        unicode=encoding == "utf8"
        and environment.get("LC_ALL", environment.get("LANG", "")) not in ("C", "POSIX"),
        width=shutil.get_terminal_size().columns if is_tty else None,
    )
