"""How often services ended unasked of late: read from supervisord's log, for it does not count."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

RECENTLY = timedelta(minutes=5)
# a line has about 100 bytes: many more than RECENTLY can have
_MOST_BYTES = 256 * 1024
# supervisor 4.3, process.py: whoever is told to stop is "stopped"; the time is local
_ENDED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} \w+ exited: (\S+) \(", re.MULTILINE)


def read_ends(log: Path) -> Counter[str]:
    """Service → how often it ended unasked within the last 5 min. Raises nothing."""
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, log.stat().st_size - _MOST_BYTES))
            text = opened.read().decode(errors="replace")
    except OSError:
        return Counter()
    return ends_in(text, datetime.now())


def ends_in(text: str, now: datetime) -> Counter[str]:
    """The same of the log's text; `now` is local, without a zone, as in the log."""
    return Counter(
        name
        for time, name in _ENDED.findall(text)
        if timedelta() <= now - datetime.fromisoformat(time) <= RECENTLY
    )
