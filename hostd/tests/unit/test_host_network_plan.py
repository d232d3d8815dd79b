"""What is wanted of the host's network, and the firewalls of others."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Host, Network
from quantix_hostd.clients.nft import find_forward_blockers
from quantix_hostd.host.network.desired import desired_network
from quantix_hostd.host.network.model import (
    AddAddress,
    EnsureBridge,
    NetworkState,
    ReplacePacketFilter,
    SetExternalIds,
    WayOut,
)
from quantix_hostd.host.network.plan import plan_network
from quantix_hostd.host.network.tunnel import TunnelPlace
from quantix_hostd.packet_filter import render_tables

_MAC = "0e:aa:bb:cc:dd:ee"
_TUNNEL = TunnelPlace("10.0.0.1", 1500)
_LEG = {
    "port": "a51b3053-c2cf-5656-b399-e17845987ff8",
    "mac": "0e:11:22:33:44:55",
    "addresses": ["100.64.0.2/16"],
    "gateway": "100.64.0.1",
    "prefixes": ["10.77.0.0/24"],
    "mtu": 1342,
}


def host(**status: Any) -> Host:
    return Host.model_validate({"metadata": {"name": "h1", "uid": "u-1"}, "spec": {}, "status": status})


def network(name: str, **spec: Any) -> Network:
    return Network.model_validate({"metadata": {"name": name, "namespace": "quantix-shared"}, "spec": spec})


def test_only_untagged_networks_on_the_hosts_own_wire_are_ways_out() -> None:
    subnets = [{"cidr": "172.31.0.0/24"}]
    networks = [
        network(
            "outside",
            physical={"name": "qx-local"},
            subnets=[{"cidr": "172.30.0.0/24", "gateway": "172.30.0.9"}],
        ),
        network("other", physical={"name": "qx-local"}, subnets=subnets),
        network("tagged", physical={"name": "qx-local", "vlan": 5}, subnets=subnets),
        network("wire", physical={"name": "physnet1"}, subnets=subnets),
        network("overlay", subnets=subnets),
    ]
    spec = desired_network(host(), networks, "unix:sb", _TUNNEL, "netdev", way_out_mac=_MAC)
    assert spec.ways_out == (
        WayOut("172.31.0.1/24", "172.31.0.0/24"),
        WayOut("172.30.0.9/24", "172.30.0.0/24"),
    )


def test_the_leg_is_what_the_operator_wrote_and_nothing_before() -> None:
    assert desired_network(host(), [], "unix:sb", _TUNNEL, "system", way_out_mac=_MAC).leg is None
    leg = desired_network(host(hostLeg=_LEG), [], "unix:sb", _TUNNEL, "system", way_out_mac=_MAC).leg
    assert leg is not None
    assert (leg.addresses, leg.gateways, leg.prefixes) == (
        ("100.64.0.2/16",),
        ("100.64.0.1",),
        ("10.77.0.0/24",),
    )


@pytest.mark.parametrize(
    ("cidr", "own"),
    [("172.30.0.0/24", "172.30.0.1/24"), ("172.30.0.0/31", "172.30.0.0/31"), ("fd00::/64", "fd00::1/64")],
)
def test_the_host_has_the_gateway_that_the_operator_names_where_nothing_is_said(cidr: str, own: str) -> None:
    outside = network("outside", physical={"name": "qx-local"}, subnets=[{"cidr": cidr}])
    spec = desired_network(host(), [outside], "unix:sb", _TUNNEL, "netdev", way_out_mac=_MAC)
    assert [way.gateway for way in spec.ways_out] == [own]
    assert outside.spec.subnets[0].effective_gateway == own.split("/")[0]


def test_only_our_own_keys_of_a_shared_map_are_written() -> None:
    spec = desired_network(host(), [], "unix:sb", _TUNNEL, "netdev", way_out_mac=_MAC)
    state = NetworkState(external_ids={"theirs": "1", "system-id": "random"})
    written = next(action for action in plan_network(spec, state) if isinstance(action, SetExternalIds))
    values = dict(written.values)
    assert values["system-id"] == "u-1"
    assert "theirs" not in values


def test_an_ovn_that_is_ours_may_move() -> None:
    spec = desired_network(host(), [], "unix:new", _TUNNEL, "netdev", way_out_mac=_MAC)
    ours = {"ovn-remote": "unix:old", "quantix.io/host": "u-1"}
    written = [
        a for a in plan_network(spec, NetworkState(external_ids=ours)) if isinstance(a, SetExternalIds)
    ]
    assert dict(written[0].values)["ovn-remote"] == "unix:new"


def test_the_table_lists_each_prefix_once() -> None:
    text = render_tables(["10.0.0.0/24", "10.0.0.0/24"], "qx-ex")
    assert text.count("masquerade") == 1


def test_the_door_is_closed_before_the_bridge_has_an_address() -> None:
    outside = network("outside", physical={"name": "qx-local"}, subnets=[{"cidr": "172.30.0.0/24"}])
    spec = desired_network(host(), [outside], "unix:sb", _TUNNEL, "netdev", way_out_mac=_MAC)
    kinds = [type(action) for action in plan_network(spec, NetworkState())]
    assert kinds.index(ReplacePacketFilter) < kinds.index(AddAddress)


def test_what_comes_by_the_way_out_has_a_place_there_before_anything_else_counts() -> None:
    text = render_tables(["10.0.0.0/24"], "qx-ex")
    rules = [
        line.strip() for line in text.partition("chain prerouting {")[2].partition("\t}")[0].splitlines()
    ]
    assert rules[2:6] == [
        'iifname != "qx-ex" accept',
        "meta nfproto ipv4 fib saddr . iif oif missing drop",
        'meta nfproto ipv6 fib saddr . iif oif missing fib saddr oifname != "qxh0" drop',
        "fib daddr type != local accept",
    ]


def test_the_platforms_addresses_are_part_of_what_is_wanted() -> None:
    spec = desired_network(
        host(), [], "unix:sb", _TUNNEL, "netdev", way_out_mac=_MAC, platform=frozenset({"10.9.0.2"})
    )
    (tables,) = (a.text for a in plan_network(spec, NetworkState()) if isinstance(a, ReplacePacketFilter))
    assert "ip daddr 10.9.0.2 drop" in tables


def test_only_the_bridge_of_the_way_out_gets_a_mac_of_ours() -> None:
    spec = desired_network(host(), [], "unix:sb", _TUNNEL, "netdev", way_out_mac=_MAC)
    bridges = [action for action in plan_network(spec, NetworkState()) if isinstance(action, EnsureBridge)]
    assert {bridge.name: bridge.mac for bridge in bridges} == {"qx-int": "", "qx-ex": _MAC}


def chain(**fields: Any) -> dict[str, Any]:
    base = {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}
    return {"chain": base | fields}


def rule(text: str, table: str = "filter") -> dict[str, Any]:
    return {"rule": {"family": "ip", "table": table, "expr": [{"match": {"right": text}}, {"accept": None}]}}


def test_a_chain_that_drops_what_is_forwarded_is_a_blocker() -> None:
    assert find_forward_blockers([chain()], "qx-ex") == ("ip filter FORWARD",)
    assert find_forward_blockers([chain(policy="accept")], "qx-ex") == ()
    assert find_forward_blockers([chain(hook="input")], "qx-ex") == ()
    assert find_forward_blockers([chain(family="ip6")], "qx-ex") == ()
    assert find_forward_blockers([chain(), rule("qx-ex")], "qx-ex") == ()
    assert find_forward_blockers([chain(), rule("docker0")], "qx-ex") == ("ip filter FORWARD",)
