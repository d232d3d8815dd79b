"""Where guests go: balance, order, no overcommit, and always the same answer."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.host_labels import HOST_LABEL
from quantix_operator.scheduling.model import (
    GIB,
    Guest,
    HostView,
    Node,
    Placed,
    Rule,
    Taint,
    World,
    cpu_request_millis,
)
from quantix_operator.scheduling.plan import place


def where(world: World, *pending: Guest) -> dict[str, str | None]:
    return {decision.guest.name: decision.host for decision in place(world, pending)}


def test_the_least_loaded_host_is_chosen(host: Any, guest: Any) -> None:
    world = World((host("h1"), host("h2")), (Placed(guest("old"), "h1"),))
    assert where(world, guest("new")) == {"new": "h2"}


def test_equal_hosts_are_taken_by_name(host: Any, guest: Any) -> None:
    assert where(World((host("h2"), host("h1"))), guest("new")) == {"new": "h1"}


def test_of_equal_hosts_one_that_has_the_image_is_taken(host: Any, guest: Any) -> None:
    hosts = (host("h1", images=frozenset({"other"})), host("h2", images=frozenset({"debian"})))
    new = guest("new", images=frozenset({"debian"}))
    assert where(World(hosts), new) == {"new": "h2"}
    assert where(World(hosts, (Placed(guest("old"), "h2"),)), new) == {"new": "h1"}


def test_guests_of_one_pass_spread(host: Any, guest: Any) -> None:
    world = World((host("h1"), host("h2")))
    assert where(world, guest("a"), guest("b")) == {"a": "h1", "b": "h2"}


def test_a_discouraging_taint_loses_against_load(host: Any, guest: Any) -> None:
    world = World(
        (host("h1", taints=(Taint("old", "", "PreferNoSchedule"),)), host("h2")),
        (Placed(guest("other"), "h2"),),
    )
    assert where(world, guest("new")) == {"new": "h2"}


def test_a_preference_decides_between_hosts_that_fit(host: Any, guest: Any) -> None:
    near = Rule({"app": "db"}, required=False)
    world = World((host("h1"), host("h2")), (Placed(guest("db", labels={"app": "db"}), "h2"),))
    assert where(world, guest("new", affinity=(near,))) == {"new": "h2"}


def test_the_higher_priority_gets_the_last_room(host: Any, guest: Any) -> None:
    world = World((host("h1", memory_bytes=3 * GIB),))
    assert where(world, guest("a"), guest("b", priority=200)) == {"a": None, "b": "h1"}


def test_whoever_lost_its_place_with_its_host_gets_it_back_before_one_that_never_ran(
    host: Any, guest: Any
) -> None:
    world = World((host("h1", memory_bytes=3 * GIB),))
    waited = guest("a", created="2026-11-01T00:00:00Z")
    ran = guest("z", created="2026-11-20T00:00:00Z", returning=True)
    assert where(world, waited, ran) == {"a": None, "z": "h1"}
    assert where(world, replace(waited, priority=200), ran) == {"a": "h1", "z": None}


@pytest.mark.parametrize("returning", [True, False])
def test_of_guests_that_are_alike_the_elder_goes_first_then_the_name_decides(
    host: Any, guest: Any, *, returning: bool
) -> None:
    world = World((host("h1", memory_bytes=3 * GIB),))
    elder = guest("z", created="2026-11-01T00:00:00Z", returning=returning)
    younger = guest("a", created="2026-11-20T00:00:00Z", returning=returning)
    assert where(world, younger, elder) == {"a": None, "z": "h1"}
    assert where(world, elder, replace(younger, created=elder.created)) == {"a": "h1", "z": None}


def test_one_pass_keeps_two_of_a_group_apart(host: Any, guest: Any) -> None:
    apart = {"labels": {"app": "web"}, "anti_affinity": (Rule({"app": "web"}),)}
    found = where(World((host("h1"), host("h2"))), *(guest(name, **apart) for name in "abc"))
    assert found == {"a": "h1", "b": "h2", "c": None}


def test_a_refused_guest_gets_a_verdict_of_every_host(host: Any, guest: Any) -> None:
    world = World((host("h2", closed="Cordoned"), host("h1", memory_bytes=GIB)))
    (decision,) = place(world, (guest("new"),))
    assert [(verdict.host, verdict.free_memory_bytes) for verdict in decision.verdicts] == [
        ("h1", GIB),
        ("h2", 64 * GIB),
    ]


hosts_strategy = st.lists(
    st.builds(
        lambda number, cpus, gib, percent: HostView(
            f"h{number}", cpus * 1000, gib * GIB, {HOST_LABEL: f"h{number}"}, percent
        ),
        st.integers(1, 8),
        st.integers(1, 8),
        st.integers(1, 16),
        st.sampled_from([100, 250, 400]),
    ),
    unique_by=lambda host: host.name,
    max_size=5,
)
guests_strategy = st.lists(
    st.builds(
        lambda number, vcpus, gib, priority, apart: Guest(
            uid=f"u{number}",
            namespace="default",
            name=f"g{number}",
            vcpus=vcpus,
            memory_bytes=gib * GIB,
            labels={"app": "web"},
            anti_affinity=(Rule({"app": "web"}),) if apart else (),
            priority=priority,
        ),
        st.integers(1, 99),
        st.integers(1, 8),
        st.integers(1, 8),
        st.sampled_from([100, 200]),
        st.booleans(),
    ),
    unique_by=lambda guest: guest.uid,
    max_size=12,
)


@given(hosts_strategy, guests_strategy)
def test_no_host_is_promised_more_than_it_has(hosts: list[HostView], guests: list[Guest]) -> None:
    decisions = place(World(tuple(hosts)), guests)

    assert {decision.guest.uid for decision in decisions} == {guest.uid for guest in guests}
    for host in hosts:
        mine = [decision.guest for decision in decisions if decision.host == host.name]
        assert sum(guest.memory_bytes for guest in mine) <= host.memory_bytes
        assert sum(cpu_request_millis(guest, host) for guest in mine) <= host.cpu_millis
        assert len(mine) <= 1 or not any(guest.anti_affinity for guest in mine)


@given(hosts_strategy, guests_strategy, st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(
    hosts: list[HostView], guests: list[Guest], shuffle: random.Random
) -> None:
    expected = where(World(tuple(hosts)), *guests)
    shuffle.shuffle(hosts)
    shuffle.shuffle(guests)

    assert where(World(tuple(hosts)), *guests) == expected


@given(hosts_strategy, guests_strategy)
def test_what_was_refused_is_refused_again(hosts: list[HostView], guests: list[Guest]) -> None:
    """The law of plans: once the decisions are carried out, planning again places nobody."""
    decisions = place(World(tuple(hosts)), guests)
    placed = tuple(Placed(item.guest, item.host) for item in decisions if item.host is not None)
    refused = [item.guest for item in decisions if item.host is None]

    again = place(World(tuple(hosts), placed), refused)

    assert [item.host for item in again] == [None] * len(refused)


def test_of_two_guests_bound_to_nodes_the_second_finds_what_the_first_has_left(host: Any, guest: Any) -> None:
    nodes = (Node(4, 8 * GIB), Node(4, 8 * GIB))
    world = World((host("h1", own_cpus=8, nodes=nodes),))
    bound = [guest(name, own_cpus=2, bound_bytes=6 * GIB) for name in ("a", "b", "c")]
    placed = [decision.host for decision in place(world, bound)]
    assert placed == ["h1", "h1", None]
