"""The way through a floating IP, both ways, shown by ovn-trace on northd's flows."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from quantix_api.resources import FLOATING_IPS, HOSTS, NETWORKS, ROUTERS
from quantix_api.vm_status import NicStatus
from quantix_lab.ovn_central import OvnCentral

from .scenario import floating, guest, host, installation, web_group
from .world import SHARED, World, world

ADDRESS = "10.78.0.20"


@dataclass
class Net:
    """A web server with a floating IP, a guest without one, and somebody on the wire outside."""

    central: OvnCentral
    world: World
    web: NicStatus
    plain: NicStatus
    outside: NicStatus

    def comes_in(self, port: int = 80) -> bool:
        """Whether a packet from outside to the floating IP ends at the web server."""
        microflow = (
            f'inport == "{self.outside.port}" && eth.src == {self.outside.mac} && eth.dst == {self.mac} '
            f"&& ip4.src == {self.outside.addresses[0]} && ip4.dst == {ADDRESS} && ip.ttl == 64 "
            f"&& tcp && tcp.src == 40000 && tcp.dst == {port}"
        )
        return f'output to "{self.web.port}"' in self.central.trace(self.switch("outside"), microflow)

    def goes_out_as(self, nic: NicStatus, address: str) -> bool:
        """Whether a guest's packet to somebody outside has that address as its source."""
        microflow = (
            f'inport == "{nic.port}" && eth.src == {nic.mac} && eth.dst == {self.mac_of("10.77.0.1/24")} '
            f"&& ip4.src == {nic.addresses[0]} && ip4.dst == {self.outside.addresses[0]} && ip.ttl == 64 "
            "&& tcp && tcp.src == 40000 && tcp.dst == 443"
        )
        return f"(ip4.src={address})" in self.central.trace(self.switch("default"), microflow)

    def comes_straight(self, nic: NicStatus) -> bool:
        """Whether a packet from outside to the guest's own address ends at it."""
        mac = self.mac_of(f"{self.router_address}/24")
        microflow = (
            f'inport == "{self.outside.port}" && eth.src == {self.outside.mac} && eth.dst == {mac} '
            f"&& ip4.src == {self.outside.addresses[0]} && ip4.dst == {nic.addresses[0]} && ip.ttl == 64 "
            "&& tcp && tcp.src == 40000 && tcp.dst == 80"
        )
        return f'output to "{nic.port}"' in self.central.trace(self.switch("outside"), microflow)

    @property
    def router_address(self) -> str:
        """That of the router, outside."""
        return str(self.world.live(ROUTERS, f"{SHARED}/default")["status"]["address"])

    @property
    def mac(self) -> str:
        """The MAC that answers for the floating IP: its own, or the router's."""
        own = self.central.nbctl("--bare", "--columns=external_mac", "find", "NAT", "type=dnat_and_snat")
        return own.strip() or self.mac_of(f"{self.router_address}/24")

    def mac_of(self, address: str) -> str:
        """The MAC of the router's port with this address."""
        condition = f'networks="{address}"' if address.startswith("10.78") else f'networks{{>=}}"{address}"'
        return self.central.nbctl("--bare", "--columns=mac", "find", "Logical_Router_Port", condition).strip()

    def switch(self, name: str) -> str:
        """The name of a network's switch."""
        return str(self.world.live(NETWORKS, f"{SHARED}/{name}")["metadata"]["uid"])

    async def settle(self) -> None:
        """Let every change come into force."""
        await self.world.settle()
        self.central.sync()


@pytest.fixture(params=["Distributed", "Centralized"])
async def net(central: OvnCentral, request: pytest.FixtureRequest) -> AsyncIterator[Net]:
    async with world(central.northbound) as made:
        installation(made)
        web_group(made)
        if request.param == "Centralized":
            on_wire = {"physical": {"name": "site"}, "subnets": [{"cidr": "10.78.0.0/24"}]}
            made.change(NETWORKS, f"{SHARED}/outside", spec=on_wire)
            made.change(HOSTS, "h1", spec={"physicalNetworks": [{"name": "site", "interface": "eth9"}]})
            host(made, "h2")
        await made.settle()
        nics = {}
        for name, network in (("web", "default"), ("plain", "default"), ("outside", "outside")):
            key = guest(made, name, host="h1", network=f"shared/{network}", securityGroups=["web"])
            result = await made.ensure(key)
            assert result.ready, result.message
            nics[name] = result.nics[0]
        key = floating(made, "web", address=ADDRESS, virtualMachine="web")
        found = Net(central, made, **nics)
        await found.settle()
        assert made.live(FLOATING_IPS, key)["status"]["mode"] == request.param
        yield found


def test_what_comes_to_it_ends_at_the_nic_as_far_as_its_groups_let_it(net: Net) -> None:
    assert net.comes_in()
    assert not net.comes_in(81)


def test_the_guest_goes_out_with_it_and_its_neighbour_with_the_routers_address(net: Net) -> None:
    assert net.goes_out_as(net.web, ADDRESS)
    assert net.goes_out_as(net.plain, net.router_address)


async def test_nothing_comes_in_to_a_guests_own_address_unless_the_router_only_routes(net: Net) -> None:
    """A Router of somebody else, with a route there, sends such packets."""
    assert not net.comes_straight(net.plain)
    assert not net.comes_straight(net.web)
    way = {"networks": [{"name": "default"}], "external": {"network": "outside", "snat": "Disabled"}}
    net.world.change(ROUTERS, f"{SHARED}/default", spec=way)
    await net.settle()
    assert net.comes_straight(net.plain)


def test_the_wire_is_told_where_it_is(net: Net) -> None:
    """By gratuitous ARP of the chassis that answers for it (ovn-nb(5), nat-addresses)."""
    told = net.central.sbctl("--bare", "--columns=nat_addresses", "list", "Port_Binding")
    assert re.search(rf"{net.mac}(?: [0-9.]+)* {ADDRESS} ", told), told


async def test_after_it_is_detached_neither_goes_on(net: Net) -> None:
    net.world.change(FLOATING_IPS, "default/web", spec={"network": "shared/outside", "address": ADDRESS})
    await net.settle()
    assert net.central.nbctl("--bare", "--columns=_uuid", "find", "NAT", "type=dnat_and_snat") == ""
    assert not net.comes_in()
    assert net.goes_out_as(net.web, net.router_address)


def test_northd_has_nothing_to_complain_about(net: Net) -> None:
    assert net.central.complaints(net.switch("outside")) == []
