"""What the volume controller asks of other parts of hostd."""

from __future__ import annotations

from typing import Protocol

from quantix_api import Image
from quantix_hostd.clients.pool import Pool


class ImageCopies(Protocol):
    """Brings the file of an image into a pool (`image.controller`)."""

    async def ensure_copy(self, image: Image, pool: Pool) -> None: ...


class Guests(Protocol):
    """Tells of VMs that held a claim for this host (`virtualmachine.departed`)."""

    async def is_gone(self, vm_uid: str, epoch: int) -> bool: ...
