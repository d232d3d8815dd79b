"""How much asynchronous I/O the kernel allows all processes of a host together.

QEMU takes a share of it for each thread that serves disks: 2,048 of the 65,536 that a kernel begins with, so
that the thirty-second guest or so found nothing left and did not start. Used by `assembly`, once, and by the
translation of libvirt's errors. Source: Linux, fs/aio.c; QEMU, block/linux-aio.c (MAX_EVENTS).
"""

from __future__ import annotations

from pathlib import Path

import structlog

from quantix_api.errors import TransientError
from quantix_api.messages import as_error

AIO_LIMIT = Path("/proc/sys/fs/aio-max-nr")
# two threads each of a thousand guests
AIO_WANTED = 2 * 1000 * 2048
# what QEMU says, in words of its own and of the C library
NO_AIO = "failed to create linux AIO context: Resource temporarily unavailable"

log = structlog.get_logger(__name__)


def raise_aio_limit(limit: Path = AIO_LIMIT) -> None:
    """Allow what many guests need; a higher limit is left as it is. One that cannot be set is logged, and the
    guests that find nothing left say so (KernelLimit).
    """
    try:
        found = int(limit.read_text())
        if found < AIO_WANTED:
            limit.write_text(str(AIO_WANTED))
            log.info("the kernel now allows more asynchronous I/O", before=found, now=AIO_WANTED)
    except (OSError, ValueError) as error:
        log.warning("the limit of asynchronous I/O could not be raised", path=str(limit), error=str(error))


def aio_is_taken(limit: Path = AIO_LIMIT) -> TransientError:
    """The error for `NO_AIO`."""
    try:
        most = limit.read_text().strip()
    except OSError:
        most = "too low"
    return as_error(TransientError, "KernelLimit", most=most, wanted=AIO_WANTED)
