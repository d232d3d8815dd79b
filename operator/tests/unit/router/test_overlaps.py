"""Networks of a Router that overlap its way out: the younger network is left out, and nothing else."""

from __future__ import annotations

from quantix_api import Network, Router
from quantix_operator.ipam.ledger import Ledger
from quantix_operator.router.observed import Joined, Observed
from quantix_operator.router.plan import Legs, plan_legs
from quantix_operator.topology.view import make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"


def network(name: str, cidr: str, year: int, physical: bool = False) -> Network:
    created = f"{year}-01-01T00:00:00Z"
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": created}
    spec = {"ipv6": "Disabled", "subnets": [{"cidr": cidr}]}
    return Network.parse(
        {"metadata": metadata, "spec": {**spec, **({"physical": {"name": "qx-local"}} if physical else {})}}
    )


def plan(*inside: Network) -> Legs:
    """A Router in these networks, whose way out is 10.0.0.0/16 and of the year 2020."""
    outside = network("out", "10.0.0.0/16", 2020, physical=True)
    names = [item.metadata.name for item in inside]
    spec = {"networks": [{"name": name} for name in names], "external": {"network": "out"}}
    router = Router.parse({"metadata": {"name": "r", "namespace": "default", "uid": "uid-r"}, "spec": spec})
    ledger = Ledger()
    for item in (outside, *inside):
        ledger.join(make_view(CLUSTER, item))
    joined = tuple(Joined(item.metadata.name, "p", None, item) for item in inside)
    return plan_legs(Observed(CLUSTER, router, joined, outside, (), (), ()), ledger)


def names(legs: Legs) -> list[str]:
    return [leg.view.network.metadata.name for leg in legs.inside]


def test_a_younger_network_is_left_out() -> None:
    legs = plan(network("lan", "10.0.1.0/24", 2021), network("other", "10.9.0.0/24", 2021))
    assert (names(legs), legs.outside is not None) == (["other"], True)
    assert legs.problem is not None
    assert legs.problem.reason == "SubnetOverlap"


def test_an_elder_network_keeps_the_router_from_its_way_out_and_all_networks_stay() -> None:
    legs = plan(network("elder", "10.0.1.0/24", 2019), network("younger", "10.0.2.0/24", 2021))
    assert (names(legs), legs.outside) == (["elder", "younger"], None)
    assert legs.problem is not None
    assert legs.problem.reason == "SubnetOverlap"
    assert "10.0.1.0/24" in legs.problem.message
