"""Who is the elder, and so the one that counts where several want to be the one. Pure.

Used by every component: operator and hosts have to mean the same pool where a name is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from quantix_api.model import ApiObject
from quantix_api.storage_pool import StoragePool
from quantix_api.times import render_time


def age_order(model: ApiObject) -> tuple[str, str]:
    """Sorts the elder first; of the same second, the smaller UID."""
    created = model.metadata.creation_timestamp
    return (render_time(created) if created else "", model.metadata.uid)


def default_pool(pools: Iterable[StoragePool]) -> StoragePool | None:
    """The pool that is meant where none is named: the eldest default one that is not being deleted."""
    named = [pool for pool in pools if pool.spec.default and not pool.deleting]
    return min(named, key=age_order, default=None)
