"""How a volume is made: from nothing, from an image, or from another volume. Decided by `making_plan`,
carried out by `disk_file`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from quantix_hostd.claims import VolumePlace


@dataclass(frozen=True)
class Base:
    """The image that a volume is made from; `driver` is qcow2 or raw."""

    image_uid: str
    driver: str
    virtual_size_bytes: int


@dataclass(frozen=True)
class Origin:
    """The volume that another one is made from. `key` is its `namespace/name`; `image_uid` and `driver` are
    those of the image that it stands on, "" when it stands alone.
    """

    key: str
    uid: str
    place: VolumePlace
    virtual_size_bytes: int
    image_uid: str = ""
    driver: str = ""
    encrypted: bool = False


@dataclass(frozen=True)
class Recipe:
    """How to make a volume: blank of `size_bytes`, or from `base` or `origin` (0: as large as that one is).

    `full_copy`: stands alone, instead of keeping only what differs from the image. The passphrases of what is
    made and of `origin` are those of disks that are encrypted, else "".
    """

    handle: str
    size_bytes: int
    base: Base | None = None
    full_copy: bool = False
    origin: Origin | None = None
    passphrase: str = field(default="", repr=False)
    origin_passphrase: str = field(default="", repr=False)

    @property
    def is_copy(self) -> bool:
        """Whether making it takes as long as what it is made from is large."""
        return self.origin is not None or (self.full_copy and self.base is not None)

    @property
    def final_size_bytes(self) -> int:
        source = self.origin or self.base
        return max(self.size_bytes, source.virtual_size_bytes if source else 0)
