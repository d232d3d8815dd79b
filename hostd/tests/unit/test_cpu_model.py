"""What a question for the host's CPU model says when libvirt goes away in the middle."""

from __future__ import annotations

import libvirt
import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.cpu_model import read_host_model


class Lost:
    """A connection that nothing can be done with any more, not even closed."""

    def getDomainCapabilities(self, *_: object) -> str:
        raise libvirt.libvirtError("the connection was lost")

    def close(self) -> int:
        raise libvirt.libvirtError("the connection was lost")


async def test_a_connection_that_cannot_even_be_closed_raises_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libvirt, "open", lambda _: Lost())
    with pytest.raises(TransientError):
        await read_host_model("qemu:///system", "kvm")
