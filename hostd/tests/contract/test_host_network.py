"""The host's network on a real Open vSwitch, real routes and a real packet filter, in a namespace of its
own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api import Host, Network
from quantix_api.layout import Layout
from quantix_hostd.clients.netlink import NetlinkClient
from quantix_hostd.clients.nft import NftClient
from quantix_hostd.clients.ovs import OvsClient
from quantix_hostd.clients.ovs_ports import OvsGuestPorts
from quantix_hostd.host.network.controller import (
    HostNetwork,
    NetworkClients,
    apply_network,
    observe_network,
)
from quantix_hostd.host.network.door import HostDoor
from quantix_hostd.host.network.model import LegSpec, NetworkSpec, WayOut
from quantix_hostd.host.network.plan import plan_network
from quantix_lab.open_vswitch import OpenVSwitch

_SB = "unix:/run/test/ovnsb_db.sock"
_CLUSTER = "11111111-1111-4111-8111-111111111111"
_LEG = LegSpec(
    port="a51b3053-c2cf-5656-b399-e17845987ff8",
    mac="0e:11:22:33:44:55",
    addresses=("100.64.0.2/16", "fd00:64::2/64"),
    gateways=("100.64.0.1", "fd00:64::1"),
    prefixes=("10.77.0.0/24", "fd00:77::/64"),
    mtu=1342,
)
_SPEC = NetworkSpec(
    system_id="11111111-2222-3333-4444-555555555555",
    host="h1",
    southbound=_SB,
    tunnel_address="127.0.0.1",
    datapath="netdev",
    way_out_mac="0e:aa:bb:cc:dd:ee",
    leg=_LEG,
    ways_out=(WayOut("172.31.0.1/24", "172.31.0.0/24"),),
)


@pytest.fixture
def clients(switch: OpenVSwitch) -> NetworkClients:
    inside = switch.namespace
    return NetworkClients(OvsClient(switch.database), NetlinkClient(inside), NftClient(inside))


async def reach(clients: NetworkClients, spec: NetworkSpec) -> int:
    """Act until nothing is left; the number of actions of the first round."""
    first = plan_network(spec, await observe_network(clients))
    door = HostDoor(clients.nft)
    door.want(spec)
    for _ in range(3):
        await apply_network(clients, door, plan_network(spec, await observe_network(clients)))
    assert plan_network(spec, await observe_network(clients)) == ()
    return len(first)


async def test_everything_is_made_and_then_nothing_is_left_to_do(
    clients: NetworkClients, switch: OpenVSwitch
) -> None:
    assert await reach(clients, _SPEC) > 0
    routes = switch.inside("ip", "route")
    assert "10.77.0.0/24 via 100.64.0.1 dev qxh0" in routes
    assert "fd00:77::/64 via fd00:64::1 dev qxh0" in switch.inside("ip", "-6", "route")
    assert "172.31.0.1/24" in switch.inside("ip", "addr", "show", "qx-ex")
    links = await clients.netlink.links()
    assert (links["qxh0"].mac, links["qxh0"].mtu) == (_LEG.mac, 1342)
    assert links["qx-ex"].mac == _SPEC.way_out_mac
    assert 'ip saddr 172.31.0.0/24 oifname != "qx-ex" masquerade' in switch.inside("nft", "list", "ruleset")
    assert switch.inside("sysctl", "-n", "net.ipv4.ip_forward").strip() == "1"
    assert switch.vsctl("get", "Interface", "qxh0", "external_ids:iface-id").strip().strip('"') == _LEG.port
    assert switch.vsctl("get-fail-mode", "qx-int").strip() == "secure"
    ids = await clients.ovs.external_ids()
    assert (ids["ovn-remote"], ids["ovn-bridge-mappings"]) == (_SB, "qx-local:qx-ex")


@pytest.mark.parametrize(
    "harm",
    [
        ("ovs-vsctl", "del-br", "qx-int"),
        ("ovs-vsctl", "del-br", "qx-ex"),
        ("ovs-vsctl", "del-port", "qx-int", "qxh0"),
        ("ovs-vsctl", "remove", "Open_vSwitch", ".", "external_ids", "ovn-remote"),
        ("ip", "route", "del", "10.77.0.0/24"),
        ("ip", "addr", "flush", "dev", "qx-ex"),
        ("ip", "link", "set", "qxh0", "down"),
        ("nft", "flush", "chain", "ip", "quantix", "postrouting"),
        ("nft", "delete", "table", "ip", "quantix"),
        ("nft", "delete", "table", "inet", "quantix"),
        ("nft", "add", "rule", "inet", "quantix", "input", "tcp", "dport", "22", "accept"),
        ("ovs-vsctl", "set", "Bridge", "qx-ex", "other_config:hwaddr=0e:00:00:00:00:99"),
        ("sysctl", "-w", "net.ipv4.ip_forward=0"),
    ],
    ids=" ".join,
)
async def test_what_somebody_broke_is_put_right(
    clients: NetworkClients, switch: OpenVSwitch, harm: tuple[str, ...]
) -> None:
    await reach(clients, _SPEC)
    program, *arguments = harm
    if program == "ovs-vsctl":
        switch.vsctl(*arguments)
    else:
        switch.inside(*harm)
    assert await reach(clients, _SPEC) > 0


async def test_changed_wishes_leave_nothing_old_behind(clients: NetworkClients, switch: OpenVSwitch) -> None:
    await reach(clients, _SPEC)
    moved = replace(_LEG, addresses=("100.64.0.9/16",), prefixes=("10.78.0.0/24",), gateways=("100.64.0.1",))
    await reach(clients, replace(_SPEC, leg=moved, ways_out=()))
    assert "10.77.0.0/24" not in switch.inside("ip", "route")
    assert "100.64.0.2" not in switch.inside("ip", "addr", "show", "qxh0")
    assert "172.31" not in switch.inside("ip", "addr")
    assert "masquerade" not in switch.inside("nft", "list", "ruleset")
    await reach(clients, replace(_SPEC, leg=None))
    assert "qxh0" not in switch.vsctl("list-ports", "qx-int")


async def test_what_others_made_is_never_touched(clients: NetworkClients, switch: OpenVSwitch) -> None:
    switch.vsctl("add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev")
    switch.vsctl("set", "Open_vSwitch", ".", "external_ids:theirs=1")
    for family in ("ip", "inet"):
        switch.inside("nft", "add", "table", family, "theirs")
    switch.inside("ip", "route", "add", "blackhole", "10.99.0.0/24")
    await reach(clients, _SPEC)
    await reach(clients, replace(_SPEC, leg=None, ways_out=()))
    assert "br0" in switch.vsctl("list-br")
    assert switch.vsctl("get", "Open_vSwitch", ".", "external_ids:theirs").strip() == '"1"'
    ruleset = switch.inside("nft", "list", "ruleset")
    assert "table ip theirs" in ruleset
    assert "table inet theirs" in ruleset
    assert "blackhole 10.99.0.0/24" in switch.inside("ip", "route")


async def test_a_switch_that_serves_another_ovn_is_refused_and_left_alone(
    clients: NetworkClients, switch: OpenVSwitch, tmp_path: Path
) -> None:
    switch.vsctl("set", "Open_vSwitch", ".", "external_ids:ovn-remote=tcp:192.0.2.9:6642")
    host = Host.model_validate({"metadata": {"name": "h1", "uid": _SPEC.system_id}, "spec": {}})
    facts = await HostNetwork(clients, Layout(tmp_path), _SB, _CLUSTER).ensure(host, [])
    assert facts.problem is not None
    assert facts.problem[0] == "OVNAlreadyConfigured"
    assert switch.vsctl("list-br").strip() == ""


async def test_a_firewall_that_drops_forwarded_packets_is_found(
    clients: NetworkClients, switch: OpenVSwitch, tmp_path: Path
) -> None:
    outside = Network.model_validate(
        {
            "metadata": {"name": "outside", "namespace": "quantix-shared"},
            "spec": {"physical": {"name": "qx-local"}, "subnets": [{"cidr": "172.31.0.0/24"}]},
        }
    )
    host = Host.model_validate({"metadata": {"name": "h1", "uid": _SPEC.system_id}, "spec": {}})
    network = HostNetwork(clients, Layout(tmp_path), _SB, _CLUSTER)
    facts = await network.ensure(host, [outside])
    assert (facts.problem, facts.traffic_problem) == (None, None)
    assert "172.31.0.1/24" in switch.inside("ip", "addr", "show", "qx-ex")
    switch.inside(
        "nft",
        "add table ip filter; add chain ip filter FORWARD "
        "{ type filter hook forward priority 0; policy drop; }",
    )
    facts = await network.ensure(host, [outside])
    assert facts.traffic_problem is not None
    assert facts.traffic_problem[0] == "HostFirewallDropsGuests"
    switch.inside("nft", 'add rule ip filter FORWARD iifname "qx-ex" accept')
    assert (await network.ensure(host, [outside])).traffic_problem is None


class DeafNetlink(NetlinkClient):
    """Takes addresses and has none of them, as when somebody else removes them each time."""

    async def add_address(self, device: str, address: str) -> None:
        return


async def test_what_does_not_stay_as_it_was_put_is_named_and_the_host_goes_on(
    clients: NetworkClients, switch: OpenVSwitch, tmp_path: Path
) -> None:
    leg = {"port": _LEG.port, "mac": _LEG.mac, "addresses": ["100.64.0.2/16"], "mtu": 1342}
    host = Host.model_validate(
        {"metadata": {"name": "h1", "uid": _SPEC.system_id}, "spec": {}, "status": {"hostLeg": leg}}
    )
    deaf = replace(clients, netlink=DeafNetlink(switch.namespace))
    facts = await HostNetwork(deaf, Layout(tmp_path), _SB, _CLUSTER).ensure(host, [])
    assert facts.problem is None
    assert facts.traffic_problem is not None
    assert facts.traffic_problem[0] == "InternalError"
    assert "it is done again and again: AddAddress" in facts.traffic_problem[1]
    facts = await HostNetwork(clients, Layout(tmp_path), _SB, _CLUSTER).ensure(host, [])
    assert (facts.problem, facts.traffic_problem) == (None, None)


async def test_a_switch_that_does_not_answer_is_a_problem_of_the_network_and_the_door_is_closed(
    clients: NetworkClients, switch: OpenVSwitch, tmp_path: Path
) -> None:
    """Somebody may flush the packet filter meanwhile, and the host hears the taps of guests itself."""
    clients = replace(clients, ovs=OvsClient(f"unix:{tmp_path}/none.sock"))
    host = Host.model_validate({"metadata": {"name": "h1", "uid": _SPEC.system_id}, "spec": {}})
    facts = await HostNetwork(clients, Layout(tmp_path), _SB, _CLUSTER).ensure(host, [])
    assert facts.problem is not None
    assert facts.problem[0] == "NetworkDown"
    assert 'iifname "qx*" drop' in switch.inside("nft", "list", "table", "inet", "quantix")


async def test_the_sweep_of_guests_taps_leaves_the_host_leg(
    clients: NetworkClients, switch: OpenVSwitch
) -> None:
    await reach(clients, _SPEC)
    await OvsGuestPorts(switch.database).purge_stale(set())
    assert "qxh0" in switch.vsctl("list-ports", "qx-int")
    assert plan_network(_SPEC, await observe_network(clients)) == ()
