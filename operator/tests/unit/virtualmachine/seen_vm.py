"""A VM as the operator sees it, for tests of what it says of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from quantix_api import VirtualMachine
from quantix_api.vm_status import NicStatus
from quantix_operator.scheduling.eligible import Obstacle
from quantix_operator.scheduling.sizing import Sizing
from quantix_operator.virtualmachine.observed import Observed
from quantix_operator.virtualmachine.platform import HostPlatform
from quantix_operator.virtualmachine.ports import NicsResult
from quantix_operator.virtualmachine.protection import Standing
from quantix_operator.virtualmachine.status import Derived, Moment, derive_status
from quantix_operator.virtualmachine.volume_model import DiskWish, Missing, Surroundings, VolumeView

RAN = {"uuid": "6c1e0a52-7d6b-4a0a-9a53-0f5f0a3a1b77", "machineType": "pc-q35-7.2"}

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

NIC = NicStatus(name="eth0", port="uid-port", mac="02:00:00:00:00:01", addresses=("10.0.0.5",))

PORTS = NicsResult((NIC,), True, "AllReady", "All are ready.")

NO_NETWORK = NicsResult((), False, "NetworkNotFound", "There is no network lan here.")

ROOT = DiskWish("root", "web-1-root")

THERE = VolumeView("web-1-root", "uid-volume", "1", {}, vm_uid="uid-web-1", ready=True, reason="Available")

BEING_MADE = VolumeView("web-1-root", "uid-volume", "1", {}, vm_uid="uid-web-1", reason="Creating")

COPIED = replace(BEING_MADE, reason="Copying", message="debian is copied once h1 has ended others.")

NO_IMAGE = Missing("root", "ImageNotFound", {"image": "tiny", "name": "web-1"})

TAKEN = Obstacle("IdentityConflict", {"uuid": "u", "other": "VM default/elder"}, bars=True)

ASSIGNED = {"assignment": {"host": "h1", "epoch": 4}}

HEARD = {**ASSIGNED, "runtime": {"observedEpoch": 4}}

RUNNING = {**ASSIGNED, "runtime": {"observedEpoch": 4, "domain": "Present"}}

STANDING = Standing("h1")


def observed(
    status: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **more: Any
) -> Observed:
    live = {
        "metadata": {"name": "web-1", "namespace": "default", "uid": "uid-web-1", "generation": 3},
        "spec": spec or {},
        "status": status or {},
    }
    usual: dict[str, Any] = {
        "sizing": Sizing(2, 2, "2Gi", "2Gi"),
        "disks": (ROOT,),
        "volumes": {"web-1-root": THERE},
        "surroundings": Surroundings(default_pool="local"),
        "fleet": [HostPlatform("h1", machine_type="pc-q35-7.2")],
        "standing": STANDING if status and "host" in status.get("assignment", {}) else None,
        "nics": PORTS if status and "assignment" in status else None,
    }
    return Observed(vm=VirtualMachine.parse(live), live=live, **(usual | more))


def said(given: Observed, *, handed_s: float = 5.0, owns_ready: bool = False) -> Derived:
    return derive_status(given, Moment(NOW, 5.0, handed_s, owns_ready))


def conditions(derived: Derived) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["reason"]) for item in derived.status["conditions"]}
