"""How an error of libvirt is told."""

from __future__ import annotations

import libvirt
import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.libvirt_calls import translated


def fail(domain: int, code: int, said: str) -> None:
    error = libvirt.libvirtError(said)
    error.err = (code, domain, said, libvirt.VIR_ERR_ERROR, "", "", "", -1, -1)
    raise error


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (libvirt.VIR_ERR_SYSTEM_ERROR, "End of file while reading data: Input/output error"),
        (libvirt.VIR_ERR_SYSTEM_ERROR, "Cannot recv data: Connection reset by peer"),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "client socket is closed"),
    ],
)
def test_a_call_that_libvirts_end_cuts_off_says_that_libvirt_is_away(code: int, said: str) -> None:
    with pytest.raises(TransientError, match=said) as told:
        translated(lambda: fail(libvirt.VIR_FROM_RPC, code, said))
    assert told.value.reason == "LibvirtDown"


def test_what_libvirt_itself_could_not_do_says_what_that_was() -> None:
    with pytest.raises(TransientError, match="monitor") as told:
        translated(lambda: fail(libvirt.VIR_FROM_QEMU, libvirt.VIR_ERR_INTERNAL_ERROR, "monitor closed"))
    assert told.value.reason == "InternalError"
