"""What a Router has in its networks: the gateway's address or its own, unless somebody else has it."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Network, Router
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.router.claims import record
from quantix_operator.router.observed import Joined, Observed
from quantix_operator.router.plan import Legs, plan_legs
from quantix_operator.topology.view import NetworkView, make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
GUEST = Claimant("2026-01-01", "uid-vm", "eth0", "VM default/web-1")


def lan(gateway: str | None = None, **subnet: Any) -> Network:
    """A dual-stack network."""
    v4 = {"cidr": "10.0.0.0/24", **({"gateway": gateway} if gateway else {}), **subnet}
    subnets = [v4, {"cidr": "fd00::/64"}]
    return Network.parse(
        {
            "metadata": {"name": "lan", "namespace": "default", "uid": "uid-lan"},
            "spec": {"subnets": subnets},
        }
    )


def router(name: str = "r", address: str | None = None) -> Router:
    joined = {"name": "lan", **({"address": address} if address else {})}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return Router.parse({"metadata": metadata, "spec": {"networks": [joined]}})


class Place:
    """One network, its ledger, and the Routers that want to be in it."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.network = lan()
        self.join()

    def join(self) -> NetworkView:
        view = make_view(CLUSTER, self.network)
        self.ledger.join(view)
        return view

    def guest(self, address: str) -> None:
        """Somebody has an address."""
        self.ledger.hold(GUEST, Allocation("uid-lan", "02:00:00:00:00:01", (address,)))

    def plan(self, subject: Router, *others: Router) -> Legs:
        """What comes of a Router, recorded as the controller does it."""
        self.join()
        item = subject.spec.networks[0]
        joined = Joined(item.name, "spec.networks[0].address", item.address, self.network)
        legs = plan_legs(Observed(CLUSTER, subject, (joined,), None, others, (), ()), self.ledger)
        record(subject, legs.held, self.ledger)
        return legs

    def outcome(self, subject: Router, *others: Router) -> tuple[tuple[str, ...], str]:
        """Its addresses there, and the reason of the problem."""
        legs = self.plan(subject, *others)
        addresses = tuple(address for leg in legs.inside for address in leg.addresses)
        return addresses, legs.problem.reason if legs.problem is not None else ""


@pytest.fixture
def place() -> Place:
    return Place()


def test_without_a_word_it_is_the_gateway_with_the_gateways_mac(place: Place) -> None:
    assert place.outcome(router()) == (("10.0.0.1/24", "fd00::1/64"), "")
    assert place.plan(router()).inside[0].mac == place.join().gateway_mac


def test_planning_records_nothing(place: Place) -> None:
    joined = Joined("lan", "p", "10.0.0.9", place.network)
    plan_legs(Observed(CLUSTER, router(address="10.0.0.9"), (joined,), None, (), (), ()), place.ledger)
    assert place.ledger.addresses(place.join().wire) == {}


def test_an_address_that_a_guest_has_is_refused_named_and_had_once_it_is_free(place: Place) -> None:
    place.guest("10.0.0.9")
    legs = place.plan(router(address="10.0.0.9"))
    assert legs.problem is not None
    assert legs.problem.reason == "AddressInUse"
    assert "10.0.0.9 in network default/lan belongs to VM default/web-1" in legs.problem.message
    assert "spec.networks[0].address" in legs.problem.message
    assert legs.inside[0].addresses == ("fd00::1/64",)
    place.ledger.release(GUEST.uid)
    assert place.outcome(router(address="10.0.0.9")) == (("10.0.0.9/24", "fd00::1/64"), "")


def test_a_gateway_moved_onto_a_guests_address_waits_and_the_old_one_goes_on(place: Place) -> None:
    place.outcome(router())
    place.guest("10.0.0.9")
    place.network = lan(gateway="10.0.0.9")
    legs = place.plan(router())
    assert legs.problem is not None
    assert legs.problem.reason == "AddressInUse"
    assert "spec.subnets of network lan" in legs.problem.message
    assert legs.inside[0].addresses == ("10.0.0.1/24", "fd00::1/64")
    place.ledger.release(GUEST.uid)
    assert place.outcome(router()) == (("10.0.0.9/24", "fd00::1/64"), "")


@pytest.mark.parametrize("address", ["10.1.0.9", "10.0.0.0", "10.0.0.255", "10.0.0.77"])
def test_an_address_that_is_no_routers_is_refused(place: Place, address: str) -> None:
    place.network = lan(excludeRanges=[{"first": "10.0.0.70", "last": "10.0.0.79"}])
    reason = "AddressOutsideSubnet" if address == "10.1.0.9" else "AddressReserved"
    assert place.outcome(router(address=address)) == (("fd00::1/64",), reason)


def test_what_it_has_goes_on_when_its_network_excludes_it_and_it_says_so(place: Place) -> None:
    assert place.outcome(router(address="10.0.0.77"))[1] == ""
    place.network = lan(excludeRanges=[{"first": "10.0.0.70", "last": "10.0.0.79"}])
    refused = (("10.0.0.77/24", "fd00::1/64"), "AddressReserved")
    assert place.outcome(router(address="10.0.0.77")) == refused


def test_two_routers_share_no_address_of_either_family(place: Place) -> None:
    gateway, second = router(), router("s", address="10.0.0.9")
    assert place.outcome(second) == (("10.0.0.9/24", "fd00::1/64"), "")
    assert place.outcome(gateway, second) == (("10.0.0.1/24",), "AddressInUse")
    assert place.outcome(second, gateway) == (("10.0.0.9/24",), "")
    assert place.outcome(gateway, second) == (("10.0.0.1/24", "fd00::1/64"), "")
    assert place.outcome(router("t", address="10.0.0.9"), gateway, second) == ((), "AddressInUse")


def test_nothing_is_held_of_a_network_that_it_left(place: Place) -> None:
    place.outcome(router(address="10.0.0.9"))
    gone = Router.parse({"metadata": {"name": "r", "namespace": "default", "uid": "uid-r"}, "spec": {}})
    legs = plan_legs(Observed(CLUSTER, gone, (), None, (), (), ()), place.ledger)
    record(gone, legs.held, place.ledger)
    assert place.ledger.addresses(place.join().wire) == {}
