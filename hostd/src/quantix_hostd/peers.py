"""Which other hosts have the file of an image, and in which order they are asked for it. Pure.

Used by the image part; `clients.peer_source` asks them. What the API says may be late: whoever is asked may
not have it any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from quantix_api import Image
from quantix_api.conditions import LOST_REASONS, condition_of
from quantix_api.message_table_phrases import A_HOST, SOME_HOSTS


@dataclass(frozen=True)
class Peer:
    """Another host: `address` is HOST:PORT of its API, `heard` whether the cluster hears it."""

    name: str
    address: str
    heard: bool = True


@dataclass(frozen=True)
class Holder:
    """A host with the UIDs of the images that it has copies of."""

    peer: Peer
    images: frozenset[str]


def holder_of(host: Mapping[str, Any]) -> Holder:
    """What its object says of a host; read by itself, as there may be many and little of each is needed."""
    status = host.get("status") or {}
    ready = condition_of(host)
    lost = ready.get("status") != "True" and ready.get("reason") in LOST_REASONS
    address = (status.get("addresses") or {}).get("api") or ""
    peer = Peer(host["metadata"]["name"], address, heard=not lost)
    return Holder(peer, frozenset(image["uid"] for image in status.get("images") or ()))


def peers_with(image: Image, holders: Iterable[Holder], me: str) -> tuple[Peer, ...]:
    """The hosts that have a checked file of the image, but for `me`: those that are heard come first.

    Each host has an order of its own, always the same (rendezvous hashing, Thaler and Ravishankar 1998), so
    that many that want one image do not all ask one.
    """
    if not image.status.checksum:
        return ()
    uid, home = image.metadata.uid, image.status.host if image.status.data == "Present" else None
    having = [
        holder.peer
        for holder in holders
        if holder.peer.name != me
        and holder.peer.address
        and (holder.peer.name == home or uid in holder.images)
    ]

    def rank(peer: Peer) -> tuple[bool, bytes]:
        return not peer.heard, hashlib.sha256(f"{uid} {me} {peer.name}".encode()).digest()

    return tuple(sorted(having, key=rank))


def named(peers: Iterable[str]) -> str:
    """Hosts by their names, as messages call them."""
    names = list(peers)
    return (A_HOST if len(names) == 1 else SOME_HOSTS).format(names=", ".join(names))
