"""A real libvirtd with real QEMU for the contract tests of this folder, in a mount namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantix_lab.libvirt_host import LibvirtHost


@pytest.fixture(scope="session")
def libvirt_host() -> Iterator[LibvirtHost]:
    """One for the run: tests keep apart by the UUIDs of their domains. Its libvirtd may be restarted."""
    host = LibvirtHost()
    try:
        yield host.start()
    finally:
        host.close()
