"""How far something has come: a bar that is redrawn in place, or a line now and then where that cannot be.

Used by what sends files and by what waits for objects that tell their progress. On stderr, as all that is not
data.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from quantix_cli.measures import duration, size
from quantix_cli.terminal import Terminal

_COLUMNS = 15
_REDRAW_S = 0.2
_LINE_EVERY_S = 10.0


@dataclass
class ProgressBar:
    """One thing under way. The rate is that of this bar's time: what was there before does not count."""

    name: str
    terminal: Terminal
    clock: Callable[[], float] = time.monotonic
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    between: str = ": "
    """What stands between name and bar."""
    _begun: tuple[float, int] | None = None
    _shown_s: float = 0.0
    _is_drawn: bool = False

    def show(self, done_bytes: int, total_bytes: int) -> None:
        """Called as often as one likes; what is seen changes a few times a second."""
        now = self.clock()
        if self._begun is None:
            self._begun, self._shown_s = (now, done_bytes), now
            return
        in_place = self.terminal.is_tty and self.stream.isatty()
        if now - self._shown_s < (_REDRAW_S if in_place else _LINE_EVERY_S):
            return
        self._shown_s = now
        begun_s, before = self._begun
        rate = (done_bytes - before) / (now - begun_s)
        line = render_bar(self.name, done_bytes, total_bytes, rate, between=self.between)
        line = self.terminal.plain(line)
        if in_place:
            width = (self.terminal.width or len(line) + 1) - 1
            self._write(f"\r{line[:width]}\x1b[K")
            self._is_drawn = True
        else:
            self._write(f"{line}\n")

    def erase(self) -> None:
        """Leave nothing that moves on the screen."""
        if self._is_drawn:
            self._write("\r\x1b[K")
            self._is_drawn = False

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def render_bar(
    name: str, done_bytes: int, total_bytes: int, bytes_per_s: float, *, between: str = ": "
) -> str:
    """The line: name, bar, percent, sizes, rate and the time that is left."""
    done = min(done_bytes, total_bytes)
    percent = done * 100 // total_bytes if total_bytes else 0
    full = percent * _COLUMNS // 100
    bar = f"{'█' * full}{'░' * (_COLUMNS - full)}"
    parts = [f"{name}{between}▕{bar}▏ {percent} %", f"{size(done)} of {size(total_bytes)}"]
    if bytes_per_s >= 1:
        left = duration((total_bytes - done) / bytes_per_s)
        parts += [f"{size(int(bytes_per_s))}/s", f"{left} left"]
    return "  ".join(parts)
