"""What a Router gets outside: the address that spec names or none, and one that it keeps."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Host, Network, Router
from quantix_operator.ipam.assign import Problem
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.router.addresses import OUTSIDE_PATH, assign_outside
from quantix_operator.router.claims import record
from quantix_operator.router.observed import Observed
from quantix_operator.router.plan import plan_legs
from quantix_operator.topology.view import NetworkView, make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
HOST = Host.parse({"metadata": {"name": "h1", "uid": "uid-h1"}, "spec": {}, "status": {"hostUID": "m"}})
GUEST = Claimant("2026-01-01", "uid-vm", "eth0", "VM default/web-1")


def outside(name: str = "out", cidr: str = "10.78.0.0/24", **subnet: Any) -> NetworkView:
    """A network on the way out of every host."""
    manifest = {
        "metadata": {"name": name, "namespace": "shared", "uid": f"uid-{name}"},
        "spec": {"physical": {"name": "qx-local"}, "subnets": [{"cidr": cidr, **subnet}]},
    }
    return make_view(CLUSTER, Network.parse(manifest))


def router(name: str = "r", address: str | None = None) -> Router:
    external = {"network": "shared/out", **({"address": address} if address else {})}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return Router.parse({"metadata": metadata, "spec": {"networks": [], "external": external}})


def assigned(ledger: Ledger, subject: Router, network: NetworkView) -> tuple[tuple[str, ...], str]:
    """The addresses, and the reason of the problem."""
    ledger.join(network)
    observed = Observed(CLUSTER, subject, (), network.network, (), (HOST,), ())
    legs = plan_legs(observed, ledger)
    record(subject, legs.held, ledger)
    assert legs.outside is not None
    bare = tuple(address.split("/")[0] for address in legs.outside.addresses)
    return bare, legs.problem.reason if legs.problem is not None else ""


def test_without_a_word_an_address_is_chosen_and_kept() -> None:
    ledger = Ledger()
    first = assigned(ledger, router(), outside())
    assert (len(first[0]), first[1]) == (1, "")
    assert assigned(ledger, router(), outside()) == first
    assert assigned(ledger, router("other"), outside())[0] != first[0]


def test_an_address_that_is_free_is_had() -> None:
    assert assigned(Ledger(), router(address="10.78.0.9"), outside()) == (("10.78.0.9",), "")


def test_a_taken_address_gives_none_says_whose_it_is_and_is_had_once_it_is_free() -> None:
    ledger = Ledger()
    ledger.join(outside())
    ledger.hold(GUEST, Allocation("uid-out", "02:00:00:00:00:01", ("10.78.0.9",)))
    addresses, problem = assign_outside(router(address="10.78.0.9"), outside(), ledger)
    assert addresses == ()
    assert problem == Problem.of(
        "AddressInUse", address="10.78.0.9", network="shared/out", user=GUEST.name, path=OUTSIDE_PATH
    )
    ledger.release(GUEST.uid)
    assert assigned(ledger, router(address="10.78.0.9"), outside()) == (("10.78.0.9",), "")


@pytest.mark.parametrize("address", ["10.79.0.9", "10.78.0.1", "10.78.0.0", "10.78.0.255", "fd00::9"])
def test_an_address_that_is_no_routers_is_refused(address: str) -> None:
    chosen, reason = assigned(Ledger(), router(address=address), outside())
    assert reason == ("AddressReserved" if address.startswith("10.78.") else "AddressOutsideSubnet")
    # A word about one family says nothing about the other
    assert len(chosen) == (1 if ":" in address else 0)


def test_what_is_in_force_goes_on_until_a_new_wish_can_be_met() -> None:
    ledger = Ledger()
    before, _ = assigned(ledger, router(), outside())
    ledger.hold(GUEST, Allocation("uid-out", "02:00:00:00:00:01", ("10.78.0.9",)))
    assert assigned(ledger, router(address="10.78.0.9"), outside()) == (before, "AddressInUse")


def test_an_address_that_the_network_has_since_excluded_is_given_up_for_another() -> None:
    ledger = Ledger()
    (before,), _ = assigned(ledger, router(), outside())
    kept_back = outside(excludeRanges=[{"first": before, "last": before}])
    (after,), reason = assigned(ledger, router(), kept_back)
    assert (after != before, reason) == (True, "")
    assert assigned(ledger, router(), outside())[0] == (after,)


def test_one_that_spec_names_is_kept_when_excluded_and_so_is_the_last_one_and_both_say_why() -> None:
    ledger = Ledger()
    assigned(ledger, router(address="10.78.0.9"), outside())
    kept_back = outside(excludeRanges=[{"first": "10.78.0.9", "last": "10.78.0.9"}])
    named = assigned(ledger, router(address="10.78.0.9"), kept_back)
    assert named == (("10.78.0.9",), "AddressReserved")
    full = outside(excludeRanges=[{"first": "10.78.0.1", "last": "10.78.0.255"}])
    assert assigned(ledger, router(), full) == (("10.78.0.9",), "AddressesExhausted")


def test_the_gateway_of_another_network_on_the_wire_is_in_use() -> None:
    ledger = Ledger()
    ledger.join(outside("twin", gateway="10.78.0.9"))
    assert assigned(ledger, router(address="10.78.0.9"), outside()) == ((), "AddressInUse")


def test_a_wire_without_a_free_address_says_so() -> None:
    ledger = Ledger()
    tiny = outside(cidr="10.78.0.0/30")
    assert assigned(ledger, router(), tiny) == (("10.78.0.2",), "")
    assert assigned(ledger, router("other"), tiny) == ((), "AddressesExhausted")


def test_nobody_else_gets_the_mac_of_a_router() -> None:
    ledger = Ledger()
    assigned(ledger, router(), outside())
    (mac,) = ledger.macs(outside().wire)
    assert mac.startswith("06:")
