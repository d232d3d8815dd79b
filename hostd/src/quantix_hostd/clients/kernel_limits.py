"""What the kernel allows the guests of a host: asynchronous I/O, all of them together, and post-copy.

Of the asynchronous I/O that a kernel begins with, the thirty-second guest or so found nothing left and did
not start. Used by `assembly`, once, by the translation of libvirt's errors, and where a guest may come by
post-copy: its QEMU, which is not root, has to handle faults of the kernel on its memory (userfaultfd(2)).
"""

from __future__ import annotations

from pathlib import Path

import structlog

from quantix_api.asynchronous_io import OF_MANY_GUESTS
from quantix_api.errors import TransientError
from quantix_api.messages import as_error

AIO_LIMIT = Path("/proc/sys/fs/aio-max-nr")
# what QEMU says, in words of its own and of the C library
NO_AIO = "failed to create linux AIO context: Resource temporarily unavailable"

FAULTS = Path("/proc/sys/vm/unprivileged_userfaultfd")

log = structlog.get_logger(__name__)


def raise_aio_limit(limit: Path = AIO_LIMIT) -> None:
    """Allow what many guests need; a higher limit is left as it is. One that cannot be set is logged, and the
    guests that find nothing left say so (KernelLimit).
    """
    try:
        found = int(limit.read_text())
        if found < OF_MANY_GUESTS:
            limit.write_text(str(OF_MANY_GUESTS))
            log.info("the kernel now allows more asynchronous I/O", before=found, now=OF_MANY_GUESTS)
    except (OSError, ValueError) as error:
        log.warning("the limit of asynchronous I/O could not be raised", path=str(limit), error=str(error))


def aio_is_taken(limit: Path = AIO_LIMIT) -> TransientError:
    """The error for `NO_AIO`."""
    try:
        found = int(limit.read_text())
    except (OSError, ValueError):
        return as_error(TransientError, "KernelLimit", most="too low", wanted=OF_MANY_GUESTS)
    return as_error(TransientError, "KernelLimit", most=found, wanted=found + OF_MANY_GUESTS)


def allow_post_copy(switch: Path = FAULTS) -> bool:
    """Let programs that are not root handle such faults; whether they may. Where it cannot be set, that is
    logged.
    """
    try:
        if int(switch.read_text()) == 0:
            switch.write_text("1")
            log.info("the kernel now lets guests come by post-copy", path=str(switch))
    except (OSError, ValueError) as error:
        log.warning("guests cannot come by post-copy", path=str(switch), error=str(error))
        return False
    return True
