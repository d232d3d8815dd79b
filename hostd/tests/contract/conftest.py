"""A real libvirtd with real QEMU for the contract tests of this folder, in a mount namespace of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """With a failure comes what QEMU and libvirtd said: who died of what is written nowhere else."""
    report = yield
    host = getattr(item, "funcargs", {}).get("libvirt_host")
    if report.failed and host is not None:
        report.sections += host.last_words()
    return report
