"""The one finalizer of ours, added and removed.

Used by the controllers of kinds with outside effects. A MutatingAdmissionPolicy adds it at creation; where
the server has none the controller does, before the first effect. Only the operator removes it.
"""

from __future__ import annotations

from typing import Any

from quantix_api.resources import FINALIZER, Resource
from quantix_client.api import ApiClient, Manifest
from quantix_client.errors import NotFound
from quantix_operator.cache import Cache


def has_finalizer(live: Manifest) -> bool:
    return FINALIZER in _finalizers(live)


async def add_finalizer(api: ApiClient, cache: Cache, resource: Resource, live: Manifest) -> None:
    """Raises Conflict when `live` is not the newest version."""
    await _set(api, cache, resource, live, [*_finalizers(live), FINALIZER])


async def remove_finalizer(api: ApiClient, cache: Cache, resource: Resource, live: Manifest) -> None:
    """The last step of a deletion. Raises Conflict when `live` is not the newest version."""
    await _set(api, cache, resource, live, [name for name in _finalizers(live) if name != FINALIZER])


async def _set(api: ApiClient, cache: Cache, resource: Resource, live: Manifest, names: list[str]) -> None:
    metadata = live["metadata"]
    changed = {"resourceVersion": metadata["resourceVersion"], "finalizers": names}
    patch: dict[str, Any] = {"metadata": changed}
    try:
        written = await api.patch(resource, metadata["name"], patch, metadata.get("namespace"))
    except NotFound:
        return
    if names or not metadata.get("deletionTimestamp"):
        cache.put(resource, written)


def _finalizers(live: Manifest) -> list[str]:
    return list(live["metadata"].get("finalizers") or [])
