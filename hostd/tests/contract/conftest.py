"""For the contract tests of this folder: a real libvirtd with real QEMU, in a mount namespace of its own, a
real Open vSwitch, and pools with an image of which the real qemu-img makes volumes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.sandbox import Sandbox
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_lab.disk_pools import IMAGES, pool_with_image, xfs
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.open_vswitch import OpenVSwitch, open_vswitch


@pytest.fixture(scope="session")
def libvirt_host() -> Iterator[LibvirtHost]:
    """One for the run: tests keep apart by the UUIDs of their domains. Its libvirtd may be restarted."""
    host = LibvirtHost()
    try:
        yield host.start()
    finally:
        host.close()


@pytest.fixture
def pool(tmp_path: Path) -> PoolDir:
    return pool_with_image(tmp_path / "pool")


@pytest.fixture
def xfs_pool(tmp_path: Path) -> Iterator[PoolDir]:
    """On a file system that shares blocks between files."""
    with xfs(tmp_path) as mountpoint:
        yield pool_with_image(mountpoint / "pool")


@pytest.fixture
def maker() -> DiskFileMaker:
    return DiskFileMaker(QemuImg(Sandbox(IMAGES), unlock_ms=1), LocalClaimStore(), "cluster-1")


@pytest.fixture
def switch() -> Iterator[OpenVSwitch]:
    """A real Open vSwitch in a network namespace of its own."""
    # a short path: sockets lie in it
    with tempfile.TemporaryDirectory(prefix="qx") as directory, open_vswitch(Path(directory) / "r") as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """With a failure comes what QEMU and libvirtd said: who died of what is written nowhere else."""
    report = yield
    host = getattr(item, "funcargs", {}).get("libvirt_host")
    if report.failed and host is not None:
        report.sections += host.last_words()
    return report
