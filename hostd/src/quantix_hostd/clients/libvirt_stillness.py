"""Has a running domain stand still for a moment: a part of `libvirt_copies` and `libvirt_moments`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import libvirt

_STOPPED_BY_US = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER]


@contextmanager
def standing_still(domain: Any) -> Iterator[None]:
    """The guest writes nothing meanwhile. One that is left so, as hostd ends, is resumed at its next look.
    What stopped by itself at that moment (an I/O error, its watchdog) is left to whoever looks after it.
    """
    runs = domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    if runs:
        domain.suspend()
    try:
        yield
    finally:
        # suspending what is paused already changes nothing, nor why it is
        if runs and domain.state() == _STOPPED_BY_US:
            domain.resume()
