"""Instance type and network of a new VM where nobody says: the one marked default, or the only one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api.resources import NAMESPACE_SHARED
from quantix_cli.naming import reference
from quantix_cli.nouns import Manifest, look


def offered(word: str, objects: Sequence[Manifest], home: str) -> list[str]:
    """How those that may be meant are named in a spec of namespace `home`: one alone where it is clear which.

    One of the namespace's own comes before a shared one.
    """
    own = [obj for obj in objects if obj["metadata"].get("namespace") in (None, home)]
    shared = [obj for obj in objects if obj["metadata"].get("namespace") == NAMESPACE_SHARED != home]
    marked = [obj for group in (own, shared) for obj in group if look(obj, "spec.default")]
    return [reference(obj, word, home) for obj in marked[:1] or [*own, *shared]]
