"""The balancer on two hosts: what is recommended first is then done by one move."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_lab.lab import Lab
from quantix_lab.machine_view import MachineView
from quantix_lab.vm_manifests import small_vm
from quantix_lab.waiting import eventually

pytestmark = pytest.mark.usefixtures("audited")
NAMES = ("near-1", "near-2")
LABELS = {"app": "near"}
AWAY: dict[str, Any] = {"antiAffinity": [{"vmSelector": LABELS}], "hostSelector": None}


@pytest.fixture
def cluster(lab: Lab) -> Iterator[MachineView]:
    """With two VMs on one host that are to be on two."""
    view = MachineView(lab.first)
    view.patch("schedulingpolicy", "default", {"spec": {"balancer": {"mode": "Recommend"}}})
    for name in NAMES:
        disk = {"name": "root", "image": "shared/tiny", "reclaimPolicy": "Delete"}
        on_h1 = {"hostSelector": {"quantix.io/host": "h1"}}
        vm = small_vm(name, placement=on_h1, disks=[disk], nics=[], gracePeriodSeconds=0)
        vm["metadata"]["labels"] = LABELS
        view.apply(vm)
    for name in NAMES:
        view.wait_ready(name, reason="Running", timeout_s=90)
        view.patch("virtualmachine", name, {"spec": {"placement": AWAY}})
    yield view
    view.patch("schedulingpolicy", "default", {"spec": {"balancer": {"mode": "Recommend"}}})
    view.machine.kubectl("delete", "vm", *NAMES, "--timeout=60s", timeout_s=90)


def is_mended(view: MachineView) -> bool:
    vms = [view.get("virtualmachine", name) for name in NAMES]
    return all(condition_of(vm, "PlacementOK").get("reason") == "AsAsked" for vm in vms)


def test_two_that_are_too_near_are_recommended_apart_and_then_moved(cluster: MachineView) -> None:
    def reason() -> str:
        return str(condition_of(cluster.get("schedulingpolicy", "default"), "Balanced").get("reason"))

    eventually("the move to be recommended", lambda: reason() == "MovesRecommended", 30)
    said = cluster.machine.qx("plan", "balance", "-o", "json", check=False)
    assert said.returncode == 3, said.stderr
    (move,) = (item for item in json.loads(said.stdout)["moves"] if item["name"] in NAMES)
    assert (move["from"], move["to"], move["reason"]) == ("h1", "h2", "AntiAffinityBroken")
    cluster.patch("schedulingpolicy", "default", {"spec": {"balancer": {"mode": "Automatic"}}})
    eventually("the two to be apart", lambda: is_mended(cluster), 60)
    hosts = {cluster.get("virtualmachine", name)["status"]["assignment"]["host"] for name in NAMES}
    assert hosts == {"h1", "h2"}
    made = cluster.machine.kubectl("get", "vmm", "-l", "quantix.io/balancer", "-o", "json").stdout
    named = [item["spec"]["virtualMachine"] for item in json.loads(made)["items"]]
    assert [name for name in named if name in NAMES] == [move["name"]]
