"""What the volume controller acts with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quantix_client.api import ApiClient
from quantix_hostd.claims import ClaimStore
from quantix_hostd.events import Events
from quantix_hostd.pools import HostPools
from quantix_hostd.transfer.room import Room
from quantix_hostd.volume.live_moves import LiveMoves
from quantix_hostd.volume.partners import Guests, ImageCopies
from quantix_hostd.volume.passphrases import Passphrases
from quantix_hostd.volume.storage import StorageByKind
from quantix_hostd.volume.uploads import VolumeUploads

Manifest = dict[str, Any]


@dataclass(frozen=True)
class VolumeTools:
    """The mappings are caches."""

    api: ApiClient
    passphrases: Passphrases
    volumes: Mapping[str, Manifest]
    images: Mapping[str, Manifest]
    snapshots: Mapping[str, Manifest]
    restores: Mapping[str, Manifest]
    machines: Mapping[str, Manifest]
    namespaces: Mapping[str, Manifest]
    pools: HostPools
    copies: ImageCopies
    uploads: VolumeUploads
    maker: StorageByKind
    room: Room
    claims: ClaimStore
    guests: Guests
    events: Events
    live_moves: LiveMoves
    cluster_uid: str
    host: str
