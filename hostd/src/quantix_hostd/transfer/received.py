"""What is known of an image once its file was checked and kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.disk_image import ImageFacts


@dataclass(frozen=True)
class Received:
    """An image that is now in the pool. `checksum` is "sha256:<hex>"."""

    facts: ImageFacts
    checksum: str
