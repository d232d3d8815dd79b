"""What the file of an image must be, as who receives it is told. Pure."""

from __future__ import annotations

from quantix_api import Image
from quantix_api.quantities import size_bytes
from quantix_hostd.transfer.receive import Expectation
from quantix_hostd.transfer.receiving import Wanted


def wanted_of(image: Image) -> Wanted:
    """From its spec, and from what was found of it before."""
    return Wanted(
        image.key,
        Expectation(
            uid=image.metadata.uid,
            image_format=image.spec.format,
            # Once it was checked, every further copy must be the same file
            checksum=image.spec.checksum or image.status.checksum or "",
            max_virtual_size_bytes=size_bytes(image.spec.max_virtual_size),
        ),
    )
