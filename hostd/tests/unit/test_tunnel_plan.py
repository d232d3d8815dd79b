"""Which interface carries the tunnels between hosts, and how its address gets to where it has to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_hostd.facts.links import DefaultRoute, LinkFacts
from quantix_hostd.facts.switch import OWNER_KEY, BridgeFacts, InterfaceFacts
from quantix_hostd.host.network.model import (
    MARK,
    WIRE,
    AddAddress,
    AttachPort,
    EnsureBridge,
    NetworkAction,
    NetworkSpec,
    NetworkState,
    RemoveAddress,
    RemoveBridge,
    SetLink,
    TunnelWire,
)
from quantix_hostd.host.network.tunnel import TunnelPlace, Underlay, attached_wire, plan_wire, tunnel_place
from quantix_hostd.packet_filter import render_tables

_WAY_OUT = LinkFacts(True, 1400, "02:00:00:00:00:01", frozenset({"192.0.2.2/24"}))
_WIRE = LinkFacts(True, 9000, "02:00:00:00:00:02", frozenset({"fd00::7/64", "10.0.0.7/24"}))
_LINKS = {"lo": replace(_WAY_OUT, addresses=frozenset()), "eth0": _WAY_OUT, "eth1": _WIRE}
_DEFAULT = DefaultRoute("eth0", "192.0.2.2")
_FOUND = Underlay(_LINKS, "", _DEFAULT, frozenset({"192.0.2.2"}))
_SPEC = NetworkSpec("u-1", "h1", "ssl:sb", "10.0.0.7", "netdev", "0e:00:00:00:00:01")
_TAKEN = TunnelWire("eth1", _WIRE.mac, 9000, _WIRE.addresses)


def place(interface: str | None, datapath: str = "netdev", found: Underlay = _FOUND) -> TunnelPlace:
    return tunnel_place("h1", interface, datapath, found)


def reason(of: TunnelPlace) -> str:
    return of.problem[0] if of.problem is not None else ""


def test_nothing_is_named_and_tunnels_are_on_the_way_out() -> None:
    assert place(None) == TunnelPlace("192.0.2.2", 1400)
    assert place(None, found=replace(_FOUND, default=None)) == TunnelPlace("127.0.0.1", 1500)


def test_a_host_among_others_needs_a_wire_for_tunnels_without_the_kernels_datapath() -> None:
    member = replace(_FOUND, member=True)
    nameless = place(None, found=member)
    assert (nameless.address, reason(nameless)) == ("192.0.2.2", "TunnelInterfaceUnusable")
    assert reason(place(None, "system", member)) == ""
    assert reason(place("eth1", found=member)) == ""


def test_the_kernels_datapath_takes_the_interface_as_it_is() -> None:
    assert place("eth1", "system") == TunnelPlace("10.0.0.7", 9000)
    assert place("eth0", "system") == TunnelPlace("192.0.2.2", 1400)


def test_without_it_the_interface_goes_to_the_switch_with_its_addresses() -> None:
    assert place("eth1") == TunnelPlace("10.0.0.7", 9000, _TAKEN)


def test_the_address_is_found_again_where_it_was_put() -> None:
    links = {**_LINKS, "eth1": replace(_WIRE, addresses=frozenset()), "qx-phy": _WIRE}
    assert place("eth1", found=replace(_FOUND, links=links, attached="eth1")) == place("eth1")
    # what another interface has put there is not this one's
    assert (
        reason(place("eth1", found=replace(_FOUND, links=links, attached="eth2")))
        == "TunnelInterfaceUnusable"
    )


def test_an_interface_that_others_need_is_not_taken() -> None:
    way_out = place("eth0")
    assert (way_out.wire, reason(way_out)) == (None, "TunnelInterfaceShared")
    assert way_out.address == "192.0.2.2"
    served = place("eth1", found=replace(_FOUND, own_addresses=frozenset({"10.0.0.7"})))
    assert (served.wire, reason(served)) == (None, "TunnelInterfaceShared")
    assert "10.0.0.7" in (served.problem or ("", ""))[1]
    # and given back when it became one
    links = {**_LINKS, "eth1": replace(_WIRE, addresses=frozenset()), "qx-phy": _WIRE}
    moved = Underlay(links, "eth1", DefaultRoute("qx-phy", "10.0.0.7"))
    assert (place("eth1", found=moved).wire, reason(place("eth1", found=moved))) == (
        None,
        "TunnelInterfaceShared",
    )


@pytest.mark.parametrize("datapath", ["netdev", "system"])
def test_an_interface_that_is_not_there_or_has_no_address_is_named(datapath: str) -> None:
    missing = place("eth9", datapath)
    assert reason(missing) == "TunnelInterfaceUnusable"
    assert "there is eth0, eth1" in (missing.problem or ("", ""))[1]
    bare = {**_LINKS, "eth1": replace(_WIRE, addresses=frozenset())}
    without = place("eth1", datapath, replace(_FOUND, links=bare))
    assert (without.address, reason(without)) == ("127.0.0.1", "TunnelInterfaceUnusable")
    assert "has no address" in (without.problem or ("", ""))[1]


class World:
    """A machine on which the actions work."""

    def __init__(self, **links: LinkFacts) -> None:
        self.links = {"eth1": _WIRE, **links}
        self.bridges: dict[str, BridgeFacts] = {}
        self.interfaces: dict[str, InterfaceFacts] = {}

    def state(self) -> NetworkState:
        return NetworkState(bridges=self.bridges, interfaces=self.interfaces, links=self.links)

    def act(self, action: NetworkAction) -> None:
        match action:
            case EnsureBridge():
                ports = self.bridges[action.name].ports if action.name in self.bridges else frozenset[str]()
                ids = {OWNER_KEY: action.owner, WIRE: action.wire}
                self.bridges[action.name] = BridgeFacts(
                    action.datapath, action.fail_mode, action.mac, ids, ports | {action.name}
                )
                self.links.setdefault(action.name, LinkFacts(False, 1500, action.mac, frozenset()))
            case AttachPort():
                bridge = self.bridges[action.bridge]
                self.bridges[action.bridge] = replace(bridge, ports=bridge.ports | {action.device})
                self.interfaces[action.device] = InterfaceFacts("", "", None, {MARK: action.owner})
            case RemoveBridge():
                for port in self.bridges.pop(action.name).ports:
                    self.interfaces.pop(port, None)
                self.links.pop(action.name)
            case SetLink():
                link = self.links[action.device]
                self.links[action.device] = replace(link, up=True, mtu=action.mtu or link.mtu)
            case AddAddress():
                self._give(action.device, lambda had: had | {action.address})
            case RemoveAddress():
                self._give(action.device, lambda had: had - {action.address})
            case _:
                raise AssertionError(action)

    def _give(self, device: str, change: Any) -> None:
        link = self.links[device]
        self.links[device] = replace(link, addresses=change(link.addresses))

    def addresses(self) -> frozenset[str]:
        return frozenset().union(*(link.addresses for link in self.links.values()))

    def wish(self, interface: str | None) -> NetworkSpec:
        """As the controller wishes it at this moment."""
        found = Underlay(self.links, attached_wire(self.bridges), None)
        return replace(_SPEC, wire=place(interface, found=found).wire)

    def reach(self, interface: str | None, steps: int = 1000) -> None:
        for _ in range(6):
            actions = plan_wire(self.wish(interface), self.state())
            for action in actions:
                if steps == 0:
                    return
                steps -= 1
                self.act(action)


def test_the_wire_is_taken_and_then_nothing_is_left_to_do() -> None:
    world = World()
    world.reach("eth1")
    assert world.bridges["qx-phy"].ports == {"qx-phy", "eth1"}
    assert world.links["qx-phy"] == _WIRE
    assert world.links["eth1"].addresses == frozenset()
    assert plan_wire(world.wish("eth1"), world.state()) == ()


def test_the_address_goes_back_when_nobody_names_the_wire_any_more() -> None:
    world = World()
    world.reach("eth1")
    world.reach(None)
    assert world.bridges == {}
    assert world.links == {"eth1": _WIRE}
    assert plan_wire(world.wish(None), world.state()) == ()


def test_another_wire_takes_the_place_of_the_first() -> None:
    other = LinkFacts(False, 1500, "02:00:00:00:00:03", frozenset({"10.0.1.7/24"}))
    world = World(eth2=other)
    world.reach("eth1")
    world.reach("eth2")
    assert world.links["eth1"] == _WIRE
    assert world.links["qx-phy"] == replace(other, up=True)
    assert world.bridges["qx-phy"].ports == {"qx-phy", "eth2"}


def test_a_wire_that_somebody_took_out_of_the_bridge_comes_back_with_its_address() -> None:
    world = World()
    world.reach("eth1")
    bridge = world.bridges["qx-phy"]
    world.bridges["qx-phy"] = replace(bridge, ports=frozenset({"qx-phy"}))
    world.reach("eth1")
    assert world.bridges["qx-phy"] == bridge
    world.bridges["qx-phy"] = replace(bridge, ports=frozenset({"qx-phy"}))
    world.reach(None)
    assert world.links == {"eth1": _WIRE}


def test_an_interface_that_vanishes_leaves_the_bridge_to_be_put_away() -> None:
    world = World()
    world.reach("eth1")
    del world.links["eth1"]
    world.reach("eth1")
    assert world.bridges == {}


@given(steps=st.integers(0, 8), wish=st.sampled_from(["eth1", None]))
def test_wherever_hostd_ends_no_address_is_lost_and_the_next_one_goes_on(
    steps: int, wish: str | None
) -> None:
    world = World()
    if wish is None:
        world.reach("eth1")
    world.reach(wish, steps)
    assert world.addresses() == _WIRE.addresses
    world.reach(wish)
    assert plan_wire(world.wish(wish), world.state()) == ()
    assert world.addresses() == _WIRE.addresses
    assert ("qx-phy" in world.links) is (wish is not None)


def test_the_hosts_own_stack_does_not_answer_on_the_wire_what_the_bridge_answers() -> None:
    tables = render_tables([], "qx-ex", ["eth1"])
    assert (tables.count('iifname "eth1" drop'), tables.count('oifname "eth1" drop')) == (2, 2)
    assert "eth1" not in render_tables([], "qx-ex")
