"""How many files are on their way over hostd's API at once, and of them for one party.

Used by what takes files (`upload_slots`) and by what sends them (`api.images`). Whoever asks has a connection
already: unlike a download (`turns`) it cannot wait for its turn, so one too many is refused with what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from quantix_api.errors import TransientError
from quantix_hostd.transfer.turns import Limits


class Slots:
    """One for a process and kind; `refused` makes the refusal of one more file of a party."""

    def __init__(self, limits: Limits, refused: Callable[[str], TransientError]) -> None:
        self._limits, self._refused = limits, refused
        self._has: Counter[str] = Counter()

    def check(self, party: str) -> None:
        """Raises TransientError while there is none for one more file of the party."""
        if not self._limits.admit(self._has.total(), self._has[party]):
            raise self._refused(party)

    @contextmanager
    def slot(self, party: str) -> Iterator[None]:
        """One until the end of the block. Raises as `check`."""
        self.check(party)
        self._has[party] += 1
        try:
            yield
        finally:
            self._has[party] -= 1
            self._has += Counter()  # drops those that have none
