"""Objects of a store by their UID, without a look at all of them for each that is asked for.

Used over the reflectors' stores, which go by name and change by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]


class ByUid:
    """`store` maps keys to manifests; what it holds is asked anew each time, only where is remembered."""

    def __init__(self, store: Mapping[str, Manifest]) -> None:
        self._store = store
        self._keys: dict[str, str] = {}

    def get(self, uid: str) -> Manifest | None:
        """The object that has this UID now, None when there is none."""
        found = self._at(uid)
        if found is None:
            # it came since, or its name is another object's
            self._keys = {item["metadata"]["uid"]: key for key, item in self._store.items()}
            found = self._at(uid)
        return found

    def _at(self, uid: str) -> Manifest | None:
        found = self._store.get(self._keys.get(uid, ""))
        return found if found is not None and found["metadata"]["uid"] == uid else None
