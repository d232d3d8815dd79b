"""What is on this host of objects that the API does not have, as its Host tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OrphanGuest:
    """A guest whose VM the API does not have; `vm` is NAMESPACE/NAME, "" when nothing tells it."""

    uid: str
    domain: str
    vm: str


@dataclass(frozen=True)
class OrphanVolume:
    """Data in a pool of which the API has no Volume."""

    pool: str
    path: str
