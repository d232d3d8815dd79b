"""What hosts are to each other by their wires: does it fit, and where do guests that move arrive?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quantix_api import Host, Network
from quantix_client.reading import model_of
from quantix_hostd.facts.links import LinkFacts
from quantix_hostd.facts.switch import BridgeFacts
from quantix_hostd.host.network.between_hosts import arrival_address, too_small
from quantix_hostd.host.network.model import NetworkState
from quantix_hostd.host.network.tunnel import TunnelPlace, Underlay

_WIRE = LinkFacts(True, 9000, "02:00:00:00:00:02", frozenset({"fd00::7/64", "10.0.0.7/24"}))
_FOUND = Underlay({"eth1": _WIRE, "eth2": replace(_WIRE, addresses=frozenset())}, "", None)
_PLACE = TunnelPlace("10.0.0.7", 1500)


def host(**interfaces: str) -> Host:
    return model_of(Host, {"metadata": {"name": "h1"}, "spec": {"interfaces": interfaces}})


def network(fits: int, **spec: Any) -> Network:
    metadata = {"name": f"n{fits}", "namespace": "a"}
    subnets = [{"cidr": "10.9.0.0/24"}]
    return model_of(
        Network, {"metadata": metadata, "spec": {"subnets": subnets, **spec}, "status": {"mtu": fits}}
    )


def switch(*ports: str) -> NetworkState:
    return NetworkState(bridges={"qx-int": BridgeFacts("netdev", "secure", "", {}, frozenset(ports))})


TUNNELLED = switch("ovn-0adbcd-1", "qx-tap")


@pytest.mark.parametrize(("mtu", "fits"), [(1442, True), (1443, False), (8942, False)])
def test_what_does_not_fit_into_a_tunnel_is_said_with_what_would(mtu: int, fits: bool) -> None:
    found = too_small(host(tunnel="eth1"), _PLACE, [network(1400), network(mtu)], TUNNELLED)
    assert (found is None) is fits
    if found is not None:
        assert found[0] == "UnderlayTooSmall"
        assert f"a/n{mtu} needs {mtu + 58}" in found[1]
        assert f"raise the MTU of eth1 to {mtu + 58}" in found[1]


def test_tunnels_over_ipv6_take_more() -> None:
    assert too_small(host(), TunnelPlace("fd00::7", 1500), [network(1422)], TUNNELLED) is None
    assert too_small(host(), TunnelPlace("fd00::7", 1500), [network(1423)], TUNNELLED) is not None


def test_without_tunnels_and_of_networks_on_a_wire_nothing_is_said() -> None:
    assert too_small(host(), _PLACE, [network(9000)], switch("qx-tap")) is None
    assert too_small(host(), _PLACE, [network(9000)], NetworkState()) is None
    assert too_small(host(), _PLACE, [network(9000, physical={"name": "site"})], TUNNELLED) is None


def test_what_somebody_wishes_of_a_network_turns_no_host_red() -> None:
    assert too_small(host(), _PLACE, [network(1400), network(9216, mtu=9216)], TUNNELLED) is None


def test_guests_arrive_where_the_host_says() -> None:
    assert arrival_address(host(), _FOUND) == ("", None)
    assert arrival_address(host(migration="eth1"), _FOUND) == ("10.0.0.7", None)
    given_to_the_switch = Underlay(
        {"eth1": replace(_WIRE, addresses=frozenset()), "qx-phy": _WIRE}, "eth1", None
    )
    assert arrival_address(host(migration="eth1"), given_to_the_switch) == ("10.0.0.7", None)


@pytest.mark.parametrize("interface", ["eth2", "eth9"])
def test_an_interface_without_an_address_is_told(interface: str) -> None:
    address, problem = arrival_address(host(migration=interface), _FOUND)
    assert (address, problem and problem[0]) == ("", "MigrationInterfaceUnusable")
