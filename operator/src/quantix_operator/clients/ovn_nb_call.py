"""One call of the northbound client: what it is to bring about, and until when.

Made by `clients.ovn_nb` in the event loop and handed to its worker thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from quantix_operator.clients.ovn_nb_errors import NorthboundUnreachable
from quantix_operator.northbound.rows import DesiredRow, RowRef, SharedKeys


@dataclass(frozen=True)
class Wanted:
    """What one call of `converge` is to bring about."""

    owner_uid: str
    rows: Sequence[DesiredRow]
    shared: Sequence[SharedKeys]
    keep: Sequence[RowRef]


class Deadline:
    """A point in monotonic time, shared by the caller and the thread that works for it."""

    def __init__(self, timeout_s: float) -> None:
        self._at = time.monotonic() + timeout_s

    def remaining_s(self) -> float:
        """Seconds left; raises NorthboundUnreachable when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise NorthboundUnreachable("no answer in time")
        return left
