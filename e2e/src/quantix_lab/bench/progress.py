"""What a benchmark is doing, and since when: a line on standard error at each step."""

from __future__ import annotations

import sys
import time

_BEGAN_S = time.monotonic()


def step(doing: str) -> None:
    """Tell the step that begins now, with the seconds since this process began."""
    sys.stderr.write(f"[{time.monotonic() - _BEGAN_S:5.0f} s] {doing}\n")
    sys.stderr.flush()
