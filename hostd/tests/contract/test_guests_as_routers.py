"""No guest can pose as a router, or as another guest: on a real OVN and its datapath, with forged packets.

Two namespaces are plugged into one logical switch, as taps of guests are. OVN itself lets Router
Advertisements pass whatever its ACLs say, and the ACLs here let redirects pass as a group that opens ICMP
does: what keeps them out is hostd's flows.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from quantix_hostd.clients.guest_guard import COOKIES, COOKIES_MASK, flows_of
from quantix_hostd.clients.ovs_ports import OvsGuestPorts
from quantix_hostd.facts.switch import OWNER_KEY
from quantix_lab.open_vswitch import OpenVSwitch, inside, network_namespace, open_vswitch
from quantix_lab.ovn_central import OvnCentral, running_central
from quantix_lab.ovn_chassis import BRIDGE, running_chassis

_HOST = "11111111-2222-3333-4444-555555555555"
_PORTS = {"liar": "0b8f6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f", "victim": "1c9a6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f"}
_MACS = {"liar": "02:00:00:00:00:0a", "victim": "02:00:00:00:00:0b"}
_FLOWS = len(flows_of(_MACS["liar"]))
_OWN, _OTHER, _ROUTER = "fe80::ff:fe00:a", "fe80::ff:fe00:b", "fe80::425:2bff:fe15:bfba"
# as NetworkManager and Windows choose theirs
_RANDOM = "fe80::1c5e:9d3a:47b2:8810"
_LISTEN = """
import select, socket, sys, time
wanted = int(sys.argv[1])
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.bind(('eth0', 0))
said = [sys.stdin]  # closed once all is said
print('listening', flush=True)
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    ready = select.select([tap, *said], [], [], 0.1)[0]
    if said and said[0] in ready:
        said, deadline = [], time.monotonic() + 1
    if tap in ready:
        frame = tap.recv(2048)
        place = 34 if frame[12:14] == b'\\x08\\0' else 54 if frame[20] == 58 else 62
        if len(frame) > place and frame[6:12] == bytes.fromhex(sys.argv[2]) and frame[place] == wanted:
            print('heard', flush=True)
            break
"""
_SAY = """
import socket, struct, sys
source, mac, said, hidden = sys.argv[1:]
body = bytes.fromhex(said)
def summed(data, more=0):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data)) + more
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack('!H', ~total & 0xFFFF)
if '.' in source:
    last = 1 if body[0] == 0x11 else 22
    ends = socket.inet_aton(source) + bytes([224, 0, 0, last])
    body = body[:2] + summed(body) + body[4:]
    head = struct.pack('!BBHHHBBH', 0x45, 0xC0, 20 + len(body), 7, 0, 1, 2, 0) + ends
    group, packet = f'01005e0000{last:02x}', b'\\x08\\0' + head[:10] + summed(head) + head[12:] + body
else:
    ends = b''.join(socket.inet_pton(socket.AF_INET6, a) for a in (source, 'ff02::1'))
    body, upper = body[:2] + summed(ends + body, 58 + len(body)) + body[4:], 58
    if hidden == 'behind-options':
        upper, body = 60, bytes([58, 0, 1, 4, 0, 0, 0, 0]) + body
    packet = struct.pack('!IHBB', 6 << 28, len(body), upper, 255) + ends + body
    group, packet = '333300000001', b'\\x86\\xdd' + packet
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(('eth0', 0))
for _ in range(3):
    wire.send(bytes.fromhex(group + mac) + packet)
"""


@dataclass(frozen=True)
class Said:
    """An ICMPv6 message, or of IGMP: who says it, of which type, and what follows its checksum."""

    source: str
    type: int
    rest: bytes
    hidden: str = "plainly"


def _announced(address: str) -> bytes:
    """The rest of a Neighbour Advertisement: solicited, override; the address; the liar's MAC."""
    mac = bytes.fromhex(_MACS["liar"].replace(":", ""))
    return bytes([0x60, 0, 0, 0]) + IPv6Address(address).packed + bytes([2, 1]) + mac


_ADVERTISEMENT = Said(_OWN, 134, bytes([64, 0, 7, 8]) + bytes(8))
_REDIRECT = Said(_OWN, 137, bytes(4) + IPv6Address(_OWN).packed + bytes(16))
_ECHO = Said(_OWN, 128, bytes(4))
_LIES = {
    "a router's advertisement": _ADVERTISEMENT,
    "an advertisement behind options": replace(_ADVERTISEMENT, hidden="behind-options"),
    "a redirect": _REDIRECT,
    "a redirect behind options": replace(_REDIRECT, hidden="behind-options"),
    "a packet of the router's": replace(_ECHO, source=_ROUTER),
    "another MAC of the router's": Said(_OWN, 136, _announced(_ROUTER)),
    "a packet of the other guest's": replace(_ECHO, source=_OTHER),
    "another MAC of the other guest's": Said(_OWN, 136, _announced(_OTHER)),
    "the same from an address of no MAC": Said(_RANDOM, 136, _announced(_OTHER)),
    "a question for groups": Said(_OWN, 130, bytes(20)),
    "one behind options": Said(_OWN, 130, bytes(20), "behind-options"),
    "a question for groups of IPv4": Said("10.0.0.11", 0x11, bytes(4)),
}


@dataclass
class Wire:
    """Two guests on one logical switch."""

    switch: OpenVSwitch
    ports: OvsGuestPorts
    guests: dict[str, str]

    def hears(self, said: Said) -> bool:
        """Whether the victim gets what the liar says to everybody on the link."""
        mac = _MACS["liar"].replace(":", "")
        ear = subprocess.Popen(
            inside(self.guests["victim"], sys.executable, "-c", _LISTEN, str(said.type), mac),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert ear.stdout is not None
        assert ear.stdout.readline() == "listening\n"
        message = (bytes([said.type, 0, 0, 0]) + said.rest).hex()
        say = (sys.executable, "-c", _SAY, said.source, mac, message, said.hidden)
        _run(*inside(self.guests["liar"], *say))
        return "heard" in ear.communicate(timeout=20)[0]


@pytest.fixture
def wire() -> Iterator[Wire]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qx")))
        central = stack.enter_context(running_central(directory / "c"))
        switch = stack.enter_context(open_vswitch(directory / "r"))
        _logical_switch(central)
        stack.enter_context(running_chassis(switch, central, _HOST))
        guests = {name: stack.enter_context(network_namespace()) for name in _PORTS}
        for name, namespace in guests.items():
            _plug(switch, namespace, name)
        for port in _PORTS:
            installed = ("wait-until", "Interface", port, "external_ids:ovn-installed=true")
            switch.vsctl(*installed)
        yield Wire(switch, OvsGuestPorts(switch.database), guests)


@pytest.mark.parametrize("lie", _LIES.values(), ids=_LIES)
async def test_what_only_a_router_says_reaches_no_other_guest(wire: Wire, lie: Said) -> None:
    assert wire.hears(lie)
    assert await wire.ports.guard(()) == 2 * _FLOWS
    assert not wire.hears(lie)


async def test_what_guests_may_say_is_heard_and_one_that_may_be_a_router_is_one(wire: Wire) -> None:
    await wire.ports.guard(())
    assert wire.hears(_ECHO)
    assert wire.hears(Said(_OWN, 136, _announced(_OWN)))
    assert wire.hears(Said(_RANDOM, 136, _announced(_RANDOM)))
    assert wire.hears(Said(_OWN, 143, bytes(20)))
    assert wire.hears(Said("10.0.0.11", 0x16, bytes(4)))
    assert await wire.ports.guard((_PORTS["liar"],)) == 0
    assert wire.hears(_ADVERTISEMENT)


async def test_the_flows_stay_go_with_their_port_and_come_back_after_they_were_cleared(wire: Wire) -> None:
    await wire.ports.guard(())
    assert await wire.ports.guard(()) == 0
    bridge = f"unix:{wire.switch.directory}/{BRIDGE}.mgmt"
    ours = ("dump-flows", bridge, f"cookie={COOKIES:#x}/{COOKIES_MASK:#x},table=0")

    def flows() -> int:
        return wire.switch.inside("ovs-ofctl", "-O", "OpenFlow15", *ours).count("cookie=")

    assert flows() == 2 * _FLOWS
    wire.switch.vsctl("del-port", BRIDGE, "victim")
    assert await wire.ports.guard(()) == 0
    assert flows() == _FLOWS
    wire.switch.inside("ovs-ofctl", "-O", "OpenFlow15", "del-flows", bridge, "table=0")
    assert await wire.ports.guard(()) == _FLOWS
    assert await wire.ports.guard(()) == 0


def _logical_switch(central: OvnCentral) -> None:
    """With rules that let in nothing but ICMP, and nobody send as another: as the operator makes it."""
    central.nbctl("ls-add", "net", "--", "pg-add", "base")
    for name, port in _PORTS.items():
        secured = f"{_MACS[name]} 10.0.0.{7 + len(name)} fe80::/64"
        central.nbctl("lsp-add", "net", port, "--", "lsp-set-addresses", port, _MACS[name])
        central.nbctl("lsp-set-port-security", port, secured)
    central.nbctl("pg-set-ports", "base", *_PORTS.values())
    for direction, side in (("to-lport", "outport"), ("from-lport", "inport")):
        central.nbctl("acl-add", "base", direction, "1000", f"{side} == @base && ip", "drop")
        icmp = f"{side} == @base && icmp6"
        for said in (icmp, f"{side} == @base && ip.proto == 2"):
            central.nbctl("--type=port-group", "acl-add", "base", direction, "2000", said, "allow-related")
    central.sync()


def _plug(switch: OpenVSwitch, namespace: str, name: str) -> None:
    add = ["ip", "link", "add", name, "netns", switch.namespace, "type", "veth"]
    _run(*add, "peer", "name", "eth0", "address", _MACS[name], "netns", namespace)
    switch.inside("ip", "link", "set", name, "up")
    _run(*inside(namespace, "ip", "link", "set", "eth0", "up"))
    mac = f'external_ids:attached-mac="{_MACS[name]}"'
    ids = (f"external_ids:iface-id={_PORTS[name]}", f'external_ids:"{OWNER_KEY}"="{name}"', mac)
    switch.vsctl("add-port", BRIDGE, name, "--", "set", "Interface", name, *ids)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
