"""Which address a FloatingIP has: the one that spec names or none, else one that it keeps."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api import FloatingIP, to_manifest
from quantix_api.model import ApiObject
from quantix_api.resources import FLOATING_IPS, QUANTIX_RESOURCES, ROUTERS, Resource
from quantix_operator.cache import Cache
from quantix_operator.floatingip.addresses import claimant_of, macs_of
from quantix_operator.floatingip.claims import FloatingIPFeed
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.objects import Objects
from quantix_operator.router.addresses import OUTSIDE
from quantix_operator.topology.view import make_view

from .place import CLUSTER, Place, floating, network, outside, router

OTHER = Claimant("2025-01-01", "uid-vm", "eth0", "VM default/web-9")


def address_of(place: Place, subject: FloatingIP) -> str | None:
    """What it has."""
    held = place.outcome(subject).held
    return held.addresses[0] if held is not None else None


def test_without_a_word_one_is_chosen_and_kept() -> None:
    place = Place()
    first = address_of(place, floating())
    assert first is not None
    assert address_of(place, floating()) == first
    assert address_of(place, floating("other")) not in (None, first)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.79.0.9", "AddressOutsideSubnet"),
        ("10.78.0.1", "AddressReserved"),
        ("10.78.0.0", "AddressReserved"),
        ("10.78.0.255", "AddressReserved"),
    ],
)
def test_an_address_that_is_nobodys_is_refused(address: str, reason: str) -> None:
    place = Place()
    assert place.said(floating(address=address))[0] == reason
    assert address_of(place, floating(address=address)) is None


def test_a_taken_address_is_had_once_it_is_free() -> None:
    place = Place()
    place.outcome(floating("before"))
    place.ledger.hold(OTHER, Allocation("uid-out", "02:00:00:00:00:01", ("10.78.0.9",)))
    reason, text = place.said(floating(address="10.78.0.9"))
    assert (reason, "belongs to VM default/web-9" in text) == ("AddressInUse", True)
    assert address_of(place, floating(address="10.78.0.9")) is None
    place.ledger.release(OTHER.uid)
    assert address_of(place, floating(address="10.78.0.9")) == "10.78.0.9"


def test_a_routers_address_is_the_routers() -> None:
    place = Place()
    place.outcome(floating())
    held = place.ledger.allocation("uid-r", OUTSIDE)
    assert held is not None
    (routers,) = held.addresses
    assert place.said(floating("taken", address=routers))[0] == "AddressInUse"


def test_of_two_that_ask_the_elder_has_it() -> None:
    place = Place()
    place.outcome(floating("before"))
    elder, younger = floating("z", 1, address="10.78.0.9"), floating("a", 2, address="10.78.0.9")
    for one in (younger, elder):
        place.ledger.want(one.metadata.uid, [("default/out", "10.78.0.9", claimant_of(one))])
    assert place.said(younger)[0] == "AddressInUse"
    assert address_of(place, elder) == "10.78.0.9"


def test_a_chosen_address_outlives_its_exclusion_but_not_its_becoming_the_gateway() -> None:
    place = Place()
    chosen = address_of(place, floating())
    assert chosen is not None
    place.outside = outside(excludeRanges=[{"first": chosen, "last": chosen}])
    assert address_of(place, floating()) == chosen
    place.outside = outside(gateway=chosen)
    assert address_of(place, floating()) not in (None, chosen)


def test_its_own_status_is_remembered_where_the_ledger_forgot() -> None:
    assert address_of(Place(), floating(status={"address": "10.78.0.77"})) == "10.78.0.77"
    assert address_of(Place(), floating(status={"address": "10.99.0.77"})) not in (None, "10.99.0.77")


def test_a_full_subnet_is_told_with_its_numbers() -> None:
    place = Place()
    place.outside = network("out", "10.78.0.0/30", physical="qx-local")
    place.outcome(floating("router-first"))
    reason, text = place.said(floating())
    assert (reason, "1 of 1 are used" in text) == ("AddressesExhausted", True)
    assert "floating" not in text, "a Router has it"
    place.outside = network("out", "10.78.0.0/29", physical="qx-local")
    for number in range(4):
        place.outcome(floating(f"f{number}"))
    reason, text = place.said(floating())
    assert "5 of 5 are used, 4 of them by floating IPs. Try: remove a VM or a floating IP" in text


@pytest.mark.parametrize("address", [None, "10.78.0.9"])
def test_a_network_that_no_router_leads_out_through_gives_none(address: str | None) -> None:
    place = Place()
    asked = floating(address=address)
    for routers in ([], [router(deletionTimestamp="2026-01-02T00:00:00Z")]):
        place.routers = routers
        assert address_of(place, asked) is None
        reason, text = place.said(asked)
        assert (reason, "No router leads out through network out" in text) == ("NoRoute", True)
    place.routers = [router()]
    given_out = address_of(place, asked)
    assert given_out is not None
    place.routers = []
    assert address_of(place, asked) == given_out, "it is kept until the floating IP goes"


def test_what_a_floating_ip_asks_for_counts_once_a_router_leads_out_there() -> None:
    cache = Cache(QUANTIX_RESOURCES)
    ledger = Ledger()
    ledger.join(make_view(CLUSTER, outside()))
    wire = make_view(CLUSTER, outside()).wire
    feed = FloatingIPFeed(cache, Objects(cache), ledger, CLUSTER)
    assert feed.kind is FloatingIP
    put(cache, FLOATING_IPS, floating(address="10.78.0.9"), "1")
    assert ledger.eldest(wire, "10.78.0.9") is None
    way_out = put(cache, ROUTERS, router(), "2")
    claimant = ledger.eldest(wire, "10.78.0.9")
    assert (claimant is not None, claimant and claimant.is_floating_ip) == (True, True)
    cache.remove(ROUTERS, way_out)
    assert ledger.eldest(wire, "10.78.0.9") is None


def put(cache: Cache, resource: Resource, model: ApiObject, version: str) -> dict[str, Any]:
    """The object as the API would give it."""
    manifest = to_manifest(model)
    manifest["metadata"]["resourceVersion"] = version
    cache.put(resource, manifest)
    return manifest


def test_a_mac_that_another_has_is_passed_over() -> None:
    place = Place()
    place.outcome(floating("before"))
    view = make_view(CLUSTER, place.outside)
    first, second = islice(macs_of(claimant_of(floating()), view), 2)
    place.ledger.hold(OTHER, Allocation("uid-out", first, ("10.78.0.9",)))
    held = place.outcome(floating()).held
    assert held is not None
    assert held.mac == second


ASKED = st.lists(st.sampled_from([None, "10.78.0.2", "10.78.0.3", "10.78.0.4"]), max_size=8)


@given(ASKED, st.randoms(use_true_random=False))
def test_whatever_is_asked_nobody_shares_and_a_second_look_changes_nothing(
    asked: list[str | None], chance: Random
) -> None:
    place = Place()
    place.outside = network("out", "10.78.0.0/29", physical="qx-local")
    subjects = [floating(f"f{age}", age, address=address) for age, address in enumerate(asked)]
    chance.shuffle(subjects)
    first = {one.metadata.name: address_of(place, one) for one in subjects}
    given_out = [address for address in first.values() if address is not None]
    assert len(given_out) == len(set(given_out))
    assert "10.78.0.1" not in given_out
    assert {one.metadata.name: address_of(place, one) for one in subjects} == first
