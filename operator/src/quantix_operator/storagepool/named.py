"""Which StoragePool a name means, and who may use it. Used by the volume and image controllers."""

from __future__ import annotations

from quantix_api import StoragePool
from quantix_operator.objects import Objects


def pool_of(objects: Objects, named: str | None, namespace: str) -> StoragePool | None:
    """The pool that is named, or the default one, if this namespace may use it."""
    pool = objects.get(StoragePool, named) if named else objects.default_pool()
    if pool is None or pool.deleting or not objects.allows(pool.spec.allowed_namespaces, namespace):
        return None
    return pool
