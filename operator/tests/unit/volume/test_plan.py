"""What the operator says of a Volume: who has it, which host makes it, when it may go."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_operator.volume.plan import Claimant, Observed, Plan, TakeBack, plan_volume
from quantix_operator.volume.wishes import Growth

ELDER = Claimant("uid-1", "elder", ("2026-01-01", "uid-1"))
YOUNGER = Claimant("uid-2", "younger", ("2026-02-01", "uid-2"))
GONE = Claimant("uid-3", "gone", ("2025-01-01", "uid-3"), gone=True)
NO_ROOM = {"pool": "local", "available": "1 GiB", "wanted": "2 GiB"}
UPLOAD: dict[str, Any] = {"source": {"upload": {}}}


def planned(
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    *,
    deleting: bool = False,
    made_for: str = "",
    **more: Any,
) -> Plan:
    labels = {LABEL_VIRTUAL_MACHINE_UID: made_for} if made_for else {}
    metadata: dict[str, Any] = {"name": "data", "namespace": "default", "uid": "uid-data", "labels": labels}
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    volume = Volume.parse({"metadata": metadata, "spec": spec or {}, "status": status or {}})
    usual: dict[str, Any] = {"pool": "local", "place": "h1", "going": deleting}
    return plan_volume(Observed(volume, **(usual | more)))


def reason(plan: Plan) -> str:
    return plan.ready.reason if plan.ready else ""


PLACE_CASES: dict[str, tuple[Plan, str | None, str]] = {
    "a blank local volume of nobody waits for a VM": (planned(), None, "WaitingForHost"),
    "a blank volume of a shared pool is made at once": (planned(pool_is_shared=True), "h1", ""),
    "an upload needs a host": (planned(UPLOAD), "h1", ""),
    "what a VM attaches is made by that VM's host": (
        planned({"source": {"image": "tiny"}}, claimants=[ELDER]),
        None,
        "",
    ),
    "an upload needs a host before its VM has one": (planned(UPLOAD, claimants=[ELDER]), "h1", ""),
    "an upload comes to the host that its VM has": (
        planned(UPLOAD, claimants=[ELDER], assigned_host="h2"),
        None,
        "",
    ),
    "a missing source is waited for": (
        planned({"source": {"image": "tiny"}}, missing_source=("image", "tiny")),
        None,
        "SourceNotFound",
    ),
    "a missing pool is waited for": (planned({"pool": "fast"}, pool=""), None, "PoolNotFound"),
    "no default pool is waited for": (planned(pool=""), None, "PoolNotFound"),
    "a pool that no host reaches": (planned(UPLOAD, place=""), None, "PoolUnreachable"),
    "a pool without room gives it no host": (planned(UPLOAD, no_room=NO_ROOM), None, "PoolFull"),
    "a pool without room gives it to no VM": (
        planned(UPLOAD, no_room=NO_ROOM, claimants=[ELDER]),
        None,
        "PoolFull",
    ),
    "a host once given stays": (planned(UPLOAD, {"host": "h2"}), "h2", ""),
    "a host that is not heard": (
        planned(UPLOAD, {"host": "h2"}, host_lost="12:00:00 UTC"),
        "h2",
        "HostUnreachable",
    ),
    "a host that is not heard, of what every other host has, too": (
        planned(UPLOAD, {"host": "h2", "data": "Present"}, host_lost="12:00:00 UTC", pool_is_shared=True),
        "h2",
        "",
    ),
    "one made for a VM is left to that VM's host": (planned(UPLOAD, made_for_vm=True), None, ""),
    "of a VM that no host takes": (planned(made_for_vm=True, stranded="web-1"), None, "WaitingForHost"),
    "of a VM that is off and never had a host": (
        planned(made_for_vm=True, off="web-1"),
        None,
        "WaitingForHost",
    ),
    "attached by a VM that no host takes": (
        planned({"source": {"image": "tiny"}}, claimants=[ELDER], stranded="web-1"),
        None,
        "WaitingForHost",
    ),
    "an upload that such a VM attaches": (planned(UPLOAD, claimants=[ELDER], stranded="web-1"), "h1", ""),
    "data that is there waits for no host": (
        planned(status={"host": "h2"}, made_for_vm=True, stranded="web-1"),
        "h2",
        "",
    ),
}


def test_of_a_silent_host_is_told_which_one_it_is_and_since_when() -> None:
    (ready,) = filter(None, [planned(UPLOAD, {"host": "h2"}, host_lost="12:00:00 UTC").ready])
    assert ready.status == "Unknown"
    assert ready.message.startswith("data is on h2, which has been silent since 12:00:00 UTC. Try: ")


@pytest.mark.parametrize("case", PLACE_CASES, ids=str)
def test_place(case: str) -> None:
    plan, host, expected = PLACE_CASES[case]
    assert (plan.host, reason(plan)) == (host, expected)


def test_the_elder_gets_a_volume_for_one() -> None:
    assert planned(claimants=[YOUNGER, ELDER]).attached_to == (ELDER,)


def test_who_has_a_volume_keeps_it_from_the_elder() -> None:
    status = {"attachedTo": [{"uid": "uid-2", "name": "younger"}]}
    assert planned(status=status, claimants=[YOUNGER, ELDER]).attached_to == (YOUNGER,)


def test_a_vm_that_is_gone_has_it_no_more() -> None:
    status = {"attachedTo": [{"uid": "uid-3", "name": "gone"}]}
    assert planned(status=status, claimants=[GONE, YOUNGER]).attached_to == (YOUNGER,)


def test_a_volume_for_several_goes_to_all() -> None:
    assert planned({"accessMode": "ReadWriteMany"}, claimants=[YOUNGER, ELDER]).attached_to == (
        ELDER,
        YOUNGER,
    )


RELEASE_CASES: dict[str, tuple[Plan, bool]] = {
    "no host ever made it": (planned(deleting=True), True),
    "its data is still there": (planned(status={"host": "h1", "data": "Present"}, deleting=True), False),
    "a host has it and has not said": (planned(status={"host": "h1"}, deleting=True), False),
    "its data is gone": (planned(status={"host": "h1", "data": "Absent"}, deleting=True), True),
    "a VM still has it": (
        planned(
            status={"host": "h1", "data": "Absent", "attachedTo": [{"uid": ELDER.uid, "name": ELDER.name}]},
            deleting=True,
            claimants=[ELDER],
        ),
        False,
    ),
    "a VM names what it can have no more": (
        planned(status={"host": "h1", "data": "Absent"}, deleting=True, claimants=[ELDER]),
        True,
    ),
    "nobody deletes it": (planned(status={"host": "h1", "data": "Absent"}), False),
}


@pytest.mark.parametrize("case", RELEASE_CASES, ids=str)
def test_the_finalizer_goes(case: str) -> None:
    plan, release = RELEASE_CASES[case]
    assert plan.release is release


CONFIRMED_CASES: dict[str, tuple[Plan, str | None]] = {
    "the host that the scheduler chose": (planned(UPLOAD), "h1"),
    "one that kept it when its VM had gone": (planned(status={"host": "h2"}), "h2"),
    "not one that took it for a VM": (planned(status={"host": "h2"}, made_for_vm=True), None),
    "not one that took it for a VM that attaches it": (
        planned(status={"host": "h2", "attachedTo": [{"uid": "uid-1", "name": "elder"}]}, claimants=[ELDER]),
        None,
    ),
    "one that was confirmed before a VM got it": (
        planned(status={"host": "h2", "confirmedHost": "h2"}, made_for_vm=True),
        "h2",
    ),
    "not the one before": (planned(status={"host": "h2", "confirmedHost": "h1"}, made_for_vm=True), None),
    "one that nobody took": (planned(), None),
}


@pytest.mark.parametrize("case", CONFIRMED_CASES, ids=str)
def test_a_host_is_confirmed(case: str) -> None:
    plan, confirmed = CONFIRMED_CASES[case]
    assert plan.confirmed == confirmed


@pytest.mark.parametrize("deleting", [True, False])
def test_what_a_denied_host_said_is_taken_back_before_anything_else(deleting: bool) -> None:
    status = {"host": "h9", "data": "Absent"}
    plan = planned(status=status, deleting=deleting, denied=True, assigned_host="h1", owners=("web-1",))
    assert plan == Plan(
        take_back=TakeBack(
            "h9",
            "h1",
            "Host h9 says that it keeps volume data, but VM web-1 is not assigned to it: "
            "what it said is taken back. Try: find out who acts as host h9.",
        )
    )


def test_a_wish_to_grow_is_answered_and_the_host_goes_on_saying_how_it_is() -> None:
    status = {"host": "h1", "data": "Present", "capacity": "1Gi"}
    granted = planned({"size": "2Gi"}, status, growth=Growth("2Gi"))
    refused = planned({"size": "2Gi"}, status, growth=Growth("2Gi", NO_ROOM))
    answers = [(plan.size.status, plan.size.reason) for plan in (granted, refused) if plan.size]
    assert answers == [("True", "Granted"), ("False", "PoolFull")]
    assert (granted.ready, refused.ready) == (None, None)
    assert planned(status=status).size is None


def test_what_is_to_be_collected_is_given_to_nobody_and_kept_by_who_has_it() -> None:
    has_it = {"attachedTo": [{"uid": "uid-1", "name": "elder"}]}
    assert planned(going=True, claimants=[ELDER]).attached_to == ()
    assert planned(status=has_it, going=True, claimants=[ELDER, YOUNGER]).attached_to == (ELDER,)


def test_the_volume_of_a_vm_is_attached_to_no_other_that_names_it() -> None:
    assert planned(made_for="uid-1", claimants=[YOUNGER]).attached_to == ()
    assert planned(made_for="uid-2", claimants=[ELDER, YOUNGER]).attached_to == (YOUNGER,)
