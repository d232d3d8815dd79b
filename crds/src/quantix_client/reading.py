"""Manifests as models, each manifest read once: to read one takes longer than most of what is done with it.

The one way in which components read what the API gave them. An answer of the API is never changed, only
replaced by a newer one, so the manifest's identity tells whether it was read before. Models are frozen: they
may be shared, also between threads: the worst that can come of two at once is that an object is read twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from quantix_api import ApiObject

Kind = TypeVar("Kind", bound=ApiObject)

# one for each object that a host has to do with, the newest reading of each
_MOST_OF_A_HOST = 10_000


class Models:
    """The newest reading of each object; of `most` objects where that is given, else of all that were read
    and not forgotten.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._read: OrderedDict[str, tuple[Mapping[str, Any], ApiObject]] = OrderedDict()

    def of(self, kind: type[Kind], manifest: Mapping[str, Any]) -> Kind:
        """The manifest as its model. Raises pydantic's ValidationError."""
        uid = str((manifest.get("metadata") or {}).get("uid") or "")
        known = self._read.get(uid)
        # without a UID one object cannot be told from another
        if known is None or known[0] is not manifest or not isinstance(known[1], kind):
            known = self._read[uid] = (manifest, kind.model_validate(manifest))
            if self._most is not None and len(self._read) > self._most:
                self._read.popitem(last=False)
        return cast("Kind", known[1])

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._read.pop(uid, None)


_of_this_host = Models(_MOST_OF_A_HOST)


def model_of(kind: type[Kind], manifest: Mapping[str, Any]) -> Kind:
    """As `Models.of`, for whoever does not hear of the end of what it reads: hostd, which has to do with few
    objects, and the operator of what a snapshot keeps of its VM.
    """
    return _of_this_host.of(kind, manifest)
