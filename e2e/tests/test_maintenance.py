"""A host is emptied for work on it as a person does it: first it is asked what would happen."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from quantix_api.conditions import condition_of
from quantix_api.host_plan import HostPlan
from quantix_lab.lab import Lab
from quantix_lab.machine_view import MachineView
from quantix_lab.vm_manifests import small_vm

pytestmark = pytest.mark.usefixtures("audited")
HOST = "h2"
WISHES = {"leaves": "Migrate", "rests": "Stop", "stays": "Block"}
"""What each VM does in maintenance of its host."""


@pytest.fixture
def view(lab: Lab) -> Iterator[MachineView]:
    """The VMs run on the host; nothing but their disks holds them there."""
    view = MachineView(lab.first)
    for name, wish in WISHES.items():
        placement = {"hostSelector": {"quantix.io/host": HOST}}
        migration = {"onMaintenance": wish}
        view.apply(small_vm(name, placement=placement, migration=migration, nics=[], gracePeriodSeconds=0))
    for name in WISHES:
        view.wait_ready(name, reason="Running", timeout_s=120)
        view.patch("virtualmachine", name, {"spec": {"placement": {"hostSelector": None}}})
    yield view
    view.patch("host", HOST, {"spec": {"maintenance": False}}, namespace="")
    view.machine.kubectl("delete", "vm", *WISHES, "--timeout=60s", timeout_s=90)


def on_host(view: MachineView) -> set[str]:
    listed = view.machine.kubectl(
        "get", "vm", "--field-selector", f"status.assignment.host={HOST}", "-o", "name"
    )
    return {line.rpartition("/")[2] for line in listed.stdout.split()} & WISHES.keys()


def test_a_host_is_emptied_as_planned_and_taken_back(view: MachineView, lab: Lab) -> None:
    asked = view.machine.qx("plan", "maintenance", HOST, "-o", "json", check=False)
    assert asked.returncode == 3, asked.stderr
    plan = HostPlan.parse(json.loads(asked.stdout))
    would = {move.name: move for move in plan.moves}
    assert {name: would[name].action for name in ("leaves", "rests")} == {
        "leaves": "Migrate",
        "rests": "Stop",
    }
    assert would["rests"].to is None, "its disk lies there"
    assert "stays" in {misfit.name for misfit in plan.misfits}
    first = view.machine.qx("host", "drain", HOST, check=False, timeout_s=240)
    assert first.returncode == 1, first.stderr
    assert "leaves moved to" in first.stderr
    assert "stays" in first.stderr
    assert on_host(view) == {"stays"}
    moved = view.get("virtualmachine", "leaves")
    assert moved["status"]["assignment"]["host"] == would["leaves"].to
    assert condition_of(view.get("host", HOST, namespace=""), "Drained")["reason"] == "Blocked"

    view.patch("virtualmachine", "stays", {"spec": {"migration": {"onMaintenance": "Migrate"}}})
    view.machine.qx("host", "drain", HOST, timeout_s=240)
    assert on_host(view) == set()
    assert lab.hosts[1].run("pgrep", "-f", "qemu-system.*guest=qx-", check=False).stdout == ""
    assert condition_of(view.get("host", HOST, namespace=""), "Drained")["reason"] == "Empty"

    view.machine.qx("host", "resume", HOST)
    # its disk lies there
    view.wait_ready("rests", reason="Running", timeout_s=90)
    assert on_host(view) == {"rests"}
