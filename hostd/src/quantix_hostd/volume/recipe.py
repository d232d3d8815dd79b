"""How a volume is made: from nothing, or from an image. Decided by `plan`, carried out by `disk_file`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Base:
    """The image that a volume is made from; `driver` is qcow2 or raw."""

    image_uid: str
    driver: str
    virtual_size_bytes: int


@dataclass(frozen=True)
class Recipe:
    """How to make a volume: blank of `size_bytes`, or from `base` (0: as large as that one is).

    `full_copy`: stands alone, instead of keeping only what differs from the image.
    """

    handle: str
    size_bytes: int
    base: Base | None = None
    full_copy: bool = False

    @property
    def is_copy(self) -> bool:
        """Whether making it takes as long as the base is large."""
        return self.full_copy and self.base is not None

    @property
    def final_size_bytes(self) -> int:
        return max(self.size_bytes, self.base.virtual_size_bytes if self.base else 0)
