"""One cluster that h1 has joined, for all tests of this folder: control plane, operator, libvirt and hostd
take seconds to start. Tests keep apart by names of their own, and leave h1 as it was.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantix_lab.host_cluster import HostCluster
from quantix_lab.host_objects import joined_cluster


@pytest.fixture(scope="package")
def cluster() -> Iterator[HostCluster]:
    with joined_cluster() as running:
        yield running
