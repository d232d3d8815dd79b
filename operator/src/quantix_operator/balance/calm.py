"""Whether there is nothing to balance at all, without a look at every VM. Reads the cache only.

Most looks of most clusters end here.
"""

from __future__ import annotations

from quantix_api.errors import QuantixError
from quantix_api.quantities import size_bytes
from quantix_api.resources import HOSTS, VIRTUAL_MACHINE_MIGRATIONS, VIRTUAL_MACHINES
from quantix_client.api import Manifest
from quantix_operator.cache import Cache
from quantix_operator.indexers import RULED, UNFINISHED, ruled, unfinished

# of a host's memory: what it keeps for itself comes on top, so this is well below what moves anything
_PROMISED_PERCENT = 50


def is_calm(cache: Cache) -> bool:
    """No VM asks for a place, no host is short or much promised, and nothing moves."""
    if cache.by(VIRTUAL_MACHINES, ruled, RULED) or cache.by(
        VIRTUAL_MACHINE_MIGRATIONS, unfinished, UNFINISHED
    ):
        return False
    return not any(map(_has_much, cache.list(HOSTS)))


def _has_much(host: Manifest) -> bool:
    status = host.get("status") or {}
    if any(item.get("level") == "High" for item in status.get("pressure") or []):
        return True
    promised = _bytes((status.get("allocated") or {}).get("memory"))
    return promised * 100 >= _bytes(status.get("memory")) * _PROMISED_PERCENT > 0


def _bytes(size: str | None) -> int:
    try:
        return 0 if size in (None, "0") else size_bytes(size)
    except QuantixError:
        return 0
