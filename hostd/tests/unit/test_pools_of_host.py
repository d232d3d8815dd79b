"""Which pools are a host's: those whose selector means it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quantix_api.layout import Layout
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.pools import HostPools

BOX: dict[str, Any] = {
    "metadata": {"name": "box", "labels": {"zone": "a"}},
    "spec": {},
    "status": {"arch": "x86_64", "cpuVendor": "GenuineIntel"},
}


@pytest.mark.parametrize(
    ("selector", "ours"),
    [
        ({}, True),
        ({"zone": "a"}, True),
        ({"zone": "b"}, False),
        ({"quantix.io/host": "box", "quantix.io/arch": "x86_64"}, True),
        ({"quantix.io/cpu-vendor": "AuthenticAMD"}, False),
    ],
)
def test_a_selector_means_hosts_by_their_own_labels_and_those_that_all_have(
    selector: dict[str, str], ours: bool, tmp_path: Path
) -> None:
    pool = {
        "metadata": {"name": "big", "uid": "pool-1", "creationTimestamp": "2026-11-29T10:00:00Z"},
        "spec": {"dir": {"path": str(tmp_path)}, "hostSelector": selector},
    }
    pools = HostPools({"big": pool}, {"box": BOX}, "box", Layout(tmp_path), FileOwner.current())
    assert [found.metadata.name for found in pools.reached()] == (["big"] if ours else [])
