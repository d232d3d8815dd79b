"""What stays on hosts that are to be emptied: `maintenance` finds it, the controller of hosts tells it."""

from __future__ import annotations

from collections.abc import Mapping


class Drains:
    """What the last look found. `stays`: by host, the first VM that does not leave it by itself, and why."""

    def __init__(self) -> None:
        self.stays: Mapping[str, tuple[str, str]] = {}
