"""How a Host is read: what of it may be promised."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Host, SchedulingPolicy
from quantix_operator.scheduling import host_reading
from quantix_operator.scheduling.model import GIB

MIB = 1 << 20

PROMISES: dict[str, tuple[dict[str, Any], str, int]] = {
    "a sixteenth stays the host's": ({}, "64Gi", 60 * GIB),
    "at least half a GiB": ({}, "2Gi", 2 * GIB - 512 * MIB),
    "at most eight": ({}, "1Ti", 1024 * GIB - 8 * GIB),
    "what is reserved": ({"reserved": {"memory": "4Gi"}}, "64Gi", 60 * GIB),
    "what is overcommitted": (
        {"reserved": {"memory": "4Gi"}, "overcommit": {"memoryPercent": 150}},
        "64Gi",
        90 * GIB,
    ),
    "nothing is known yet": ({}, "", 0),
}


@pytest.mark.parametrize("case", PROMISES, ids=str)
def test_memory_that_may_be_promised(case: str) -> None:
    spec, memory, promised = PROMISES[case]
    status = {"memory": memory} if memory else {}
    host = Host.parse({"metadata": {"name": "h1"}, "spec": spec, "status": status})
    assert host_reading.promised_memory_bytes(host, host_reading.overcommit(host, None)) == promised


def test_every_host_has_labels_that_nobody_can_write_otherwise() -> None:
    own = {"zone": "a", "quantix.io/host": "h2", "quantix.io/cpu-vendor": "other"}
    status = {"arch": "x86_64", "cpuVendor": "GenuineIntel"}
    host = Host.parse({"metadata": {"name": "h1", "labels": own}, "spec": {}, "status": status})
    assert host_reading.implied_labels(host) == {
        "zone": "a",
        "quantix.io/host": "h1",
        "quantix.io/arch": "x86_64",
        "quantix.io/cpu-vendor": "GenuineIntel",
    }


def test_a_policy_counts_where_the_host_says_nothing() -> None:
    policy = SchedulingPolicy.parse(
        {"metadata": {"name": "default"}, "spec": {"overcommit": {"cpuPercent": 200}}}
    )
    host = Host.parse({"metadata": {"name": "h1"}, "spec": {}})
    own = Host.parse({"metadata": {"name": "h1"}, "spec": {"overcommit": {"cpuPercent": 100}}})
    assert host_reading.overcommit(host, policy).cpu_percent == 200
    assert host_reading.overcommit(own, policy).cpu_percent == 100
    assert host_reading.overcommit(host, None).cpu_percent == 400
