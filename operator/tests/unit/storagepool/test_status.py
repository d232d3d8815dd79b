"""What is said of a StoragePool."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api import StoragePool
from quantix_api.quantities import size_bytes
from quantix_operator.storagepool.status import Observed, Report, pool_facts, pool_figures, rounded

GIB = 1 << 30
LOCAL = StoragePool.parse({"metadata": {"name": "local"}, "spec": {"dir": {"path": "/pool"}}})
CEPH = StoragePool.parse({"metadata": {"name": "ceph"}, "spec": {"rbd": {"pool": "quantix"}}})
REACHED = Report("h1", True, 100 * GIB, 60 * GIB)

CASES: dict[str, tuple[Observed, str, str]] = {
    "reached": (Observed(LOCAL, [REACHED, Report("h2", False)]), "True", "Reachable"),
    "not reached": (
        Observed(LOCAL, [Report("h1", False, message="no such directory")]),
        "False",
        "Unreachable",
    ),
    "not told yet": (Observed(LOCAL, [Report("h1", None)]), "Unknown", "Pending"),
    "meant for no host": (Observed(LOCAL, []), "False", "NoHost"),
    "the younger of two defaults": (Observed(LOCAL, [REACHED], "fast"), "False", "DefaultConflict"),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ready(case: str) -> None:
    observed, status, reason = CASES[case]
    ready, fenceable, *_ = pool_facts(observed)
    assert (ready.status, ready.reason) == (status, reason)
    assert fenceable.reason == "LocalStorage"


def test_a_pool_in_ceph_has_the_room_that_one_host_tells_of() -> None:
    figures = pool_figures(Observed(CEPH, [REACHED, Report("h2", True, 100 * GIB, 60 * GIB)]))
    assert (figures["capacity"], figures["available"], figures["hosts"]) == ("100Gi", "60Gi", 2)


def test_a_pool_of_which_nobody_tells_how_large_it_is_promises_what_is_asked() -> None:
    figures = pool_figures(Observed(CEPH, [Report("h1", True)]))
    assert figures == {"allocated": "0", "virtualMachines": 0, "snapshots": 0, "hosts": 1, "fencing": "None"}


def test_a_pool_in_ceph_that_is_less_safe_than_it_should_be_says_why() -> None:
    missing = Report("h2", True, 100 * GIB, 60 * GIB, "1 osds down", "Degraded")
    ready, fenceable, *_ = pool_facts(Observed(CEPH, [REACHED, missing]))
    assert (ready.status, ready.reason) == ("False", "Degraded")
    assert ready.message.startswith("It works with less safety than it should. Said: 1 osds down.")
    assert (fenceable.status, fenceable.reason) == ("Unknown", "NoCapability")


def test_a_pool_of_which_a_part_is_not_built_says_so() -> None:
    place = {"pool": "quantix", "namespace": "tenants"}
    apart = StoragePool.parse({"metadata": {"name": "ceph"}, "spec": {"rbd": place}})
    ready, *_ = pool_facts(Observed(apart, [REACHED]))
    assert (ready.status, ready.reason) == ("False", "Unreachable")
    assert ready.message.startswith("spec.rbd.namespace is not built yet, so no host reaches it.")


def test_a_pool_whose_key_is_refused_says_which_secret_holds_it() -> None:
    refused = Report("h1", False, message="10.0.0.1 refused the user and key.", reason="CredentialsRefused")
    ready, *_ = pool_facts(Observed(CEPH, [refused]))
    assert (ready.status, ready.reason) == ("False", "CredentialsRefused")


@pytest.mark.parametrize(
    ("free", "status", "reason"),
    [
        (100, "True", "Enough"),
        (15, "True", "Enough"),
        (14, "False", "FillsUp"),
        (5, "False", "FillsUp"),
        (4, "False", "PoolFull"),
        (0, "False", "PoolFull"),
    ],
)
def test_a_pool_tells_when_it_fills_up_and_when_it_is_full(free: int, status: str, reason: str) -> None:
    reports = [REACHED, Report("h2", True, 100 * GIB, free * GIB), Report("h3", False)]
    room = pool_facts(Observed(LOCAL, reports))[2]
    assert (room.type, room.status, room.reason) == ("HasRoom", status, reason)
    if status == "False":
        assert room.message.startswith(f"{free} {'GiB' if free else 'B'} of 100 GiB are left on h2")


def test_a_pool_that_nobody_reaches_says_nothing_of_its_room() -> None:
    assert len(pool_facts(Observed(LOCAL, [Report("h1", False)]))) == 2


def test_the_figures_of_a_directory_add_up_over_hosts() -> None:
    reports = [REACHED, Report("h2", True, 100 * GIB, 90 * GIB)]
    figures = pool_figures(Observed(LOCAL, reports, "", 2, 20 * GIB))
    assert figures == {
        "hosts": 2,
        "fencing": "None",
        "capacity": "200Gi",
        "available": "150Gi",
        "allocated": "20Gi",
        "virtualMachines": 0,
        "snapshots": 0,
    }


def test_a_pool_that_nobody_reaches_has_no_figures() -> None:
    figures = pool_figures(Observed(LOCAL, [Report("h1", False)]))
    assert figures == {"hosts": 0, "fencing": "None", "allocated": "0", "virtualMachines": 0, "snapshots": 0}


@pytest.mark.parametrize(
    ("volumes", "promised", "said"),
    [(0, 0, "0"), (1, 0, "1Mi"), (1, 1 << 20, "1Mi"), (3, 30 * GIB, "30Gi")],
)
def test_a_pool_with_a_volume_never_says_that_it_is_empty(volumes: int, promised: int, said: str) -> None:
    for reports in ([REACHED], [Report("h1", False)]):
        assert pool_figures(Observed(LOCAL, reports, "", volumes, promised))["allocated"] == said


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_a_rounded_size_is_never_more_and_hardly_less(part: int, other: int) -> None:
    whole = part + other
    said = rounded(part, whole)
    number = 0 if said == "0" else size_bytes(said)
    assert number <= part + 1023
    assert part - number <= whole // 100 + part // 10 + 1


def test_what_a_host_says_of_a_pool_is_one_sentence_with_one_hint() -> None:
    host = "Pool local cannot be used on h1. Said: there is no directory /pool. Try: make it."
    ready, *_ = pool_facts(Observed(LOCAL, [Report("h1", False, message=host)]))
    said = "No host reaches it. Said: h1: there is no directory /pool."
    assert ready.message == (
        f"{said} Try: look at its directory on that host, or at its monitors in Ceph, and bring it back."
    )


@pytest.mark.parametrize("reason", ["DirectoryMissing", "PathRefused", "PathShared", "PathBarred"])
def test_a_place_that_is_wrong_is_told_in_the_words_of_its_host_and_nothing_changes_by_itself(
    reason: str,
) -> None:
    said = Report("h2", False, message="h2 has no directory /pool. Try: make it.", reason=reason)
    facts = {item.type: item for item in pool_facts(Observed(LOCAL, [Report("h1", None), said]))}
    assert [(facts[kind].reason, facts[kind].message) for kind in ("Ready", "Stalled")] == [
        (reason, said.message)
    ] * 2
    assert (facts["Ready"].status, facts["Stalled"].status) == ("False", "True")


def test_a_host_that_reaches_it_is_enough() -> None:
    wrong = Report("h2", False, message="h2 has no directory /pool.", reason="DirectoryMissing")
    facts = {item.type: item for item in pool_facts(Observed(LOCAL, [wrong, REACHED]))}
    assert (facts["Ready"].reason, "Stalled" in facts) == ("Reachable", False)
    assert facts["Ready"].message == "Hosts that reach it: 1 of 2, not h2."


@pytest.mark.parametrize(
    ("capacity", "says"),
    [
        (
            16 * GIB,
            "0 B of 16 GiB are left, and Ceph takes no writes, since all of its quota is used: what VMs",
        ),
        (0, "Ceph takes no writes, since all of its quota is used: what VMs"),
    ],
)
def test_a_pool_in_ceph_that_takes_no_writes_says_so_whatever_else_is_known(capacity: int, says: str) -> None:
    full = Report("h2", True, capacity, 0, "1 osds down", "Degraded", "all of its quota is used")
    ready, _, room = pool_facts(Observed(CEPH, [REACHED, full]))
    assert ready.reason == "Degraded"
    assert (room.type, room.status, room.reason) == ("HasRoom", "False", "PoolFull")
    assert room.message.startswith(f"{says} write waits, and nothing new is taken. Try: delete snapshots,")
