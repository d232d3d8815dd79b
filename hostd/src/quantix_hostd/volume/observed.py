"""One moment of a volume on this host, frozen: what the controller saw, and `plan` decides by."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import Image, Volume
from quantix_api.errors import QuantixError
from quantix_hostd.claims import Claim, VolumePlace
from quantix_hostd.transfer.seen import TransferSeen
from quantix_hostd.volume.recipe import Base


@dataclass(frozen=True)
class VolumeObserved:
    """`there`: something lies at `place`; `capacity_bytes` is its disk's, None where there is none.

    `claim` is None where there is none, or where `claim_problem` kept it from being read. `image` is what
    spec makes the volume from, `base` its file in this pool; both are looked at only while the volume is no
    more than a wish. `holder_gone`: the claim names this host for a VM that is surely no more on it.
    `copy`: the full copy that is being made of it, or how the last try ended.
    """

    volume: Volume
    host: str
    cluster_uid: str
    pool: str
    place: VolumePlace
    there: bool = False
    capacity_bytes: int | None = None
    claim: Claim | None = None
    claim_problem: QuantixError | None = None
    holder_gone: bool = False
    copy: TransferSeen[None] | None = None
    image: Image | None = None
    base: Base | None = None

    @property
    def handle(self) -> str:
        return self.place.handle
