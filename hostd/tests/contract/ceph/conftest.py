"""One Ceph for all tests of this folder, whose names of volumes are their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_lab.ceph_cluster import CephCluster, running_ceph
from quantix_lab.ceph_pools import add_fast_pool


@pytest.fixture(scope="package")
def ceph_cluster() -> Iterator[CephCluster]:
    """With pool and user of StoragePool `fast`. Whoever takes an OSD away brings it back."""
    with tempfile.TemporaryDirectory(prefix="qx") as directory:
        with running_ceph(Path(directory), mgr=True) as cluster:
            add_fast_pool(cluster)
            yield cluster
