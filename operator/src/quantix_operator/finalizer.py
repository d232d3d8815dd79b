"""The one finalizer, `quantix.io/cleanup`: there before the first outside effect, gone after the last.

Used by the controllers of every kind that leaves something outside the API. An admission policy adds it at
creation; where the server has none, the operator does.
"""

from __future__ import annotations

from quantix_api.resources import FINALIZER, Resource
from quantix_client.api import ApiClient, Manifest
from quantix_client.errors import NotFound


async def ensure_finalizer(api: ApiClient, resource: Resource, live: Manifest) -> bool:
    """Add it unless it is there; False when it was. Raises Conflict when `live` is old news."""
    present = live["metadata"].get("finalizers") or []
    if FINALIZER in present or live["metadata"].get("deletionTimestamp"):
        return False
    await _write(api, resource, live, [*present, FINALIZER])
    return True


async def remove_finalizer(api: ApiClient, resource: Resource, live: Manifest) -> None:
    """Let the object go: nothing of it is left outside. Raises Conflict when `live` is old news."""
    present = live["metadata"].get("finalizers") or []
    if FINALIZER not in present:
        return
    try:
        await _write(api, resource, live, [item for item in present if item != FINALIZER])
    except NotFound:
        return


async def _write(api: ApiClient, resource: Resource, live: Manifest, finalizers: list[str]) -> None:
    metadata = live["metadata"]
    # With the version: a merge patch replaces the whole list, and another's finalizer may have come since
    patch = {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}
    await api.patch(resource, metadata["name"], patch, metadata.get("namespace"))
