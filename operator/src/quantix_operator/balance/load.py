"""What hosts have too much of. Pure; used by `observe`, which leaves out who cannot matter, and by `plan`."""

from __future__ import annotations

from datetime import datetime

from quantix_operator.balance.model import FULL_PERMILLE, Cause, HostLoad
from quantix_operator.scheduling.model import HostView
from quantix_operator.scheduling.occupancy import Occupancy

BY_LOAD = (Cause.MEMORY, Cause.CPU, Cause.PROMISED)
"""The gravest first."""


def troubles(load: HostLoad, promised_permille: int, now: datetime) -> tuple[Cause, ...]:
    """What a host has too much of, the gravest first."""
    short = {
        Cause.MEMORY: load.is_short_of(Cause.MEMORY, now),
        Cause.CPU: load.is_short_of(Cause.CPU, now),
        Cause.PROMISED: promised_permille >= FULL_PERMILLE,
    }
    return tuple(cause for cause in BY_LOAD if short[cause])


def promised_permille(host: HostView, occupancy: Occupancy) -> int:
    """How much of its memory is promised."""
    return occupancy.promised_memory_bytes(host.name) * 1000 // max(host.memory_bytes, 1)
