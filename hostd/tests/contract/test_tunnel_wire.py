"""The wire for tunnels on two real switches without the kernel's datapath: hostd takes it, and a tunnel over
it carries packets.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantix_api import Host
from quantix_api.layout import Layout
from quantix_hostd.clients.netlink import NetlinkClient
from quantix_hostd.clients.nft import NftClient
from quantix_hostd.clients.ovs import OvsClient
from quantix_hostd.clients.own_addresses import own_addresses
from quantix_hostd.host.model import NetworkFacts
from quantix_hostd.host.network.controller import HostNetwork, KnownAddresses, NetworkClients
from quantix_lab.open_vswitch import OpenVSwitch, open_vswitch

_WIRE = "wire0"
_CLUSTER = "11111111-1111-4111-8111-111111111111"


@dataclass(frozen=True)
class Machine:
    """One end of the wire."""

    switch: OpenVSwitch
    number: int
    root: Path

    async def look(self, tunnel: str | None, *own: str) -> NetworkFacts:
        """One look of a hostd that starts now; `own` are addresses that it cannot do without."""

        async def own_addresses() -> frozenset[str]:
            return frozenset(own)

        inside = self.switch.namespace
        clients = NetworkClients(OvsClient(self.switch.database), NetlinkClient(inside), NftClient(inside))
        layout, southbound = Layout(self.root), "unix:/run/test/ovnsb_db.sock"
        known = KnownAddresses(own_addresses)
        network = HostNetwork(clients, layout, southbound, _CLUSTER, known, datapath="netdev")
        return await network.ensure(self._host(tunnel), [])

    def addresses(self, device: str) -> str:
        return self.switch.inside("ip", "-br", "addr", "show", "dev", device)

    def make_tunnel(self, peer: str) -> None:
        """A bridge with a tunnel to the peer, and an own port that a guest could have."""
        self.switch.vsctl("add-br", "br-t", "--", "set", "Bridge", "br-t", "datapath_type=netdev")
        gate = ("type=geneve", f"options:remote_ip={peer}", "options:key=5")
        self.switch.vsctl("add-port", "br-t", "gnv0", "--", "set", "Interface", "gnv0", *gate)
        inner = ("type=internal", "mtu_request=8900")
        self.switch.vsctl("add-port", "br-t", "inner0", "--", "set", "Interface", "inner0", *inner)
        self.switch.inside("ip", "addr", "add", f"192.168.9.{self.number}/24", "dev", "inner0")
        self.switch.inside("ip", "link", "set", "inner0", "up")

    def ping(self, address: str, *options: str, count: int = 3) -> str:
        command = ("ping", "-n", "-i", "0.2", "-c", str(count), "-W", "5", *options, address)
        try:
            return self.switch.inside(*command)
        except subprocess.CalledProcessError as error:
            return str(error.stdout)

    def _host(self, tunnel: str | None) -> Host:
        uid = f"{self.number}1111111-2222-3333-4444-555555555555"
        spec = {} if tunnel is None else {"interfaces": {"tunnel": tunnel}}
        return Host.model_validate({"metadata": {"name": f"h{self.number}", "uid": uid}, "spec": spec})


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    """Two namespaces with a switch each, and one wire between them."""
    with ExitStack() as stack:
        # a short path: sockets lie in it
        run = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qx")))
        made = [
            Machine(stack.enter_context(open_vswitch(run / f"{n}")), n, tmp_path / f"{n}") for n in (1, 2)
        ]
        one, two = (machine.switch.namespace for machine in made)
        ends = ("name", _WIRE, "netns", one, "mtu", "9000"), ("name", _WIRE, "netns", two, "mtu", "9000")
        subprocess.run(["ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1]], check=True)
        for machine in made:
            for address in (f"10.0.0.{machine.number}/24", f"fd00:a::{machine.number}/64"):
                nodad = ["nodad"] if ":" in address else []
                machine.switch.inside("ip", "addr", "add", address, "dev", _WIRE, *nodad)
            machine.switch.inside("ip", "link", "set", _WIRE, "up")
        yield made[0], made[1]


async def test_a_tunnel_over_the_wire_carries_packets_as_large_as_it_should(
    machines: tuple[Machine, Machine],
) -> None:
    for machine in machines:
        facts = await machine.look(_WIRE)
        assert (facts.problem, facts.traffic_problem) == (None, None)
        assert (facts.tunnel_address, facts.underlay_mtu) == (f"10.0.0.{machine.number}", 9000)
        assert f"10.0.0.{machine.number}/24" in machine.addresses("qx-phy")
        assert "10.0.0." not in machine.addresses(_WIRE)
        ids = machine.switch.vsctl("get", "Open_vSwitch", ".", "external_ids:ovn-encap-ip")
        assert ids.strip().strip('"') == facts.tunnel_address
    one, two = machines
    one.make_tunnel("10.0.0.2")
    two.make_tunnel("10.0.0.1")
    one.ping("192.168.9.2", count=2)  # whoever asks for the neighbour first may lose one
    assert " 0% packet loss" in one.ping("192.168.9.2")
    assert " 0% packet loss" in two.ping("192.168.9.1", "-M", "do", "-s", str(8900 - 28))


async def test_the_bridge_answers_on_the_wire_and_nobody_beside_it(machines: tuple[Machine, Machine]) -> None:
    for machine in machines:
        await machine.look(_WIRE)
    one, _ = machines
    for address in ("10.0.0.2", "fd00:a::2"):
        one.ping(address, count=1)
        answers = one.ping(address, "-s", "8000")
        assert " 0% packet loss" in answers
        assert "DUP" not in answers


async def test_a_hostd_that_starts_anew_finds_the_address_where_it_is(
    machines: tuple[Machine, Machine],
) -> None:
    one, _ = machines
    first = await one.look(_WIRE)
    ports = one.switch.vsctl("--columns=_uuid", "list", "Port")
    assert await one.look(_WIRE) == first
    assert one.switch.vsctl("--columns=_uuid", "list", "Port") == ports
    # somebody's own network daemon gives the interface its address anew
    one.switch.inside("ip", "addr", "add", "10.0.0.1/24", "dev", _WIRE)
    assert await one.look(_WIRE) == first
    assert "10.0.0." not in one.addresses(_WIRE)


@pytest.mark.parametrize(
    "harm",
    [
        ("ovs-vsctl", "del-port", "qx-phy", _WIRE),
        ("ip", "link", "set", "qx-phy", "down"),
        ("ip", "link", "set", _WIRE, "down"),
        ("ip", "link", "set", "qx-phy", "mtu", "1400"),
    ],
    ids=" ".join,
)
async def test_what_somebody_broke_is_put_right(
    machines: tuple[Machine, Machine], harm: tuple[str, ...]
) -> None:
    one, two = machines
    for machine in machines:
        await machine.look(_WIRE)
    program, *arguments = harm
    if program == "ovs-vsctl":
        one.switch.vsctl(*arguments)
    else:
        one.switch.inside(*harm)
    facts = await one.look(_WIRE)
    assert (facts.tunnel_address, facts.traffic_problem) == ("10.0.0.1", None)
    two.ping("10.0.0.1", count=1)
    assert " 0% packet loss" in two.ping("10.0.0.1", "-s", "8000")


async def test_the_interface_gets_everything_back(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    before = one.addresses(_WIRE).split()
    await one.look(_WIRE)
    facts = await one.look(None)
    assert facts.tunnel_address == "127.0.0.1"
    assert "qx-phy" not in one.switch.vsctl("list-br")
    assert "qx-phy" not in one.switch.inside("ip", "-br", "link")
    assert sorted(one.addresses(_WIRE).split()) == sorted(before)
    assert " 0% packet loss" in two.ping("10.0.0.1")


async def test_an_interface_that_others_need_is_left_and_given_back(
    machines: tuple[Machine, Machine],
) -> None:
    one, _ = machines
    for own in (["10.0.0.1"], []):
        facts = await one.look(_WIRE, *own)
        shared = facts.traffic_problem is not None and facts.traffic_problem[0] == "TunnelInterfaceShared"
        assert shared is bool(own)
        assert facts.tunnel_address == "10.0.0.1"
    one.switch.inside("ip", "route", "add", "default", "via", "10.0.0.2")
    facts = await one.look(_WIRE)
    assert facts.traffic_problem is not None
    assert facts.traffic_problem[0] == "TunnelInterfaceShared"
    assert "10.0.0.1/24" in one.addresses(_WIRE)


async def test_the_addresses_that_a_host_cannot_do_without_are_found(
    machines: tuple[Machine, Machine],
) -> None:
    one, _ = machines
    netlink = NetlinkClient(one.switch.namespace)
    assert await own_addresses(netlink, "127.0.0.1", "https://10.0.0.2:6443") == {"127.0.0.1", "10.0.0.1"}
    await one.look(_WIRE)
    assert await own_addresses(netlink, "127.0.0.1", "https://[fd00:a::2]:6443") == {
        "127.0.0.1",
        "fd00:a::1",
    }
    assert await own_addresses(netlink, "10.0.0.1", "https://192.0.2.1:6443") == {"10.0.0.1"}


async def test_an_interface_that_is_not_there_is_named(machines: tuple[Machine, Machine]) -> None:
    facts = await machines[0].look("wire9")
    assert facts.problem is None
    assert facts.traffic_problem is not None
    assert facts.traffic_problem[0] == "TunnelInterfaceUnusable"
    assert _WIRE in facts.traffic_problem[1]
