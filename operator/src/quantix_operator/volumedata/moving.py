"""Whether the data of a Volume is on its way to another pool. Pure; used by whoever waits for that."""

from __future__ import annotations

from quantix_api import Volume


def next_pool(volume: Volume) -> str:
    """The pool that its data is on its way to, "" for none."""
    wanted = volume.status.moving_to or ""
    return wanted if wanted != volume.status.pool else ""
