"""Has a running domain stand still for a moment: a part of `libvirt_copies` and `libvirt_moments`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import libvirt

_STOPPED_BY_US = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER]


@dataclass
class Stillness:
    """`lasts`: the guest is not to go on yet; whoever sees to that has it go on later."""

    lasts: bool = False


@contextmanager
def standing_still(domain: Any) -> Iterator[Stillness]:
    """The guest writes nothing meanwhile. One that is left so, as hostd ends, is resumed at its next look.
    What stopped by itself at that moment (an I/O error, its watchdog) is left to whoever looks after it.
    """
    runs = domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    if runs:
        domain.suspend()
    stillness = Stillness()
    try:
        yield stillness
    finally:
        # suspending what is paused already changes nothing, nor why it is
        if runs and not stillness.lasts and domain.state() == _STOPPED_BY_US:
            domain.resume()
