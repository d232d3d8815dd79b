"""`NAME` or `shared/NAME`: how a spec names an Image or a Network (api.md, section 2). Pure.

Used by whoever looks up what a spec names, or says how a user would name it.
"""

from __future__ import annotations

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
