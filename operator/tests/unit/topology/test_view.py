"""A Network with its defaults applied."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Host, Network
from quantix_operator.topology.view import choose_automatic, choose_mtu, make_view, mtus_for

CLUSTER = "11111111-1111-4111-8111-111111111111"


def network(name: str = "net", status: dict[str, Any] | None = None, **spec: Any) -> Network:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return Network.parse({"metadata": metadata, "spec": spec, "status": status or {}})


@pytest.mark.parametrize(
    ("net", "underlays", "mtu", "kept"),
    [
        (network(), [], 1442, False),
        (network(), [1500, 9000], 1442, True),
        (network(), [9000], 8942, True),
        (network(status={"mtu": 1442}), [9000], 1442, True),
        (network(mtu=1300), [], 1300, True),
        (network(physical={"name": "p"}), [1500], 1500, True),
    ],
)
def test_the_mtu_is_what_fits_and_then_kept(net: Network, underlays: list[int], mtu: int, kept: bool) -> None:
    assert choose_mtu(net, underlays) == (mtu, kept)


def test_what_fits_goes_by_the_wire_of_the_network() -> None:
    said = {"underlayMTU": 9000, "physical": [{"name": "p", "mtu": 1500}, {"name": "q", "mtu": 9000}]}
    hosts = [
        Host.parse({"metadata": {"name": name}, "spec": {}, "status": {"network": said}})
        for name in ("h1", "h2")
    ]
    silent = Host.parse({"metadata": {"name": "h3"}, "spec": {}})
    assert mtus_for(network(), [*hosts, silent]) == [9000, 9000]
    assert mtus_for(network(physical={"name": "p"}), [*hosts, silent]) == [1500, 1500]
    assert mtus_for(network(physical={"name": "other"}), hosts) == []


def test_an_overlay_gets_a_64_that_no_other_has_and_keeps_it() -> None:
    first = choose_automatic(CLUSTER, network(), [])
    assert first is not None
    other = network("other", status={"subnets": [first]})
    second = choose_automatic(CLUSTER, network(), [other])
    assert second not in (None, first)
    kept = network(status={"subnets": ["10.0.0.0/24", first]}, subnets=[{"cidr": "10.0.0.0/24"}])
    assert choose_automatic(CLUSTER, kept, [other]) == first
    view = make_view(CLUSTER, kept)
    assert [subnet.cidr for subnet in view.subnets] == ["10.0.0.0/24", first]


@pytest.mark.parametrize(
    "net",
    [
        network(ipv6="Disabled"),
        network(physical={"name": "p"}),
        network(subnets=[{"cidr": "fd00::/64"}]),
    ],
)
def test_no_64_where_none_is_wanted(net: Network) -> None:
    assert choose_automatic(CLUSTER, net, []) is None


def test_dhcp_is_ours_on_an_overlay_and_the_sites_on_a_wire() -> None:
    subnets = [{"cidr": "10.0.0.0/24"}]
    overlay, wire = (
        make_view(CLUSTER, network(subnets=subnets)),
        make_view(CLUSTER, network(subnets=subnets, physical={"name": "p"})),
    )
    assert overlay.dhcp_options(4) is not None
    assert wire.dhcp_options(4) is None
