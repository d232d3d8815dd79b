"""The operator's part of a Host: load, openness, silence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_api import Host
from quantix_api.facts import Fact, fact
from quantix_operator.host.status import Load, Observed, derive_status
from quantix_operator.scheduling.model import GIB

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MIB = 1 << 20
HEALTHY = {"type": "Ready", "status": "True", "reason": "Healthy"}
UNREACHABLE = {"type": "Ready", "status": "Unknown", "reason": "Unreachable", "message": "silent since 11:00"}


def said(
    ready: dict[str, str] | None = None,
    spec: dict[str, Any] | None = None,
    *,
    silent_s: float | None = 1.0,
    said_s: float | None = None,
    load: Load | None = None,
    blocked: Fact | None = None,
) -> dict[str, Any]:
    live = {
        "metadata": {"name": "h1", "generation": 2},
        "spec": spec or {},
        "status": {"conditions": [ready or HEALTHY]},
    }
    observed = Observed(Host.parse(live), live, load or Load(), blocked, silent_s, said_s)
    derived = derive_status(observed, NOW)
    assert derived.says_ready == ("phase" in derived.status)
    return derived.status


def reasons(status: dict[str, Any]) -> dict[str, str]:
    return {item["type"]: item["reason"] for item in status["conditions"]}


CASES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a healthy host is open": (said(), {"Schedulable": "Open"}),
    "a joining host is not": (
        said({"type": "Ready", "status": "False", "reason": "Joining"}),
        {"Schedulable": "NotReady"},
    ),
    "a cordoned host": (said(spec={"unschedulable": True}), {"Schedulable": "Cordoned"}),
    "an empty host in maintenance": (
        said(spec={"maintenance": True}),
        {"Schedulable": "Maintenance", "Drained": "Empty"},
    ),
    "a host in maintenance that a VM does not leave": (
        said(
            spec={"maintenance": True},
            load=Load(2),
            blocked=fact("Drained", "False", "Blocked", name="web-1", why="It has a device"),
        ),
        {"Schedulable": "Maintenance", "Drained": "Blocked"},
    ),
    "a silent host in maintenance, whose VMs are still asked to move": (
        said(spec={"maintenance": True}, load=Load(2), silent_s=9.0),
        {"Ready": "Unreachable", "Schedulable": "Maintenance", "Drained": "Blocked"},
    ),
    "a host in maintenance that a VM is still on its way to": (
        said(spec={"maintenance": True}, load=Load(0, awaits=True)),
        {"Schedulable": "Maintenance", "Drained": "Draining"},
    ),
    "a host that is being emptied": (
        said(spec={"maintenance": True}, load=Load(1)),
        {"Schedulable": "Maintenance", "Drained": "Draining"},
    ),
    "a silence that is not long enough": (said(silent_s=8.0), {"Schedulable": "Open"}),
    "a silent host": (said(silent_s=8.1), {"Ready": "Unreachable", "Schedulable": "NotReady"}),
    "a silence that nobody can judge": (said(silent_s=None), {"Schedulable": "Open"}),
    "a silent host that speaks is not contradicted at once": (
        said(silent_s=9.0, said_s=0.5),
        {"Schedulable": "Open"},
    ),
    "a silent host that spoke once and no more": (
        said(silent_s=20.0, said_s=8.5),
        {"Ready": "Unreachable", "Schedulable": "NotReady"},
    ),
    "a host that beats again but has not spoken": (
        said(UNREACHABLE, silent_s=0.5),
        {"Ready": "Unreachable", "Schedulable": "NotReady"},
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_conditions(case: str) -> None:
    status, expected = CASES[case]
    assert reasons(status) == expected


def test_since_when_it_is_silent_is_said_once() -> None:
    (ready,) = [item for item in said(UNREACHABLE, silent_s=99.0)["conditions"] if item["type"] == "Ready"]
    assert ready["message"] == "silent since 11:00"


def test_of_a_silent_host_in_maintenance_is_told_why_nothing_leaves_it() -> None:
    status = said(spec={"maintenance": True}, load=Load(2), silent_s=9.0)
    (drained,) = [item for item in status["conditions"] if item["type"] == "Drained"]
    assert drained["message"].startswith("It has been silent since 12:00:00 UTC, so no VM leaves it: ")
    assert "stop" not in drained["message"]


def test_load_is_told() -> None:
    status = said(load=Load(2, cpus=3, memory_bytes=2 * GIB + 68 * MIB))
    assert (status["allocated"], status["virtualMachines"]) == ({"cpus": 3, "memory": "2116Mi"}, 2)
    assert said()["allocated"] == {"cpus": 0, "memory": "0"}
