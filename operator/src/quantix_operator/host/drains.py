"""What stays on hosts that are to be emptied: found by the controller of maintenance, told by that of hosts."""

from __future__ import annotations

from collections.abc import Mapping


class Drains:
    """What the last look found. `stays`: by host, the first VM that does not leave it by itself, and why."""

    def __init__(self) -> None:
        self.stays: Mapping[str, tuple[str, str]] = {}
