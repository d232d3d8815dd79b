"""The log of `qx up`: every command and what it said, with line numbers that messages can point to."""

from __future__ import annotations

import os
import time
from pathlib import Path

MODE = 0o640


class UpLog:
    """Appends to one file, which is for root and its group; a run begins where the last one ended.

    Its directory is there. Raises OSError where it may not be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = path.read_bytes().count(b"\n") if path.exists() else 0
        self._file = path.open("a", encoding="utf-8", errors="replace")
        # an older version made it by the umask
        os.fchmod(self._file.fileno(), MODE)

    def write(self, text: str) -> int:
        """Write `text`, a line or several, each with the time; the number of its last line."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        for line in text.splitlines() or [""]:
            self._file.write(f"{now} {line}\n")
            self.lines += 1
        self._file.flush()
        return self.lines

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    @property
    def place(self) -> str:
        """Where the last line is, as PATH:LINE."""
        return f"{self.path}:{self.lines}"
