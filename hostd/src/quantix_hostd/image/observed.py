"""One moment of an image on this host, frozen: what the controller saw, and `plan` decides by."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import Image
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.seen import TransferSeen


@dataclass(frozen=True)
class Copy:
    """The image's file in a pool of this host, and how many volumes there are based on it."""

    pool: str
    volumes: int = 0


@dataclass(frozen=True)
class ImageObserved:
    """`pool` is the image's own, `there` whether its file lies in it, and `kept` what a broken transfer left
    there: bytes, of so many.

    `received`: its file is there whole, and is still to be brought into its pool, which has no files.

    `copies` and `arriving` (whether it is on its way into any pool, or was) are looked at for an image that
    is being deleted only.
    """

    image: Image
    host: str
    pool: str = ""
    there: bool = False
    received: bool = False
    transfer: TransferSeen[Received] | None = None
    kept: tuple[int, int] | None = None
    copies: tuple[Copy, ...] = ()
    arriving: bool = False
