"""What guests may send to the host itself, on a real bridge and a real packet filter.

A namespace that is plugged into `qx-ex` stands for whatever comes in by a guest's way out, and its device for
a guest's tap, from which this host, without the kernel's datapath, hears all that the switch hears.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from quantix_hostd.clients.netlink import NetlinkClient
from quantix_hostd.clients.nft import NftClient
from quantix_hostd.clients.ovs import OvsClient
from quantix_hostd.domainxml.spec import tap_name
from quantix_hostd.host.network.controller import NetworkClients, apply_network, observe_network
from quantix_hostd.host.network.door import HostDoor
from quantix_hostd.host.network.model import LegSpec, NetworkSpec, PhysicalWire, WayOut
from quantix_hostd.host.network.plan import plan_network
from quantix_lab.open_vswitch import OpenVSwitch, inside, network_namespace

_PORT = 8080
_TAP = tap_name("0b8f6c1e-9d2a-4c3b-8a55-1f0e9d7c6b5a")
_SITE = "site0"
_SPEC = NetworkSpec(
    system_id="11111111-2222-3333-4444-555555555555",
    host="h1",
    southbound="unix:/run/test/ovnsb_db.sock",
    tunnel_address="127.0.0.1",
    datapath="netdev",
    way_out_mac="0e:aa:bb:cc:dd:ee",
    leg=LegSpec(
        port="a51b3053-c2cf-5656-b399-e17845987ff8",
        mac="0e:11:22:33:44:55",
        addresses=("100.64.0.2/16",),
        gateways=("100.64.0.1",),
        prefixes=(),
        mtu=1342,
    ),
    ways_out=(WayOut("172.31.0.1/24", "172.31.0.0/24"), WayOut("fd00:31::1/64", "fd00:31::/64")),
    platform=frozenset(),
)
_GATEWAYS = ("172.31.0.1", "fd00:31::1")
_OWN_ADDRESSES = (*_GATEWAYS, "100.64.0.2", "192.0.2.7")
_CONTAINER = ("172.17.0.2", "fd00:17::2")
_GUEST = ("172.31.0.7", "fd00:31::7")
_SERVE = (
    "import socket\n"
    f"door = socket.create_server(('::', {_PORT}), family=socket.AF_INET6, dualstack_ipv6=True)\n"
    "print('listening', flush=True)\n"
    "while True: door.accept()[0].close()\n"
)
_KNOCK = f"import socket, sys; socket.create_connection((sys.argv[1], {_PORT}), timeout=2)"
# The first eight bytes of a datagram that says that more will come
_FRAGMENT = (
    "import socket, sys\n"
    "mac, own = bytes.fromhex(sys.argv[1].replace(':', '')), socket.inet_aton('172.31.0.7')\n"
    "head = bytes.fromhex('4500001c00072000') + bytes([64, 17, 0, 0]) + own + socket.inet_aton(sys.argv[2])\n"
    "total = sum(int.from_bytes(head[at:at + 2], 'big') for at in range(0, 20, 2))\n"
    "total = ~((total & 0xffff) + (total >> 16)) & 0xffff\n"
    "packet = head[:10] + total.to_bytes(2, 'big') + head[12:] + bytes(8)\n"
    "wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
    "wire.bind(('eth0', 0))\n"
    "wire.send(mac + bytes.fromhex('02000000000a') + b'\\x08\\x00' + packet)\n"
)
# The ethertypes of what one MAC sends within three seconds
_HEAR = (
    "import socket, sys, time\n"
    "mac = bytes.fromhex(sys.argv[1].replace(':', ''))\n"
    "wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))\n"
    "wire.bind(('eth0', 3))\n"
    "print('listening', flush=True)\n"
    "end = time.monotonic() + 3\n"
    "while (left := end - time.monotonic()) > 0:\n"
    "    wire.settimeout(left)\n"
    "    try: frame = wire.recv(2048)\n"
    "    except TimeoutError: break\n"
    "    if frame[6:12] == mac: print(int.from_bytes(frame[12:14], 'big'), flush=True)\n"
)


@pytest.fixture
def guest(switch: OpenVSwitch) -> Iterator[str]:
    """A namespace whose `eth0` is to be a port of `qx-ex`."""
    with network_namespace() as name:
        pair = ("type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "add", _TAP, "netns", switch.namespace, *pair)
        for address in (f"{_GUEST[0]}/24", f"{_GUEST[1]}/64"):
            _inside(name, "ip", "addr", "add", address, "dev", "eth0", *_without_dad(address))
        # A userspace bridge takes what comes by AF_PACKET as it is: the sums have to be there
        _inside(name, "ethtool", "-K", "eth0", "tx", "off")
        _inside(name, "ip", "link", "set", "eth0", "up")
        for gateway in _GATEWAYS:
            _inside(name, "ip", "route", "add", "default", "via", gateway)
        yield name


@pytest.fixture
def neighbour(switch: OpenVSwitch) -> Iterator[str]:
    """A namespace on a wire of the site: a guest of another host, or any machine there."""
    with network_namespace() as name:
        pair = ("type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "add", _SITE, "netns", switch.namespace, *pair)
        _inside(name, "ip", "addr", "add", "192.0.2.200/24", "dev", "eth0")
        _inside(name, "ethtool", "-K", "eth0", "tx", "off")
        _inside(name, "ip", "link", "set", "eth0", "up")
        yield name


@pytest.fixture
def container(switch: OpenVSwitch) -> Iterator[str]:
    """A namespace behind the host's own bridge-less `ctr0`."""
    with network_namespace() as name:
        pair = ("type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "add", "ctr0", "netns", switch.namespace, *pair)
        for address, gateway in zip(_CONTAINER, ("172.17.0.1", "fd00:17::1"), strict=True):
            length = 64 if ":" in address else 24
            switch.inside("ip", "addr", "add", f"{gateway}/{length}", "dev", "ctr0", *_without_dad(gateway))
            _inside(name, "ip", "addr", "add", f"{address}/{length}", "dev", "eth0", *_without_dad(address))
        switch.inside("ip", "link", "set", "ctr0", "up")
        _inside(name, "ip", "link", "set", "eth0", "up")
        for gateway in ("172.17.0.1", "fd00:17::1"):
            _inside(name, "ip", "route", "add", "default", "via", gateway)
        yield name


def publish(switch: OpenVSwitch) -> None:
    """What a container runtime does: the port, on whichever address of the host, is the container's."""
    rules = (
        "add table inet ctr; add chain inet ctr pre { type nat hook prerouting priority dstnat; };"
        f"add rule inet ctr pre fib daddr type local tcp dport {_PORT} dnat ip to {_CONTAINER[0]};"
        f"add rule inet ctr pre fib daddr type local tcp dport {_PORT} dnat ip6 to {_CONTAINER[1]};"
    )
    switch.inside("nft", rules)


async def reach(switch: OpenVSwitch, spec: NetworkSpec) -> NetworkClients:
    """The host's network as `spec` wants it, with the guest plugged in."""
    clients = NetworkClients(
        OvsClient(switch.database), NetlinkClient(switch.namespace), NftClient(switch.namespace)
    )
    door = HostDoor(clients.nft)
    door.want(spec)
    for _ in range(3):
        await apply_network(clients, door, plan_network(spec, await observe_network(clients)))
    assert plan_network(spec, await observe_network(clients)) == ()
    switch.inside("ip", "addr", "add", "192.0.2.7/32", "dev", "lo")
    switch.inside("ip", "link", "set", _TAP, "up")
    switch.vsctl("add-port", "qx-ex", _TAP)
    return clients


async def test_no_port_of_any_own_address_is_open_to_guests(switch: OpenVSwitch, guest: str) -> None:
    await reach(switch, _SPEC)
    _wait_for_ping(guest)
    with listening(switch.namespace):
        assert [address for address in _OWN_ADDRESSES if knocks(guest, address)] == []
        # What keeps them out is the table, and nothing else
        switch.inside("nft", "delete", "table", "inet", "quantix")
        assert [address for address in _OWN_ADDRESSES if not knocks(guest, address)] == []


async def test_nobody_but_the_switch_hears_a_tap(switch: OpenVSwitch, guest: str) -> None:
    await reach(switch, replace(_SPEC, ways_out=()))
    address, on_wire = "192.0.2.7", ("dev", "eth0")
    tap = switch.inside("cat", f"/sys/class/net/{_TAP}/address").strip()
    switch.inside("ip", "route", "add", _GUEST[0], "dev", "qx-ex")
    _inside(guest, "ip", "route", "add", address, *on_wire)
    _inside(guest, "ip", "neigh", "add", address, "lladdr", tap, *on_wire)
    with listening(switch.namespace):
        assert not knocks(guest, address)
        switch.inside("nft", "delete", "table", "inet", "quantix")
        assert knocks(guest, address), "nothing but the table keeps them out"
    # the host answers by the bridge as well, and by which first is chance
    switch.inside("ip", "link", "set", "qx-ex", "down")
    assert answerer(guest, address) == ""
    switch.inside("nft", "delete", "table", "arp", "quantix")
    assert answerer(guest, address) == tap


async def test_nobody_but_the_switch_hears_a_wire_of_the_site(
    switch: OpenVSwitch, guest: str, neighbour: str
) -> None:
    """Without the kernel's datapath the host's own stack hears it, too, and would even forward."""
    await reach(switch, replace(_SPEC, physical=(PhysicalWire("site", "qx-w-site", _SITE),)))
    address, on_wire = "192.0.2.7", ("dev", "eth0")
    assert answerer(neighbour, address) == ""
    mac = switch.inside("cat", f"/sys/class/net/{_SITE}/address").strip()
    _inside(neighbour, "ip", "neigh", "replace", address, "lladdr", mac, *on_wire)
    switch.inside("ip", "route", "add", "192.0.2.200", "dev", _SITE)
    with listening(switch.namespace):
        assert not knocks(neighbour, address)
        for family in ("inet", "arp"):
            switch.inside("nft", "delete", "table", family, "quantix")
        assert knocks(neighbour, address), "nothing but the tables keeps them out"
    assert answerer(neighbour, address) == mac


async def test_no_fragment_that_comes_by_a_tap_waits_in_the_host(switch: OpenVSwitch, guest: str) -> None:
    await reach(switch, replace(_SPEC, ways_out=()))
    tap = switch.inside("cat", f"/sys/class/net/{_TAP}/address").strip()
    _inside(guest, sys.executable, "-c", _FRAGMENT, tap, "192.0.2.7")
    assert not fragments_wait(switch)
    switch.inside("nft", "delete", "table", "inet", "quantix")
    _inside(guest, sys.executable, "-c", _FRAGMENT, tap, "192.0.2.7")
    assert fragments_wait(switch), "nothing but the table keeps them out"


async def test_the_host_says_nothing_into_a_tap(switch: OpenVSwitch, guest: str) -> None:
    await reach(switch, replace(_SPEC, ways_out=()))
    tap = switch.inside("cat", f"/sys/class/net/{_TAP}/address").strip()
    assert frames_from(switch, guest, tap) == []
    for family in ("inet", "arp"):
        switch.inside("nft", "delete", "table", family, "quantix")
    assert set(frames_from(switch, guest, tap)) == {0x0806, 0x86DD}


async def test_pings_and_what_the_host_opens_itself_pass(switch: OpenVSwitch, guest: str) -> None:
    await reach(switch, _SPEC)
    _wait_for_ping(guest)
    for gateway in _GATEWAYS:
        _inside(guest, "ping", "-c", "1", "-W", "3", gateway)
    with listening(guest):
        assert all(knocks(switch.namespace, address) for address in _GUEST)


async def test_a_port_that_a_container_publishes_is_closed_to_guests_too(
    switch: OpenVSwitch, guest: str, container: str
) -> None:
    await reach(switch, _SPEC)
    _wait_for_ping(guest)
    publish(switch)
    with listening(container):
        assert knocks(switch.namespace, _CONTAINER[0])
        assert [address for address in _OWN_ADDRESSES if knocks(guest, address)] == []
        # Nothing but the table keeps them out, and the container itself is one of the addresses outside
        assert all(knocks(guest, address) for address in _CONTAINER)
        switch.inside("nft", "delete", "table", "inet", "quantix")
        assert [address for address in _OWN_ADDRESSES if not knocks(guest, address)] == []


async def test_without_a_way_out_the_door_is_closed_too(switch: OpenVSwitch, guest: str) -> None:
    await reach(switch, replace(_SPEC, ways_out=()))
    switch.inside("ip", "addr", "add", "172.31.0.1/24", "dev", "qx-ex")
    _wait_for_ping(guest)
    with listening(switch.namespace):
        assert not knocks(guest, "172.31.0.1")


@contextmanager
def listening(namespace: str) -> Iterator[None]:
    """A listener on every address of a namespace."""
    command = inside(namespace, sys.executable, "-c", _SERVE)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == "listening\n"
        yield
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def knocks(namespace: str, address: str) -> bool:
    """Whether a connection from a namespace comes about."""
    command = inside(namespace, sys.executable, "-c", _KNOCK, address)
    return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0


def fragments_wait(switch: OpenVSwitch) -> bool:
    """Whether an IPv4 datagram comes to wait in the host for the rest of it, which it does for 30 s."""
    for _ in range(20):
        lines = switch.inside("cat", "/proc/net/sockstat").splitlines()
        if any(line.startswith("FRAG:") and line.split()[2] != "0" for line in lines):
            return True
        time.sleep(0.1)
    return False


def frames_from(switch: OpenVSwitch, guest: str, tap: str) -> list[int]:
    """The ethertypes of what the host's own stack sends by the tap, as it goes up and asks for another."""
    command = inside(guest, sys.executable, "-c", _HEAR, tap)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as hearer:
        assert hearer.stdout is not None
        assert hearer.stdout.readline() == "listening\n"
        switch.inside("ip", "link", "set", _TAP, "down")
        switch.inside("ip", "link", "set", _TAP, "up")
        switch.inside("ip", "route", "replace", "192.0.2.99", "dev", _TAP)
        switch.inside("sh", "-c", "ping -c 1 -W 1 192.0.2.99 || true")
        return [int(line) for line in hearer.stdout]


def answerer(namespace: str, address: str) -> str:
    """The MAC that answers for an address which lies on the wire, "" when none does; asked anew each time."""
    entry = f"{address} dev eth0"
    ask = f"ip neigh del {entry}; ping -c 1 -W 3 {address} > /dev/null; ip neigh show {address}"
    told = subprocess.run(
        inside(namespace, "sh", "-c", ask), capture_output=True, check=True, text=True
    ).stdout.split()
    return told[told.index("lladdr") + 1] if "lladdr" in told else ""


def _wait_for_ping(guest: str) -> None:
    """Until the bridge has taken the guest's port up: at most ten tries, a second each."""
    tries = f"for n in $(seq 10); do ping -c 1 -W 1 {_GATEWAYS[0]} && exit 0; done; exit 1"
    _inside(guest, "sh", "-c", tries)


def _without_dad(address: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in address else ()


def _inside(namespace: str, *command: str) -> None:
    _run(*inside(namespace, *command))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
