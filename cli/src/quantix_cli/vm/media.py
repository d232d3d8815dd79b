"""Whether an image is for a disk or for a drive. Pure; used by `qx vm create` and `qx vm attach`."""

from __future__ import annotations

from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest, look


def refuse_medium(image: Manifest, written: str) -> None:
    """Raise CommandError (2) where the image that a disk is to be made from is known to be a medium."""
    if look(image, "status.format") == "ISO":
        raise CommandError(
            Exit.USAGE, f"{written} is a medium, not a disk.", f"--iso {written} instead of --image"
        )


def refuse_disk(image: Manifest, written: str) -> None:
    """Raise CommandError (2) where the image that is to be put into a drive is known to be a disk.

    A raw one may be a medium without ISO 9660 (UDF alone), if somebody said that it is raw: nothing else
    makes an image of such a file.
    """
    found = look(image, "status.format")
    if found == "Qcow2" or (found == "Raw" and look(image, "spec.format") != "Raw"):
        raise CommandError(
            Exit.USAGE,
            f"{written} is a disk ({found}), not a medium for a drive.",
            f"qx vm create NAME --image {written} makes a VM with such a disk",
        )
