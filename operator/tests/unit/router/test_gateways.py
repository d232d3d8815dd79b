"""Of several Routers in one network the gateway is the same, whichever is looked at first."""

from __future__ import annotations

from itertools import permutations

import pytest

from quantix_api import Network, Router
from quantix_operator.ipam.ledger import Ledger
from quantix_operator.router.claims import record
from quantix_operator.router.observed import Joined, Observed
from quantix_operator.router.plan import plan_legs
from quantix_operator.topology.view import make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
LAN = Network.parse(
    {
        "metadata": {"name": "lan", "namespace": "default", "uid": "uid-lan"},
        "spec": {"subnets": [{"cidr": "10.0.0.0/24"}, {"cidr": "fd00::/64"}]},
    }
)


def router(name: str, address: str | None) -> Router:
    """A Router; the elder has the smaller name."""
    joined = {"name": "lan", **({"address": address} if address else {})}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return Router.parse({"metadata": metadata, "spec": {"networks": [joined]}})


def outcome(order: tuple[Router, ...]) -> dict[str, str]:
    """What each has when all are looked at in this order, by an operator that begins."""
    ledger = Ledger()
    ledger.join(make_view(CLUSTER, LAN))
    found = {}
    for subject in order:
        others = tuple(other for other in order if other is not subject)
        joined = Joined("lan", "spec.networks[0].address", subject.spec.networks[0].address, LAN)
        legs = plan_legs(Observed(CLUSTER, subject, (joined,), None, others, (), ()), ledger)
        record(subject, legs.held, ledger)
        addresses = " ".join(address for leg in legs.inside for address in leg.addresses)
        found[subject.metadata.name] = addresses or (legs.problem.reason if legs.problem else "")
    return found


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"a": None, "b": None}, {"a": "10.0.0.1/24 fd00::1/64", "b": "AddressInUse"}),
        ({"a": "10.0.0.1", "b": None}, {"a": "10.0.0.1/24 fd00::1/64", "b": "AddressInUse"}),
        ({"a": None, "b": "10.0.0.1"}, {"a": "10.0.0.1/24 fd00::1/64", "b": "AddressInUse"}),
        ({"a": "10.0.0.1", "b": "10.0.0.1"}, {"a": "10.0.0.1/24 fd00::1/64", "b": "AddressInUse"}),
        ({"a": "10.0.0.1", "b": "fd00::1"}, {"a": "10.0.0.1/24", "b": "fd00::1/64"}),
        ({"a": "10.0.0.8", "b": None}, {"a": "10.0.0.8/24", "b": "10.0.0.1/24 fd00::1/64"}),
        ({"a": "10.0.0.8", "b": "10.0.0.9"}, {"a": "10.0.0.8/24 fd00::1/64", "b": "10.0.0.9/24"}),
        (
            {"a": "10.0.0.8", "b": "fd00::8", "c": None},
            {"a": "10.0.0.8/24", "b": "fd00::8/64", "c": "10.0.0.1/24 fd00::1/64"},
        ),
    ],
)
def test_the_order_of_looks_decides_nothing(asked: dict[str, str | None], expected: dict[str, str]) -> None:
    routers = [router(name, address) for name, address in asked.items()]
    for order in permutations(routers):
        assert outcome(order) == expected
