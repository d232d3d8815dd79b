"""Who starts when: a VM after those that it names, and many at once."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter
from datetime import datetime

import pytest

from quantix_api.conditions import condition_of
from quantix_api.times import parse_time
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.vm_manifests import small_vm
from quantix_lab.waiting import wait_for

BURST = "burst"
BURST_S = 10.0
"""A VM, on two cores that emulate them all and are busy."""
SMALL = {
    "cpu": {"cores": 1, "reservation": "10m"},
    "memory": {"size": "64Mi"},
    "gracePeriodSeconds": 0,
}
ON_ITS_WAY = {"nothing yet", "Pending", "Creating", "Programming", "Starting", "Running"}


def since(vm: Manifest, kind: str) -> datetime:
    """When a condition came to its status."""
    return parse_time(condition_of(vm, kind)["lastTransitionTime"])


def test_a_vm_starts_once_the_one_that_it_names_is_ready(view: MachineView) -> None:
    ha = {"after": ["leader"], "afterTimeoutSeconds": 600}
    view.apply(small_vm("follower", ha=ha, gracePeriodSeconds=0))
    waits = view.wait_reason("virtualmachine", "follower", "WaitingForDependency")
    assert "It waits for leader (not there) to be Ready, and starts without at " in waits["message"]
    assert view.qemus(view.get("virtualmachine", "follower")["metadata"]["uid"]) == []
    view.apply(small_vm("leader", readiness={"tcpPort": 22}, gracePeriodSeconds=0))
    follower = view.wait_ready("follower", reason="Running")
    leader = view.get("virtualmachine", "leader")
    assert since(follower, "Scheduled") >= since(leader, "Ready")
    assert "StartedWithout" not in " ".join(view.events("follower"))
    view.machine.kubectl("delete", "vm", "leader", "follower", "--timeout=60s", timeout_s=90)


@pytest.mark.parametrize("count", [8, pytest.param(50, marks=pytest.mark.soak)])
def test_many_that_start_at_once_all_run(
    view: MachineView, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{BURST}-{number}" for number in range(count)]
    began_s = time.monotonic()
    view.apply(*(small_vm(name, **SMALL) for name in names))
    took_s: dict[str, float] = {}
    wrong: Counter[str] = Counter()

    def look() -> tuple[bool, object]:
        for vm in burst(view):
            ready = condition_of(vm)
            reason = ready.get("reason", "nothing yet")
            if reason not in ON_ITS_WAY:
                wrong[f"{reason}: {ready['message']}"] += 1
            if reason == "Running":
                took_s.setdefault(vm["metadata"]["name"], time.monotonic() - began_s)
        return len(took_s) == count, f"{len(took_s)} run; seen beside: {wrong.most_common(5)}"

    wait_for(f"{count} VMs to run", look, BURST_S * count, 0.5)
    vms = burst(view)
    assert [vm["metadata"]["name"] for vm in vms if vm["status"]["runtime"].get("restarts")] == []
    assert len({vm["status"]["nics"][0]["addresses"][0] for vm in vms}) == count
    assert [len(view.qemus(vm["metadata"]["uid"])) for vm in vms] == [1] * count
    # those that waited said for what; nothing was refused and nothing went wrong
    assert not wrong, wrong.most_common()
    listed = view.machine.kubectl("get", "events.events.k8s.io", "-o", "json").stdout
    events = [item for item in json.loads(listed)["items"] if item["regarding"]["name"] in names]
    assert [item["note"] for item in events if item["type"] == "Warning"] == []
    with capsys.disabled():
        sys.stdout.write(figures(took_s))
    view.machine.kubectl("delete", "vm", *names, "--timeout=300s", timeout_s=320)


def burst(view: MachineView) -> list[Manifest]:
    listed = json.loads(view.machine.kubectl("get", "virtualmachines", "-o", "json").stdout)["items"]
    return [vm for vm in listed if vm["metadata"]["name"].startswith(f"{BURST}-")]


def figures(took_s: dict[str, float]) -> str:
    """How long after they were asked for the VMs ran, in a line."""
    times = sorted(took_s.values())
    late = times[int(len(times) * 0.95)]
    half = statistics.median(times)
    said = f"first {times[0]:.1f} s, half {half:.1f} s, 95 % {late:.1f} s, all {times[-1]:.1f} s"
    return f"\n{len(times)} VMs ran: {said}\n"
