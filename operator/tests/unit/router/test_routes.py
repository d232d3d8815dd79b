"""Which routes of spec are in force: those that OVN follows, and that nothing else has the place of."""

from __future__ import annotations

import pytest

from quantix_api import Host, Network, Router
from quantix_api.network import Route
from quantix_operator.ipam.ledger import Ledger
from quantix_operator.router.observed import Joined, Observed
from quantix_operator.router.plan import Legs, plan_legs
from quantix_operator.router.routes import Routes, plan_routes
from quantix_operator.topology.view import make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
HOST = Host.parse({"metadata": {"name": "h1", "uid": "uid-h1"}, "spec": {}, "status": {"hostUID": "m"}})


def network(name: str, *cidrs: str, physical: str | None = None) -> Network:
    spec = {"subnets": [{"cidr": cidr} for cidr in cidrs], "ipv6": "Disabled"}
    wire = {"physical": {"name": physical}} if physical else {}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return Network.parse({"metadata": metadata, "spec": {**spec, **wire}})


def legs(*, outside: bool) -> Legs:
    """Of a Router in a network of both families, with a way out in IPv4 alone, or none."""
    lan, out = network("lan", "10.0.0.0/24", "fd00::/64"), network("out", "10.78.0.0/24", physical="qx-local")
    external = {"external": {"network": "out"}} if outside else {}
    metadata = {"name": "r", "namespace": "default", "uid": "uid-r"}
    router = Router.parse({"metadata": metadata, "spec": {"networks": [{"name": "lan"}], **external}})
    ledger = Ledger()
    for item in (lan, out):
        ledger.join(make_view(CLUSTER, item))
    joined = Joined("lan", "spec.networks[0].address", None, lan)
    seen = Observed(CLUSTER, router, (joined,), out if outside else None, (), (HOST,), ())
    return plan_legs(seen, ledger)


def planned(*routes: tuple[str, str], outside: bool = False) -> Routes:
    asked = (Route(destination=destination, next_hop=hop) for destination, hop in routes)
    return plan_routes(asked, legs(outside=outside))


def destinations(found: Routes) -> list[str]:
    return [route.destination for route in found.kept]


def test_a_route_through_a_network_of_its_own_is_in_force() -> None:
    found = planned(("10.9.0.0/16", "10.0.0.7"), ("::/0", "fd00::7"), ("0.0.0.0/0", "10.0.0.8"))
    assert destinations(found) == ["10.9.0.0/16", "::/0", "0.0.0.0/0"]
    assert found.problem is None
    assert destinations(planned(("10.9.0.0/16", "10.78.0.9"), outside=True)) == ["10.9.0.0/16"]


@pytest.mark.parametrize(
    ("destination", "hop"),
    [("10.9.0.0/16", "10.5.0.1"), ("10.9.0.0/16", "10.78.0.9"), ("::/0", "10.0.0.7"), ("::/0", "fe80::1")],
)
def test_a_next_hop_in_none_of_its_networks_is_told(destination: str, hop: str) -> None:
    found = planned((destination, hop), ("10.8.0.0/16", "10.0.0.7"))
    assert destinations(found) == ["10.8.0.0/16"]
    assert found.problem is not None
    assert found.problem.reason == "AddressOutsideSubnet"
    assert f"Next hop {hop} of the route to {destination}" in found.problem.message


def test_the_way_out_keeps_its_default_route() -> None:
    found = planned(("0.0.0.0/0", "10.0.0.7"), ("::/0", "fd00::7"), outside=True)
    assert destinations(found) == ["::/0"], "it leads out in IPv4 alone"
    assert found.problem is not None
    assert found.problem.reason == "SubnetOverlap"
    assert "its way out through network default/out already" in found.problem.message


def test_of_two_routes_to_the_same_addresses_the_first_is_in_force() -> None:
    found = planned(("fd01::/64", "fd00::7"), ("fd01:0::/64", "fd00::8"))
    assert destinations(found) == ["fd01::/64"]
    assert found.problem is not None
    assert "the same addresses as the one to fd01::/64" in found.problem.message
