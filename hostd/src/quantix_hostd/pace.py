"""How slowly an image may come in: who sends less for long keeps room and a turn from others. Pure.

Used by what fetches images and by what takes uploads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quantix_api.quantities import human_size

_NOTHING_SLOW: Mapping[str, str] = {}


@dataclass(frozen=True)
class Pace:
    """The least that a sender has to do: begin its answer within `answer_s`, send `least_bytes` in every
    `window_s` that is spent waiting for it, and from `grace_s` on have sent what brings all that it promised
    within `whole_s`.
    """

    answer_s: float = 60.0
    least_bytes: int = 64 << 10
    window_s: float = 60.0
    grace_s: float = 900.0
    whole_s: float = 86400.0

    @property
    def words(self) -> Mapping[str, str]:
        """As messages name what is asked in every window: `least` and `window`."""
        return {"least": f"{self.least_bytes >> 10} KiB", "window": f"{round(self.window_s)} s"}


class PaceKeeper:
    """Follows one sender, which is to send `promised_bytes`, None if it does not say. Only what the sender
    takes counts, not how long a piece is worked on here.
    """

    def __init__(self, pace: Pace, promised_bytes: int | None = None) -> None:
        self._pace = pace
        self._promised_bytes = promised_bytes or 0
        self._waited_s, self._received_bytes = 0.0, 0
        self._window_began_s, self._window_bytes = 0.0, 0

    def slowness(self, waited_s: float, received_bytes: int) -> Mapping[str, str]:
        """What was too slow, after a piece that was waited for so long, as messages name it; empty while the
        sender keeps the pace.
        """
        self._waited_s += waited_s
        self._received_bytes += received_bytes
        self._window_bytes += received_bytes
        return self._of_window() or self._of_whole()

    def _of_window(self) -> Mapping[str, str]:
        if self._waited_s - self._window_began_s < self._pace.window_s:
            return _NOTHING_SLOW
        enough = self._window_bytes >= self._pace.least_bytes
        self._window_began_s, self._window_bytes = self._waited_s, 0
        return _NOTHING_SLOW if enough else self._pace.words

    def _of_whole(self) -> Mapping[str, str]:
        pace, promised_bytes = self._pace, self._promised_bytes
        due_bytes = promised_bytes * self._waited_s / pace.whole_s
        # what is there whole, however late, is kept: nothing is held for it any more
        if self._waited_s < pace.grace_s or self._received_bytes >= min(due_bytes, promised_bytes):
            return _NOTHING_SLOW
        return {
            "sent": human_size(self._received_bytes),
            "promised": human_size(promised_bytes),
            "minutes": f"{self._waited_s / 60:.0f}",
            "hours": f"{pace.whole_s / 3600:g}",
        }
