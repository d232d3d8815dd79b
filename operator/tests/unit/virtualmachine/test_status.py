"""What the operator says of a VM, and when it leaves the word to hostd."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_operator.host.load import Figure, amounts
from quantix_operator.scheduling.eligible import Obstacle
from quantix_operator.scheduling.sizing import Sizing
from quantix_operator.scheduling.sizing import given as given_size
from quantix_operator.virtualmachine.observed import Observed
from quantix_operator.virtualmachine.status import Moment, derive_status
from quantix_operator.virtualmachine.volume_model import DiskWish, Missing, Surroundings, VolumeView

from .seen_vm import (
    ASSIGNED,
    BEING_MADE,
    COPIED,
    HEARD,
    NO_IMAGE,
    NO_NETWORK,
    PORTS,
    RAN,
    ROOT,
    RUNNING,
    TAKEN,
    THERE,
    conditions,
    observed,
    said,
)

ON_A_SILENT_HOST = replace(
    BEING_MADE,
    reason="HostUnreachable",
    message="web-1-root is on h1, which has been silent since 12:00:00 UTC.",
)


def test_of_a_vm_whose_host_is_silent_nobody_says_that_its_volumes_are_being_made() -> None:
    volumes = {"web-1-root": ON_A_SILENT_HOST}
    derived = said(observed(RUNNING, host_lost="12:00:00 UTC", volumes=volumes))
    assert conditions(derived)["VolumesReady"] == ("False", "HostUnreachable")


def test_what_is_refused_leaves_a_vm_what_it_was_granted() -> None:
    has = {**RAN, "cores": 2, "memory": "2Gi", "granted": {"hugepages": "2Mi"}}
    asks = Sizing(2, 2, "4Gi", "4Gi", dedicated=True, devices=(("gpu0", "gpu"),))
    said_why = {"host": "h1", "device": "gpu", "why": "none is offered", "name": "web-1"}
    lacks = Obstacle("DeviceUnavailable", said_why)
    derived = said(observed({**RUNNING, "resolved": has}, sizing=asks, no_room=lacks))
    assert conditions(derived)["SizeGranted"] == ("False", "DeviceUnavailable")
    resolved = derived.status["resolved"]
    assert (resolved["granted"], resolved["memory"]) == ({"hugepages": "2Mi"}, "2Gi")
    granted = said(observed({**RUNNING, "resolved": has}, sizing=asks)).status["resolved"]["granted"]
    assert granted == {"dedicated": True, "hostDevices": [{"name": "gpu0", "class": "gpu"}]}


def test_a_guest_that_runs_keeps_what_it_has_while_its_new_type_is_not_there() -> None:
    of_type = {"name": "small", "cpu": {"weight": 50}, "memory": {}}
    has = {**RAN, "cores": 2, "memory": "2Gi", "ofType": of_type}
    lack = Obstacle("InstanceTypeNotFound", {"missing": "nope"})
    spec = {"instanceType": "nope", "disks": [{"name": "root"}]}
    derived = said(observed({**RUNNING, "resolved": has}, spec, sizing=None, no_room=lack))
    assert conditions(derived)["SizeGranted"] == ("False", "InstanceTypeNotFound")
    resolved = derived.status["resolved"]
    assert (resolved["cores"], resolved["memory"], resolved["ofType"]) == (2, "2Gi", of_type)
    assert resolved["generation"] == observed().vm.metadata.generation, "nothing else waits for it"


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
    "a guest that powered itself off, and a spec that the scheduler has not seen": (
        observed(
            {
                "assignment": {"epoch": 5, "hold": "GuestShutdown"},
                "conditions": [
                    {"type": "Scheduled", "status": "False", "reason": "Held", "observedGeneration": 2}
                ],
            }
        ),
        "Pending",
        ("Unknown", "Pending"),
    ),
    "a guest that powered itself off, a spec that the scheduler has not seen, and no image": (
        observed(
            {
                "assignment": {"epoch": 5, "hold": "GuestShutdown"},
                "conditions": [
                    {"type": "Scheduled", "status": "False", "reason": "Held", "observedGeneration": 2}
                ],
            },
            volumes={},
            surroundings=Surroundings({"root": NO_IMAGE}, "local"),
        ),
        "Pending",
        ("False", "ImageNotFound"),
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
    "a volume on a host that is not heard": (
        observed(ASSIGNED, volumes={"web-1-root": ON_A_SILENT_HOST}),
        "Pending",
        ("False", "HostUnreachable"),
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
    given = observed(volumes={}, obstacle=TAKEN)
    assert given.barred
    assert conditions(said(given))["Stalled"] == ("True", "IdentityConflict")
    assert "resolved" not in said(observed(ASSIGNED, obstacle=TAKEN)).status


def test_an_address_outside_its_network_is_waited_for_by_nobody() -> None:
    wrong = replace(NO_NETWORK, reason="AddressOutsideSubnet", message="10.1.0.9 is not in default.")
    told = conditions(said(observed(ASSIGNED, nics=wrong)))
    assert (told["Ready"], told["Stalled"]) == (
        ("False", "AddressOutsideSubnet"),
        ("True", "AddressOutsideSubnet"),
    )
    assert "Reconciling" not in told


def test_a_running_vm_whose_uuid_is_anothers_is_left_as_it_is() -> None:
    given = observed({**RUNNING, "resolved": {**RAN, "cores": 7}}, obstacle=TAKEN)
    assert not given.barred
    assert said(given).status["resolved"] == {**RAN, "cores": 7}
    assert "Ready" not in conditions(said(given))


def test_what_was_resolved_says_of_which_generation() -> None:
    given = {**RUNNING, "resolved": {**RAN, "generation": 2}}
    assert said(observed(given)).status["resolved"]["generation"] == 3
    # nothing of the change is known yet, whatever the conditions say
    assert said(observed(given, obstacle=TAKEN)).status["resolved"]["generation"] == 2


def test_a_vm_without_a_host_shows_its_size_as_it_is_now_unless_it_ran_before() -> None:
    for given in (observed(volumes={"web-1-root": BEING_MADE}), observed({"resolved": {"cores": 1}})):
        assert said(given).status["resolved"] == {"cores": 2, "memory": "2Gi"}
    assert "resolved" not in said(observed(sizing=None)).status
    assert said(observed({"resolved": RAN})).status["resolved"] == RAN


NO_SECRET = Obstacle(
    "SecretNotFound", {"name": "web", "key": "k", "path": "spec.cloudInit.userDataSecretRef"}
)


def test_a_secret_that_is_missing_is_left_to_the_host_that_reads_it() -> None:
    derived = said(observed(HEARD, obstacle=NO_SECRET))
    assert derived.complete
    assert derived.status["resolved"]["uuid"] == "uid-web-1"
    assert "Ready" not in conditions(derived)
    silent = said(observed(ASSIGNED, obstacle=NO_SECRET))
    assert conditions(silent)["Ready"] == ("False", "SecretNotFound")


@pytest.mark.parametrize(
    "obstacle",
    [
        Obstacle("InstanceTypeNotFound", {"name": "small"}),
        Obstacle("ConfigRefused", {"cores": "3", "layout": "2 sockets × 1 thread"}, bars=True),
    ],
    ids=lambda found: found.reason,
)
def test_what_bars_a_vm_that_its_host_has_heard_of_is_said_beside_ready(obstacle: Obstacle) -> None:
    told = conditions(said(observed(HEARD, obstacle=obstacle)))
    assert told["SizeGranted"] == ("False", obstacle.reason)
    assert "Ready" not in told
    for status in (ASSIGNED, RUNNING):
        assert "SizeGranted" not in conditions(said(observed(status, obstacle=obstacle)))


def test_values_are_resolved_only_when_all_is_there() -> None:
    for lacks in ({"nics": NO_NETWORK}, {"volumes": {"web-1-root": BEING_MADE}}):
        assert said(observed(ASSIGNED, **lacks)).status["resolved"] == {"cores": 2, "memory": "2Gi"}


def test_a_host_counts_a_vm_that_waits_on_it_as_the_scheduler_does() -> None:
    waits = observed(HEARD, nics=NO_NETWORK)
    told = VirtualMachine.parse({**waits.live, "status": {**HEARD, **said(waits).status}})
    assert amounts(told)[Figure.CPUS, "h1"] == 2
    wants = Sizing(3, 3, "2Gi", "2Gi", dedicated=True)
    assert given_size(told, wants) == wants, "nothing was decided yet"


def test_a_vm_that_is_to_start_keeps_its_values_while_its_network_is_away() -> None:
    status = {**HEARD, "resolved": {**RAN, "cores": 7}}
    assert said(observed(status, nics=NO_NETWORK)).status["resolved"] == {**RAN, "cores": 7}


SPEC = {
    "disks": [{"name": "root"}, {"name": "data", "volume": "data"}],
    "nics": [{"name": "eth0", "network": "lan"}, {"name": "eth1", "network": "nope"}],
}

DATA = DiskWish("data", "", volume="data")

DATA_THERE = VolumeView(
    "data", "uid-data", "1", {}, attached_to=frozenset({"uid-web-1"}), ready=True, reason="Available"
)

NO_ETH1 = replace(PORTS, ready=False, reason="NetworkNotFound", waiting=frozenset({"eth1"}))

GAVE: dict[str, Any] = {
    **RAN,
    "cores": 1,
    "memory": "1Gi",
    "devices": [{"name": "root", "port": 1}],
    "disks": [{"name": "root", "volume": "web-1-root", "volumeUID": "uid-volume"}],
}


def resolved(volumes: dict[str, VolumeView], **more: Any) -> tuple[int, list[str], list[str]]:
    """Of a VM that runs, to which a disk and two NICs came: cores, names of devices, UIDs of volumes."""
    status = {**RUNNING, "resolved": {**GAVE, **more}}
    given = observed(status, SPEC, disks=(ROOT, DATA), volumes={"web-1-root": THERE, **volumes}, nics=NO_ETH1)
    found = said(given).status["resolved"]
    uids = [disk["volumeUID"] for disk in found["disks"]]
    return found["cores"], [device["name"] for device in found["devices"]], uids


def test_a_guest_that_runs_gets_what_is_there_while_other_devices_wait() -> None:
    assert resolved({"data": DATA_THERE}) == (2, ["root", "data", "eth0"], ["uid-volume", "uid-data"])
    for volumes in ({}, {"data": replace(DATA_THERE, ready=False)}):
        assert resolved(volumes) == (2, ["root", "eth0"], ["uid-volume"])


def test_a_disk_of_a_guest_stays_resolved_while_its_volume_is_not_there() -> None:
    disks = [*GAVE["disks"], {"name": "data", "volume": "old", "volumeUID": "uid-old"}]
    assert resolved({}, disks=disks)[2] == ["uid-volume", "uid-old"]
    assert resolved({"data": DATA_THERE}, disks=disks)[2] == ["uid-volume", "uid-data"]


def test_a_stopped_vm_keeps_values_and_ports() -> None:
    kept = {"resolved": RAN, "nics": [{"name": "eth0", "mac": "02:00:00:00:00:01"}]}
    derived = said(observed({"assignment": {"epoch": 5}, **kept}, {"powerState": "Stopped"}, nics=None))
    assert {name: derived.status[name] for name in kept} == kept


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
