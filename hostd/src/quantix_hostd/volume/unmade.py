"""Which volumes are still to be made from one that is deleted: its data stays until they are (docs/adr/0037).

Called by the volume controller's look, right before data would be removed. No selection of this host delivers
a copy that has no host yet, so the API itself is asked: what it has at that moment is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quantix_api import Volume, to_manifest
from quantix_api.message_table_phrases import COPIES_UNTOLD
from quantix_api.messages import as_wait
from quantix_api.resources import VOLUMES
from quantix_api.unmade_copies import unmade_copies
from quantix_client.api import ApiClient
from quantix_client.errors import ApiError

_LOOK_S = 5.0

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class UnmadeCopies:
    """`namespaces` is a cache."""

    api: ApiClient
    namespaces: Mapping[str, Manifest]

    async def of(self, source: Volume) -> tuple[str, ...]:
        """The names of the volumes that wait for the data of `source`; none for data that is not there, and
        in a namespace that is deleted whole. Raises WaitingError (Deleting) while the API does not tell.
        """
        namespace = source.metadata.namespace
        known = self.namespaces.get(namespace or "")
        if source.status.data != "Present" or (known and known["metadata"].get("deletionTimestamp")):
            return ()
        named = f"spec.source.volume={source.metadata.name}"
        try:
            found = await self.api.list(VOLUMES, namespace, field_selector=named)
        except ApiError as error:
            raise as_wait("Deleting", _LOOK_S, what=COPIES_UNTOLD) from error
        return unmade_copies(to_manifest(source), found.items)
