"""The one finalizer of ours: added before the first outside effect, taken off after the last is undone.

Used by the controllers of kinds with outside effects; the order of their steps is theirs to show. A
MutatingAdmissionPolicy adds it at creation; where the server has none, `ensure` does. Only the operator
removes it.
"""

from __future__ import annotations

from typing import Any

import structlog

from quantix_api.resources import FINALIZER, Resource
from quantix_client.api import ApiClient, Manifest
from quantix_client.errors import NotFound
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache

log = structlog.get_logger(__name__)


def has_finalizer(live: Manifest) -> bool:
    return FINALIZER in _names(live)


class Finalizers:
    """The finalizer on the objects of one kind."""

    def __init__(self, api: ApiClient, cache: Cache, resource: Resource) -> None:
        self._api = api
        self._cache = cache
        self._resource = resource

    async def ensure(self, live: Manifest) -> Manifest | None:
        """The object with the finalizer, which it gets now where it has none; None when it is gone meanwhile.

        One on its way out stays as it is: the API server takes no finalizer for it any more. Raises Conflict
        when `live` is not the newest version.
        """
        if has_finalizer(live) or live["metadata"].get("deletionTimestamp"):
            return live
        return await self._set(live, [*_names(live), FINALIZER])

    async def release(self, live: Manifest) -> None:
        """Let the object go: the last step of a deletion. Raises Conflict when `live` is not the newest."""
        if not has_finalizer(live):
            return
        await self._set(live, [name for name in _names(live) if name != FINALIZER])
        uid = live["metadata"].get("uid")
        log.info("object let go", kind=self._resource.kind, key=key_of(live), uid=uid)

    async def _set(self, live: Manifest, names: list[str]) -> Manifest | None:
        metadata = live["metadata"]
        changed = {"resourceVersion": metadata["resourceVersion"], "finalizers": names}
        patch: dict[str, Any] = {"metadata": changed}
        try:
            written = await self._api.patch(
                self._resource, metadata["name"], patch, metadata.get("namespace")
            )
        except NotFound:
            return None
        if names or not metadata.get("deletionTimestamp"):
            self._cache.put(self._resource, written)
        return written


def _names(live: Manifest) -> list[str]:
    return list(live["metadata"].get("finalizers") or [])
