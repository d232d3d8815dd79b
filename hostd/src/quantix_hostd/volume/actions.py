"""What can be done about a volume on this host. Decided by `plan`, carried out by the controller."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import Image
from quantix_hostd.claims import Claim
from quantix_hostd.volume.move_plan import MoveAction
from quantix_hostd.volume.recipe import Recipe


@dataclass(frozen=True)
class BringImage:
    """Have the image's file in the volume's pool."""

    image: Image


@dataclass(frozen=True)
class Make:
    recipe: Recipe


@dataclass(frozen=True)
class Copy:
    """Begin to make a copy: in the background, since it takes as long as the disk is large."""

    recipe: Recipe


@dataclass(frozen=True)
class StopCopy:
    """End the copy that is being made."""


@dataclass(frozen=True)
class EndUpload:
    """End what brings the file that it is made of, and remove that: it was made, or is deleted."""


@dataclass(frozen=True)
class Grow:
    """Hold the claim, make the disk larger, free the claim, also when that does not work."""

    found: Claim
    held: Claim
    freed: Claim
    to_bytes: int


@dataclass(frozen=True)
class FreeClaim:
    """What this host did not come to free: its own work ended before, or the pool was away as a VM ended."""

    found: Claim
    freed: Claim


@dataclass(frozen=True)
class Remove:
    """Hold the claim and remove all data."""

    found: Claim
    held: Claim


Action = BringImage | Make | Copy | StopCopy | EndUpload | Grow | FreeClaim | Remove | MoveAction
