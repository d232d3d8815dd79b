"""The CPU model that libvirt names, from a real libvirtd."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.cpu_model import parse_host_model, read_host_model
from quantix_lab.libvirt_host import LibvirtHost


@pytest.fixture
def host() -> Iterator[LibvirtHost]:
    started = LibvirtHost()
    try:
        yield started.start()
    finally:
        started.close()


async def test_libvirt_names_the_model_that_guests_can_have(host: LibvirtHost) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", await read_host_model(host.uri, "qemu"))


async def test_a_libvirt_that_is_away_is_asked_again_later() -> None:
    with pytest.raises(TransientError):
        await read_host_model("qemu+unix:///system?socket=/nonexistent", "qemu")


def test_capabilities_without_a_model_are_no_error() -> None:
    xml = "<domainCapabilities><cpu><mode name='host-model' supported='no'/></cpu></domainCapabilities>"
    assert parse_host_model(xml) == ""
