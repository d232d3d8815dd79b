"""Durations, ages and sizes as people read them. Pure; the words are those of the project's style."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from quantix_api.times import parse_time

_SIZES = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def duration(seconds: float) -> str:
    """`0.6 s`, `23 s`, `6 m 04 s`, `3 h`, `12 d`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} m {int(seconds) % 60:02d} s"
    return f"{int(seconds) // 3600} h" if seconds < 2 * 86400 else f"{int(seconds) // 86400} d"


def how_long(seconds: float) -> str:
    """A duration in a sentence, without false precision: `20 s`, `12 m`, `3 h`, `12 d`."""
    return short_age(seconds).replace("s", " s").replace("m", " m").replace("h", " h").replace("d", " d")


def short_age(seconds: float) -> str:
    """An age in a table: `20s`, `12m`, `3h`, `12d`."""
    whole = max(0, int(seconds))
    for unit, length in (("d", 2 * 86400), ("h", 2 * 3600), ("m", 120)):
        if whole >= length:
            return f"{whole // {'d': 86400, 'h': 3600, 'm': 60}[unit]}{unit}"
    return f"{whole}s"


def parse_duration_s(written: str) -> float:
    """Seconds of `90`, `90s`, `5m`, `1h`, `2d`. Raises ValueError for anything else."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)", written)
    if found is None:
        raise ValueError(f"{written} is no time")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


def age_s(timestamp: str | None, now: datetime) -> float | None:
    """Seconds from an RFC 3339 time until `now`; None when there is none."""
    if not timestamp:
        return None
    return (now - parse_time(timestamp)).total_seconds()


def utc_now() -> datetime:
    return datetime.now(UTC)


def local_time(moment: datetime, zone: tzinfo | None = None) -> str:
    """`14:31:07 +01:00`, in the zone of this machine unless another is given."""
    clock = moment.astimezone(zone).timetz().isoformat(timespec="seconds")
    return f"{clock[:8]} {clock[8:]}"


def size(size_bytes: int) -> str:
    """`64 GiB`, `1.4 GiB`, `512 MiB`, `0 B`: binary, one decimal below 10 unless it is whole."""
    for unit, factor in _SIZES:
        if size_bytes >= factor:
            value = size_bytes / factor
            return (
                f"{value:.1f} {unit}"
                if value < 10 and round(value, 1) != round(value)
                else f"{value:.0f} {unit}"
            )
    return f"{size_bytes} B"
