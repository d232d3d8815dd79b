"""What `qx up` shows while it works: a line for each step that is done, and the running ones below, alive.

On a terminal the running steps are redrawn in place; elsewhere a step is one line, and another every 30 s.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from quantix_cli.terminal import Terminal
from quantix_cli.up.run.words import about, duration

REMINDER_S = 30.0
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_SPINNER = "|/-\\"
NAME_COLUMNS = 29
TIME_COLUMNS = 10
DOING_COLUMNS = 60
# how much longer than usual a step takes before it says so
LONG = 1.5


@dataclass
class Activity:
    """One running step: what it is called, how long it usually takes, and what it is doing now."""

    name: str
    usual_s: float
    began_s: float
    doing: str = ""
    reminded_s: float = 0.0

    def say(self, doing: str) -> None:
        """Tell what is going on, in a few words; of many, the first."""
        self.doing = cut(" ".join(doing.split()), DOING_COLUMNS, "…")


@dataclass
class Progress:
    """Draws; `clock` gives seconds. `redraw` is called about ten times a second by the runner."""

    terminal: Terminal
    clock: Callable[[], float]
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    running: list[Activity] = field(default_factory=list)
    _drawn: int = 0
    _frame: int = 0

    def say(self, text: str) -> None:
        """A line that stays."""
        self._erase()
        self._write(self.terminal.plain(text) + "\n")

    def done(self, activity: Activity, glyph: str, detail: str) -> None:
        """The line of a step that ended."""
        colour = {"✓": "green", "▲": "yellow", "✗": "red"}[glyph]
        taken = duration(self.clock() - activity.began_s)
        text = f"{activity.name.ljust(NAME_COLUMNS)}{taken.rjust(TIME_COLUMNS)}"
        text = f"{text}   {detail}" if detail else text
        self._erase()
        mark = self.terminal.paint(self.terminal.plain(glyph), colour)
        self._write(f" {mark} {self.terminal.plain(text)}\n")

    def redraw(self) -> None:
        """Show the running steps as they are now."""
        if not self.terminal.is_tty:
            self._remind()
            return
        columns = shutil.get_terminal_size().columns
        self._frame += 1
        spinner = SPINNER if self.terminal.unicode else PLAIN_SPINNER
        glyph = spinner[self._frame % len(spinner)]
        described = (f" {glyph} {self._describe(activity)}" for activity in self.running)
        lines = [cut(line, columns - 1, self.terminal.plain("…")) + "\n" for line in described]
        # in one piece, so that nothing flickers
        self._write(self._take_back() + "".join(lines))
        self._drawn = len(lines)

    def finish(self) -> None:
        """Leave nothing that moves on the screen."""
        self._erase()

    def _describe(self, activity: Activity) -> str:
        passed = self.clock() - activity.began_s
        text = f"{activity.name.ljust(NAME_COLUMNS)}{duration(passed).rjust(TIME_COLUMNS)}"
        return self.terminal.plain(
            "   ".join(part for part in (text, _usual(activity, passed), activity.doing) if part)
        )

    def _remind(self) -> None:
        for activity in self.running:
            passed = self.clock() - activity.began_s
            if passed - activity.reminded_s >= REMINDER_S:
                activity.reminded_s = passed
                self._write(f" {self.terminal.plain('◐')} {self._describe(activity)}\n")

    def _erase(self) -> None:
        self._write(self._take_back())
        self._drawn = 0

    def _take_back(self) -> str:
        """What removes the lines that are drawn: cursor up, clear to the end of the screen (ECMA-48)."""
        return f"\x1b[{self._drawn}A\x1b[J" if self._drawn else ""

    def _write(self, text: str) -> None:
        if text:
            self.stream.write(text)
            self.stream.flush()


def cut(text: str, columns: int, ellipsis: str) -> str:
    """`text` in at most so many columns; what is left out is marked."""
    return text if len(text) <= columns else text[: max(columns - len(ellipsis), 0)] + ellipsis


def _usual(activity: Activity, passed_s: float) -> str:
    """How the time of a step compares with what it usually takes; "" for the shortest."""
    if activity.usual_s < 1:
        return ""
    usual = about(activity.usual_s)
    return f"longer than the usual {usual}" if passed_s > LONG * activity.usual_s else f"usually {usual}"
