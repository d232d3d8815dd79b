"""How slowly an image may come in: who sends less for long keeps room and a turn from others. Pure.

Used by what fetches images and by what takes uploads.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """The least that a sender has to do: begin its answer within `answer_s`, and send `least_bytes` in every
    `window_s` that is spent waiting for it.
    """

    answer_s: float = 60.0
    least_bytes: int = 64 << 10
    window_s: float = 60.0

    @property
    def words(self) -> dict[str, str]:
        """As messages name it: `least` and `window`."""
        return {"least": f"{self.least_bytes >> 10} KiB", "window": f"{round(self.window_s)} s"}


class PaceKeeper:
    """Follows one sender. Only what the sender takes counts, not how long a piece is worked on here."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._waited_s, self._window_bytes = 0.0, 0

    def keeps(self, waited_s: float, received_bytes: int) -> bool:
        """Whether the sender keeps the pace, after a piece that was waited for so long."""
        self._waited_s += waited_s
        self._window_bytes += received_bytes
        if self._waited_s < self._pace.window_s:
            return True
        enough = self._window_bytes >= self._pace.least_bytes
        self._waited_s, self._window_bytes = 0.0, 0
        return enough
