"""Which volumes are still to be made from one that is deleted: its data stays until they are (docs/adr/0037).

Called by the volume controller's look, right before data would be removed. No selection of this host delivers
a copy that has no host yet, so the API itself is asked: what it has at that moment is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantix_api import Volume, to_manifest
from quantix_api.message_table_phrases import COPIES_UNTOLD
from quantix_api.messages import as_wait
from quantix_api.resources import VOLUMES
from quantix_api.unmade_copies import unmade_copies
from quantix_client.api import ApiClient
from quantix_client.clock import Clock, SystemClock
from quantix_client.errors import ApiError
from quantix_hostd.volume.observed import Unmade

_LOOK_S = 5.0
# a copy that this host makes wakes its source; that others are deleted is seen by a look
_SOONEST_S, _LATEST_S = 15.0, 240.0

Manifest = Mapping[str, Any]


class UnmadeCopies:
    """One for a process. `namespaces` is a cache."""

    def __init__(
        self, api: ApiClient, namespaces: Mapping[str, Manifest], clock: Clock | None = None
    ) -> None:
        self._api, self._namespaces = api, namespaces
        self._clock = clock or SystemClock()
        # by the source's key what its copies were, and since when they are the same
        self._since: dict[str, tuple[tuple[str, ...], float]] = {}

    async def of(self, source: Volume) -> Unmade:
        """The volumes that wait for the data of `source`; none for data that is not there, and in a namespace
        that is deleted whole. Raises WaitingError (Deleting) while the API does not tell.
        """
        names, now_s = await self._names(source), self._clock.monotonic()
        if not names:
            self.forget(source.key)
            return Unmade()
        before, since_s = self._since.get(source.key, ((), now_s))
        if names != before:
            since_s = now_s
        self._since[source.key] = (names, since_s)
        # each look at one that waits for weeks is a question to the API: after as long again as it has waited
        return Unmade(names, min(_LATEST_S, max(_SOONEST_S, now_s - since_s)))

    def forget(self, key: str) -> None:
        """That the source with this key was kept."""
        self._since.pop(key, None)

    async def _names(self, source: Volume) -> tuple[str, ...]:
        namespace = source.metadata.namespace
        known = self._namespaces.get(namespace or "")
        if source.status.data != "Present" or (known and known["metadata"].get("deletionTimestamp")):
            return ()
        named = f"spec.source.volume={source.metadata.name}"
        try:
            found = await self._api.list(VOLUMES, namespace, field_selector=named)
        except ApiError as error:
            raise as_wait("Deleting", _LOOK_S, what=COPIES_UNTOLD) from error
        return unmade_copies(to_manifest(source), found.items)
