"""`NAME` or `shared/NAME`: how a spec names an Image or a Network (api.md, section 2). Pure.

Used by whoever looks up what a spec names, or says how a user would name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantix_api.resources import NAMESPACE_SHARED

SHARED = "shared"
_PREFIX = f"{SHARED}/"


def resolve_key(namespace: str | None, reference: str) -> str:
    """The key, namespace/name, of the object that `reference` means where it is said, in `namespace`."""
    if reference.startswith(_PREFIX):
        return f"{NAMESPACE_SHARED}/{bare_name(reference)}"
    return f"{namespace}/{reference}"


def bare_name(reference: str) -> str:
    """The name alone, without what says that it is shared."""
    return reference.removeprefix(_PREFIX)


def shared_reference(name: str) -> str:
    """How every namespace names the shared object of that name."""
    return f"{_PREFIX}{name}"


def admits(selector: Mapping[str, str] | None, namespace: Mapping[str, Any] | None) -> bool:
    """Whether `allowedNamespaces` (absent: all) selects a Namespace, which it never does one not known."""
    if not selector:
        return True
    labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())
