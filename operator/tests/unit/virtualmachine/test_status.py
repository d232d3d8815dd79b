"""What the operator says of a VM, and when it leaves the word to hostd."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_api.vm_status import NicStatus
from quantix_operator.scheduling.eligible import Obstacle
from quantix_operator.scheduling.sizing import Sizing
from quantix_operator.virtualmachine.deletion import is_absent, plan_release, still_attached
from quantix_operator.virtualmachine.observed import Observed
from quantix_operator.virtualmachine.platform import HostPlatform
from quantix_operator.virtualmachine.ports import NicsResult
from quantix_operator.virtualmachine.protection import Standing, protection_facts
from quantix_operator.virtualmachine.status import Derived, Moment, derive_status
from quantix_operator.virtualmachine.volume_plan import DiskWish, Missing, Surroundings, VolumeView

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NIC = NicStatus(name="eth0", port="uid-port", mac="02:00:00:00:00:01", addresses=("10.0.0.5",))
PORTS = NicsResult((NIC,), True, "AllReady", "All are ready.")
NO_NETWORK = NicsResult((), False, "NetworkNotFound", "There is no network lan here.")
ROOT = DiskWish("root", "web-1-root")
THERE = VolumeView("web-1-root", "uid-volume", "1", {}, vm_uid="uid-web-1", ready=True, reason="Available")
BEING_MADE = VolumeView("web-1-root", "uid-volume", "1", {}, vm_uid="uid-web-1", reason="Creating")
COPIED = replace(BEING_MADE, reason="Copying", message="debian is copied once h1 has ended others.")
NO_IMAGE = Missing("root", "ImageNotFound", {"image": "tiny"})
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


READY_CASES: dict[str, tuple[Observed, str, tuple[str, str]]] = {
    "a stopped VM is as asked": (observed({}, {"powerState": "Stopped"}), "Stopped", ("True", "Stopped")),
    "a VM without a host waits to be looked at": (observed(), "Pending", ("Unknown", "Pending")),
    "a refusal of the scheduler is repeated": (
        observed(
            {"conditions": [{"type": "Scheduled", "status": "False", "reason": "NoHostFits", "message": "m"}]}
        ),
        "Pending",
        ("False", "NoHostFits"),
    ),
    "a missing source comes before the scheduler's word": (
        observed(volumes={}, surroundings=Surroundings({"root": NO_IMAGE}, "local")),
        "Pending",
        ("False", "ImageNotFound"),
    ),
    "a missing instance type comes first": (
        observed(sizing=None, obstacle=Obstacle("InstanceTypeNotFound", {"name": "small"})),
        "Pending",
        ("False", "InstanceTypeNotFound"),
    ),
    "a guest that powered itself off": (
        observed({"assignment": {"epoch": 5, "hold": "GuestShutdown"}}),
        "Stopped",
        ("False", "GuestShutdown"),
    ),
    "a guest that powered itself off, was asked to start and waits for room": (
        observed(
            {
                "assignment": {"epoch": 5, "hold": "GuestShutdown"},
                "conditions": [{"type": "Scheduled", "status": "False", "reason": "NotEnoughMemory"}],
            }
        ),
        "Pending",
        ("False", "NotEnoughMemory"),
    ),
    "a host that is not heard": (
        observed(RUNNING, host_lost="12:00:00 UTC"),
        "Unknown",
        ("Unknown", "HostUnreachable"),
    ),
    "a volume that is being made": (
        observed(ASSIGNED, volumes={"web-1-root": BEING_MADE}),
        "Pending",
        ("False", "Creating"),
    ),
    "a volume that waits for its turn to be copied": (
        observed(ASSIGNED, volumes={"web-1-root": COPIED}),
        "Pending",
        ("False", "Copying"),
    ),
    "a network that is missing": (
        observed(ASSIGNED, nics=NO_NETWORK),
        "Pending",
        ("False", "NetworkNotFound"),
    ),
    "a network that is missing before there is a host": (
        observed(nics=NO_NETWORK),
        "Pending",
        ("False", "NetworkNotFound"),
    ),
    "a missing source comes before a missing network": (
        observed(volumes={}, surroundings=Surroundings({"root": NO_IMAGE}, "local"), nics=NO_NETWORK),
        "Pending",
        ("False", "ImageNotFound"),
    ),
    "a host that has not started it yet": (observed(ASSIGNED), "Starting", ("False", "Starting")),
}


@pytest.mark.parametrize("case", READY_CASES, ids=str)
def test_ready(case: str) -> None:
    given, phase, ready = READY_CASES[case]
    derived = said(given)
    assert (derived.status["phase"], conditions(derived)["Ready"]) == (phase, ready)
    assert derived.status["observedGeneration"] == 3


@pytest.mark.parametrize("status", [HEARD, RUNNING], ids=["heard", "running"])
def test_ready_is_hostds_once_it_acts_on_the_assignment(status: dict[str, Any]) -> None:
    derived = said(observed(status), owns_ready=True)
    assert "Ready" not in conditions(derived)
    assert not {"phase", "observedGeneration"} & set(derived.status)


def test_an_older_assignment_that_hostd_acted_on_does_not_count() -> None:
    status = {"assignment": {"host": "h1", "epoch": 5}, "runtime": {"observedEpoch": 4, "domain": "Absent"}}
    assert conditions(said(observed(status)))["Ready"] == ("False", "Starting")


def test_a_start_without_a_wait_is_one_write_without_ready() -> None:
    derived = said(observed(ASSIGNED, {"disks": [{"name": "root"}]}), handed_s=0.1)
    assert derived.complete
    assert set(conditions(derived)) == {
        "VolumesReady",
        "NetworkReady",
        "Protected",
        "Migratable",
        "PlacementOK",
    }
    assert derived.status["resolved"]["disks"] == [
        {"name": "root", "volume": "web-1-root", "volumeUID": "uid-volume"}
    ]
    assert derived.status["nics"][0]["addresses"] == ["10.0.0.5"]


def test_what_was_said_of_ready_is_said_until_hostd_has_it() -> None:
    derived = said(observed(ASSIGNED), handed_s=0.1, owns_ready=True)
    assert conditions(derived)["Ready"] == ("False", "Starting")
    assert "Reconciling" not in conditions(derived)


def test_nothing_is_made_or_resolved_for_a_vm_whose_uuid_is_anothers() -> None:
    conflict = Obstacle("IdentityConflict", {"uuid": "u", "other": "VM default/elder"}, bars=True)
    given = observed(volumes={}, obstacle=conflict)
    assert given.barred
    assert conditions(said(given))["Stalled"] == ("True", "IdentityConflict")
    assert "resolved" not in said(observed(ASSIGNED, obstacle=conflict)).status


def test_a_running_vm_whose_uuid_is_anothers_is_left_as_it_is() -> None:
    conflict = Obstacle("IdentityConflict", {"uuid": "u", "other": "VM default/elder"}, bars=True)
    given = observed({**RUNNING, "resolved": {"cores": 7}}, obstacle=conflict)
    assert not given.barred
    assert said(given).status["resolved"] == {"cores": 7}
    assert "Ready" not in conditions(said(given))


def test_values_are_resolved_only_when_all_is_there() -> None:
    assert "resolved" not in said(observed(ASSIGNED, nics=NO_NETWORK)).status
    assert "resolved" not in said(observed(ASSIGNED, volumes={"web-1-root": BEING_MADE})).status


def test_a_running_vm_keeps_its_values_while_its_network_is_away() -> None:
    status = {**RUNNING, "resolved": {"cores": 7}}
    assert said(observed(status, nics=NO_NETWORK)).status["resolved"] == {"cores": 7}


def test_a_stopped_vm_keeps_values_and_ports() -> None:
    status = {
        "assignment": {"epoch": 5},
        "resolved": {"machineType": "pc-q35-7.2"},
        "nics": [{"name": "eth0", "mac": "02:00:00:00:00:01"}],
    }
    derived = said(observed(status, {"powerState": "Stopped"}, nics=None))
    assert derived.status["resolved"] == {"machineType": "pc-q35-7.2"}
    assert derived.status["nics"] == [{"name": "eth0", "mac": "02:00:00:00:00:01"}]


def test_kstatus_sees_waits_and_dead_ends() -> None:
    waiting = conditions(said(observed(ASSIGNED, nics=NO_NETWORK)))
    assert waiting["Reconciling"] == ("True", "NetworkNotFound")
    conflict = Missing("root", "VolumeConflict", {"volume": "web-1-root", "source": "image other"})
    surroundings = Surroundings({"root": conflict}, "local")
    stalled = conditions(said(observed(volumes={}, surroundings=surroundings)))
    assert stalled["Stalled"] == ("True", "VolumeConflict")
    assert "Reconciling" not in stalled


def test_saying_the_same_again_changes_nothing() -> None:
    first = said(observed(ASSIGNED, nics=NO_NETWORK)).status
    again = derive_status(
        observed({**ASSIGNED, **first}, nics=NO_NETWORK),
        Moment(datetime(2027, 1, 1, tzinfo=UTC), 9.0, 0.0, owns_ready=True),
    )
    assert again.status == first


PROTECTION_CASES: dict[str, tuple[dict[str, Any], Standing, tuple[str, str, str]]] = {
    "one host": ({}, STANDING, ("NoOtherHost", "NoOtherHost", "AsAsked")),
    "a disk on this host only": (
        {},
        Standing("h1", other_hosts=1, local_disk="root"),
        ("LocalStorage", "Migratable", "AsAsked"),
    ),
    "a setting": (
        {"ha": {"restart": "Never"}, "migration": {"onMaintenance": "Block"}},
        Standing("h1", other_hosts=1),
        ("PolicyNever", "PolicyBlock", "AsAsked"),
    ),
    "a medium and a passed-through CPU": (
        {"cpu": {"model": "HostPassthrough"}},
        Standing("h1", other_hosts=1, local_medium="install", selector_broken=True),
        ("NoFencing", "CPUPassthrough", "SelectorBroken"),
    ),
    "a neighbour": (
        {},
        Standing("h1", other_hosts=1, local_medium="install", broken_anti_affinity=("web-2",)),
        ("NoFencing", "LocalMedium", "AntiAffinityBroken"),
    ),
}


@pytest.mark.parametrize("case", PROTECTION_CASES, ids=str)
def test_protection(case: str) -> None:
    spec, standing, reasons = PROTECTION_CASES[case]
    assert tuple(item.reason for item in protection_facts(observed({}, spec).vm, standing)) == reasons


ABSENT_CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "never assigned": ({}, True),
    "without a host": ({"assignment": {"epoch": 5}}, True),
    "on a host that has not said": (ASSIGNED, False),
    "running": (RUNNING, False),
    "released under this assignment": (
        {**ASSIGNED, "runtime": {"observedEpoch": 4, "domain": "Absent"}},
        True,
    ),
    "released under an older assignment": (
        {**ASSIGNED, "runtime": {"observedEpoch": 3, "domain": "Absent"}},
        False,
    ),
}


@pytest.mark.parametrize("case", ABSENT_CASES, ids=str)
def test_nothing_is_left_of_a_vm(case: str) -> None:
    status, absent = ABSENT_CASES[case]
    assert is_absent(observed(status).vm) is absent


def test_a_deletion_lets_go_of_its_volumes_but_leaves_the_owner_reference() -> None:
    foreign = VolumeView("other", "uid-other", "1", {}, attached_to=frozenset({"uid-web-1"}))
    volumes = {"web-1-root": THERE, "other": foreign}
    (release,) = plan_release(observed().vm, volumes)
    assert release.name == "web-1-root"
    assert "ownerReferences" not in release.patch["metadata"]
    assert still_attached(observed().vm, volumes) == ("other",)
