"""Every kind of rule, shown by ovn-trace on northd's flows to let through and to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from quantix_api.resources import HOSTS, NETWORKS, SECURITY_GROUPS
from quantix_api.vm_status import NicStatus
from quantix_lab.ovn_central import OvnCentral

from .scenario import guest, installation, web_group
from .world import SHARED, World, world


@dataclass
class Net:
    """A web server, a client of nobody's group, and a database that lets the web server in."""

    central: OvnCentral
    world: World
    web: NicStatus
    client: NicStatus
    db: NicStatus
    wire: NicStatus

    def reaches(self, source: NicStatus, target: NicStatus, packet: str, family: int = 4) -> bool:
        """Whether a packet of one NIC comes out at another's port of the same switch."""
        place = 0 if family == 4 else 1
        microflow = (
            f'inport == "{source.port}" && eth.src == {source.mac} && eth.dst == {target.mac} '
            f"&& ip{family}.src == {source.addresses[place]} && ip{family}.dst == {target.addresses[place]} "
            f"&& ip.ttl == 64 && {packet}"
        )
        return self.arrives(self.switch, microflow, target.port or "")

    @property
    def switch(self) -> str:
        """The name of the guests' switch."""
        return str(self.world.live(NETWORKS, f"{SHARED}/default")["metadata"]["uid"])

    def arrives(self, datapath: str, microflow: str, port: str) -> bool:
        """Whether a packet ends at a port."""
        return f'output to "{port}"' in self.central.trace(datapath, microflow)


@pytest.fixture
async def net(central: OvnCentral) -> AsyncIterator[Net]:
    async with world(central.northbound) as made:
        installation(made)
        web_group(made)
        made.add(
            SECURITY_GROUPS,
            "db",
            {
                "ingress": [
                    {"protocol": "TCP", "ports": [{"port": 5432}], "from": [{"group": "web"}]},
                    {"protocol": "UDP", "ports": [{"port": 5000, "endPort": 5010}]},
                    {"protocol": "ICMP", "from": [{"cidr": "10.77.0.0/24"}]},
                    {
                        "protocol": "TCP",
                        "ports": [{"port": 9000}],
                        "from": [{"cidr": f"10.77.{n}.0/24"} for n in range(8)],
                    },
                ],
                "egress": [{"protocol": "TCP", "ports": [{"port": 443}], "to": [{"cidr": "10.0.0.0/8"}]}],
            },
            namespace="default",
        )
        made.add(SECURITY_GROUPS, "none", {}, namespace="default")
        await made.settle()
        nics = {}
        for name, group in (("web", "web"), ("client", "none"), ("db", "db")):
            result = await made.ensure(guest(made, name, host="h1", securityGroups=[group]))
            assert result.ready, result.message
            nics[name] = result.nics[0]
        on_wire = guest(made, "wire", host="h1", network="shared/outside", securityGroups=["none"])
        nics["wire"] = (await made.ensure(on_wire)).nics[0]
        await made.settle()
        central.sync()
        yield Net(central, made, **nics)


SYN = "tcp && tcp.src == 40000 && tcp.dst == {port}"
DATAGRAM = "udp && udp.src == {source} && udp.dst == {port}"


@pytest.mark.parametrize("family", [4, 6])
def test_a_port_is_open_and_its_neighbour_is_not(net: Net, family: int) -> None:
    assert net.reaches(net.client, net.web, SYN.format(port=80), family)
    assert not net.reaches(net.client, net.web, SYN.format(port=81), family)
    assert not net.reaches(net.client, net.web, DATAGRAM.format(source=40000, port=80), family)


@pytest.mark.parametrize("family", [4, 6])
def test_a_rule_for_a_group_lets_in_its_members_only(net: Net, family: int) -> None:
    assert net.reaches(net.web, net.db, SYN.format(port=5432), family)
    assert not net.reaches(net.client, net.db, SYN.format(port=5432), family)


@pytest.mark.parametrize(
    ("port", "open_"), [(4999, False), (5000, True), (5007, True), (5010, True), (5011, False)]
)
def test_a_range_has_both_its_ends(net: Net, port: int, open_: bool) -> None:
    assert net.reaches(net.client, net.db, DATAGRAM.format(source=40000, port=port)) is open_


def test_icmp_from_a_prefix_is_for_that_family_alone(net: Net) -> None:
    assert net.reaches(net.client, net.db, "icmp4 && icmp4.type == 8")
    assert not net.reaches(net.client, net.db, "icmp6 && icmp6.type == 128", 6)
    assert not net.reaches(net.client, net.web, "icmp4 && icmp4.type == 8")


def test_many_prefixes_work_as_few_do(net: Net) -> None:
    assert net.reaches(net.client, net.db, SYN.format(port=9000))
    assert not net.reaches(net.client, net.db, SYN.format(port=9000), 6)


@pytest.mark.parametrize("family", [4, 6])
def test_a_group_that_lists_egress_lets_out_nothing_else(net: Net, family: int) -> None:
    assert not net.reaches(net.db, net.web, SYN.format(port=80), family)
    assert net.reaches(net.web, net.db, SYN.format(port=5432), family)


def test_what_is_allowed_out_goes_out(net: Net) -> None:
    microflow = (
        f'inport == "{net.db.port}" && eth.src == {net.db.mac} && eth.dst == {net.web.mac} '
        f"&& ip4.src == {net.db.addresses[0]} && ip4.dst == {net.web.addresses[0]} && ip.ttl == 64"
    )
    # Past the sender's own rules, and stopped by the receiver's: only in the egress pipeline
    assert "egress(dp=" in net.central.trace(net.switch, f"{microflow} && {SYN.format(port=443)}")
    assert "egress(dp=" not in net.central.trace(net.switch, f"{microflow} && {SYN.format(port=444)}")


@pytest.mark.parametrize("family", [4, 6])
def test_nobody_slips_in_as_a_name_server(net: Net, family: int) -> None:
    """CVE-2025-0650, which this OVN has: the switch has names, so source port 53 would pass every rule."""
    assert not net.reaches(net.client, net.web, DATAGRAM.format(source=53, port=9999), family)


def test_a_guest_cannot_send_as_another(net: Net) -> None:
    microflow = (
        f'inport == "{net.client.port}" && eth.src == {net.client.mac} && eth.dst == {net.web.mac} '
        f"&& ip4.src == 10.77.0.250 && ip4.dst == {net.web.addresses[0]} && ip.ttl == 64 && "
    )
    microflow += SYN.format(port=80)
    assert not net.arrives(net.switch, microflow, net.web.port or "")


def test_a_guest_that_asks_for_a_lease_is_answered_by_ovn(net: Net) -> None:
    microflow = (
        f'inport == "{net.db.port}" && eth.src == {net.db.mac} && eth.dst == ff:ff:ff:ff:ff:ff '
        "&& ip4.src == 0.0.0.0 && ip4.dst == 255.255.255.255 && ip.ttl == 64 "
        "&& udp.src == 68 && udp.dst == 67"
    )
    trace = net.central.trace(net.switch, microflow)
    assert f"offerip = {net.db.addresses[0]}" in trace
    assert f'output to "{net.db.port}"' in trace


def test_the_host_reaches_guests_through_the_router_and_guests_do_not_reach_the_host(net: Net) -> None:
    leg = net.world.live(HOSTS, "h1")["status"]["hostLeg"]
    router = leg["gateway"]
    gateway_mac = net.central.nbctl(
        "--bare", "--columns=mac", "find", "Logical_Router_Port", f'networks{{>=}}"{router}/22"'
    ).strip()
    address = leg["addresses"][0].split("/")[0]
    hosts = net.central.nbctl(
        "--bare", "--columns=name", "find", "Logical_Switch", 'external_ids:"quantix.io/kind"=Cluster'
    ).strip()
    out = (
        f'inport == "{leg["port"]}" && eth.src == {leg["mac"]} && eth.dst == {gateway_mac} '
        f"&& ip4.src == {address} && ip4.dst == {net.web.addresses[0]} && ip.ttl == 64 && "
    )
    assert net.arrives(hosts, out + SYN.format(port=80), net.web.port or "")
    assert not net.arrives(hosts, out + SYN.format(port=81), net.web.port or "")
    guests_gateway = net.central.nbctl(
        "--bare", "--columns=mac", "find", "Logical_Router_Port", 'networks{>=}"10.77.0.1/24"'
    ).strip()
    back = (
        f'inport == "{net.web.port}" && eth.src == {net.web.mac} && eth.dst == {guests_gateway} '
        f"&& ip4.src == {net.web.addresses[0]} && ip4.dst == {address} && ip.ttl == 64 && "
    )
    back += SYN.format(port=22)
    assert not net.arrives(net.switch, back, leg["port"])


def test_on_a_wire_the_sites_dhcp_servers_answer_and_no_guest_does(net: Net) -> None:
    answer = (
        "eth.dst == ff:ff:ff:ff:ff:ff && ip4.src == {server} && ip4.dst == 255.255.255.255 "
        "&& ip.ttl == 64 && udp.src == 67 && udp.dst == 68"
    )
    wire = net.world.live(NETWORKS, f"{SHARED}/outside")["metadata"]["uid"]
    localnet = net.central.nbctl("--bare", "--columns=name", "find", "Logical_Switch_Port", "type=localnet")
    guest_port = net.wire
    from_site = f'inport == "{localnet.strip()}" && eth.src == 00:00:00:00:00:01 && ' + answer.format(
        server="10.78.0.1"
    )
    assert net.arrives(wire, from_site, guest_port.port or "")
    from_guest = f'inport == "{guest_port.port}" && eth.src == {guest_port.mac} && ' + answer.format(
        server=guest_port.addresses[0]
    )
    assert not net.arrives(wire, from_guest, localnet.strip())


def test_a_guest_may_join_a_multicast_group(net: Net) -> None:
    microflow = (
        f'inport == "{net.db.port}" && eth.src == {net.db.mac} && eth.dst == 01:00:5e:00:00:16 '
        f"&& ip4.src == {net.db.addresses[0]} && ip4.dst == 224.0.0.22 && ip.ttl == 1 && ip.proto == "
    )
    assert net.arrives(net.switch, microflow + "2", net.web.port or "")
    assert not net.arrives(net.switch, microflow + "89", net.web.port or "")


async def test_a_vlan_becomes_the_tag_of_the_wire(net: Net) -> None:
    net.world.change(HOSTS, "h1", spec={"physicalNetworks": [{"name": "physnet1", "interface": "eth1"}]})
    network = net.world.add(NETWORKS, "dmz", {"physical": {"name": "physnet1", "vlan": 100}})
    await net.world.networks.reconcile(f"{SHARED}/dmz")
    net.central.sync()
    owner = f'external_ids:"quantix.io/owner"="{network["metadata"]["uid"]}"'
    assert net.central.sbctl("--bare", "--columns=tag", "find", "Port_Binding", owner).strip() == "100"


def test_northd_and_the_flows_have_nothing_to_complain_about(net: Net) -> None:
    assert net.central.complaints(net.switch) == []
