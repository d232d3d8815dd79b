"""Which interfaces become wires of the site, and the bridges that OVN joins Networks to them by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quantix_api import Host
from quantix_hostd.facts.links import DefaultRoute, LinkFacts
from quantix_hostd.facts.switch import OWNER_KEY, BridgeFacts, InterfaceFacts
from quantix_hostd.host.network.model import (
    MARK,
    AttachPort,
    EnsureBridge,
    NetworkSpec,
    NetworkState,
    PhysicalWire,
    RemoveBridge,
    SetLink,
)
from quantix_hostd.host.network.physical import bridge_of, mappings, physical_wires, plan_physical, wire_mtus
from quantix_hostd.host.network.plan import plan_packet_filter, wanted_external_ids

_PLAIN = LinkFacts(True, 1500, "02:00:00:00:00:03", frozenset())
_LINKS = {
    "eth0": replace(_PLAIN, addresses=frozenset({"192.0.2.2/24"})),
    "eth1": replace(_PLAIN, addresses=frozenset({"10.0.0.7/24"})),
    "eth2": _PLAIN,
    "eth3": _PLAIN,
}
_DEFAULT = DefaultRoute("eth0", "192.0.2.2")
_SITE = PhysicalWire("site", "qx-w-site", "eth2")
_SPEC = NetworkSpec("u-1", "h1", "ssl:sb", "10.0.0.7", "netdev", "0e:00:00:00:00:01", physical=(_SITE,))


def host(*wires: tuple[str, str], tunnel: str | None = None) -> Host:
    spec: dict[str, Any] = {
        "physicalNetworks": [{"name": name, "interface": interface} for name, interface in wires]
    }
    if tunnel:
        spec["interfaces"] = {"tunnel": tunnel}
    return Host.model_validate({"metadata": {"name": "h1", "uid": "u-1"}, "spec": spec})


def test_what_fits_through_a_wire_is_what_its_interface_takes() -> None:
    links = {**_LINKS, "eth2": replace(_PLAIN, mtu=9000)}
    assert wire_mtus((_SITE,), links, _DEFAULT) == {"site": 9000, "qx-local": 1500}
    assert wire_mtus((), links, None) == {}


def right_state(spec: NetworkSpec = _SPEC) -> NetworkState:
    """As it is once all was done."""
    return NetworkState(
        bridges={
            wire.bridge: BridgeFacts(
                "netdev", "standalone", "", {OWNER_KEY: "u-1"}, frozenset({wire.bridge, wire.device})
            )
            for wire in spec.physical
        },
        interfaces={wire.device: InterfaceFacts("", "", None, {MARK: "u-1"}) for wire in spec.physical},
        links=_LINKS,
    )


def test_an_interface_that_the_host_does_not_use_becomes_a_wire() -> None:
    wires, problem = physical_wires(host(("site", "eth2")), _LINKS, _DEFAULT)
    assert (wires, problem) == ((_SITE,), None)
    assert mappings(wires) == "qx-local:qx-ex,site:qx-w-site"
    assert wanted_external_ids(_SPEC)["ovn-bridge-mappings"] == "qx-local:qx-ex,site:qx-w-site"


@pytest.mark.parametrize(
    ("wire", "tunnel", "said"),
    [
        (("site", "eth9"), None, "eth9, which h1 is to have for physical network site, is not there"),
        (("site", "eth0"), None, "it has 192.0.2.2/24"),
        (("site", "eth1"), None, "it has 10.0.0.7/24"),
        (("site", "eth2"), "eth2", "is its wire for tunnels"),
    ],
)
def test_what_the_host_needs_itself_is_not_taken(
    wire: tuple[str, str], tunnel: str | None, said: str
) -> None:
    wires, problem = physical_wires(host(wire, ("other", "eth3"), tunnel=tunnel), _LINKS, _DEFAULT)
    assert [found.name for found in wires] == ["other"], "another wire is not affected"
    assert problem is not None
    assert problem[0] == "PhysicalNetworkUnusable"
    assert said in problem[1]


def test_a_bridge_is_made_and_the_interface_put_into_it() -> None:
    links = {**_LINKS, "eth2": replace(_PLAIN, up=False)}
    assert list(plan_physical(_SPEC, NetworkState(links=links))) == [
        EnsureBridge("qx-w-site", "netdev", "standalone", "u-1", ""),
        AttachPort("qx-w-site", "eth2", "u-1"),
        SetLink("eth2", None),
    ]


def test_nothing_is_left_to_do_afterwards() -> None:
    assert list(plan_physical(_SPEC, right_state())) == []


def test_a_wire_that_is_named_no_more_goes_and_what_others_made_stays() -> None:
    state = right_state()
    foreign = BridgeFacts("netdev", "standalone", "", {}, frozenset())
    bridges = {**state.bridges, "qx-w-mine": foreign, "br0": foreign}
    without = replace(_SPEC, physical=())
    assert list(plan_physical(without, replace(state, bridges=bridges))) == [RemoveBridge("qx-w-site")]


def test_a_wire_that_comes_in_by_another_interface_leaves_the_first() -> None:
    moved = replace(_SPEC, physical=(replace(_SITE, device="eth3"),))
    assert list(plan_physical(moved, right_state())) == [
        RemoveBridge("qx-w-site"),
        EnsureBridge("qx-w-site", "netdev", "standalone", "u-1", ""),
        AttachPort("qx-w-site", "eth3", "u-1"),
    ]


def test_names_of_bridges_fit_whatever_the_wire_is_called() -> None:
    assert bridge_of("site") == "qx-w-site"
    long = {bridge_of("datacentre-1-trunk"), bridge_of("datacentre-2-trunk")}
    assert len(long) == 2
    assert all(len(name) == 15 and name.startswith("qx-w-") for name in long)


def test_the_hosts_own_stack_hears_and_says_nothing_on_a_wire_of_the_site() -> None:
    (tables,) = (action.text for action in plan_packet_filter(_SPEC, ""))
    assert (tables.count('iifname "eth2" drop'), tables.count('oifname "eth2" drop')) == (2, 2)
