"""One moment of an image on this host, frozen: what the controller saw, and `plan` decides by."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import Image
from quantix_api.errors import QuantixError
from quantix_hostd.image.formats import Received


@dataclass(frozen=True)
class TransferSeen:
    """The image on its way into its pool, or how that ended. `shown`: bytes done and in all, as reported
    or at its failure.

    `queued`: it waits for its turn. After a failure `retry_in_s` is what is left of `delay_s` (0: due), None
    when another try is no use.
    """

    running: bool = False
    queued: bool = False
    shown: tuple[int, int | None] = (0, None)
    received: Received | None = None
    error: QuantixError | None = None
    delay_s: float = 0.0
    retry_in_s: float | None = 0.0


@dataclass(frozen=True)
class Copy:
    """The image's file in a pool of this host, and how many volumes there are based on it."""

    pool: str
    volumes: int = 0


@dataclass(frozen=True)
class ImageObserved:
    """`pool` is the image's own, `there` whether its file lies in it.

    `copies` and `arriving` (whether it is on its way into any pool) are looked at for an image that is being
    deleted only.
    """

    image: Image
    host: str
    pool: str = ""
    there: bool = False
    transfer: TransferSeen | None = None
    copies: tuple[Copy, ...] = ()
    arriving: bool = False
