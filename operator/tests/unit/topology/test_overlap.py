"""Subnets that stand in each other's way."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Network
from quantix_operator.topology.overlap import overlap_in_router, overlap_on_wire
from quantix_operator.topology.view import NetworkView, make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"


def view(name: str, *cidrs: str, day: int = 1, **metadata: Any) -> NetworkView:
    """A network on the one wire of these tests."""
    about = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "creationTimestamp": f"2026-01-{day:02}T00:00:00Z",
        **metadata,
    }
    spec = {"physical": {"name": "p"}, "subnets": [{"cidr": cidr} for cidr in cidrs]}
    return make_view(CLUSTER, Network.parse({"metadata": about, "spec": spec}))


def test_the_younger_of_two_that_overlap_has_it() -> None:
    elder, younger = view("elder", "10.0.0.0/16"), view("younger", "10.0.7.0/24", day=2)
    found = overlap_on_wire(younger, [elder])
    assert found is not None
    assert found.reason == "SubnetOverlap"
    assert "10.0.7.0/24 overlaps 10.0.0.0/16 of network default/elder" in found.message
    assert overlap_on_wire(elder, [younger]) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("10.0.0.0/24",), ("10.0.0.0/24",)),
        (("10.0.0.0/24",), ("10.0.1.0/24",)),
        (("10.0.0.0/8",), ("fd00::/64",)),
        ((), ("10.0.0.0/24",)),
    ],
)
def test_the_same_subnet_and_those_apart_are_fine(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert overlap_on_wire(view("younger", *one, day=2), [view("elder", *other)]) is None


def test_each_family_counts() -> None:
    elder = view("elder", "10.0.0.0/24", "fd00::/48")
    found = overlap_on_wire(view("younger", "10.0.0.0/24", "fd00::/64", day=2), [elder])
    assert found is not None
    assert "fd00::/64 overlaps fd00::/48" in found.message


def test_a_network_that_goes_is_in_nobodys_way() -> None:
    going = view("elder", "10.0.0.0/16", deletionTimestamp="2026-02-01T00:00:00Z")
    assert overlap_on_wire(view("younger", "10.0.0.0/24", day=2), [going]) is None


def test_for_a_router_equal_subnets_are_in_the_way_too() -> None:
    one, other = view("one", "10.0.0.0/24"), view("other", "10.0.0.0/24")
    assert overlap_in_router(one, other) is not None
    assert overlap_in_router(one, view("apart", "10.0.1.0/24")) is None
