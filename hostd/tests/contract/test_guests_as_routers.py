"""No guest can pose as a router to another: on a real OVN and its datapath, with packets that were forged.

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

from quantix_hostd.clients.guest_guard import COOKIES, COOKIES_MASK, LIES
from quantix_hostd.clients.ovs_ports import OvsGuestPorts
from quantix_hostd.facts.switch import OWNER_KEY
from quantix_lab.open_vswitch import OpenVSwitch, inside, network_namespace, open_vswitch
from quantix_lab.ovn_central import OvnCentral, running_central
from quantix_lab.ovn_chassis import BRIDGE, running_chassis

_HOST = "11111111-2222-3333-4444-555555555555"
_PORTS = {"liar": "0b8f6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f", "victim": "1c9a6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f"}
_MACS = {"liar": "02:00:00:00:00:0a", "victim": "02:00:00:00:00:0b"}
_OWN, _ROUTER = "fe80::ff:fe00:a", "fe80::425:2bff:fe15:bfba"
_LISTEN = """
import select, socket, sys, time
wanted = int(sys.argv[1])
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD))
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
        place = 54 if frame[20] == 58 else 62
        if len(frame) > place and frame[6:12] == bytes.fromhex(sys.argv[2]) and frame[place] == wanted:
            print('heard', flush=True)
            break
"""
_SAY = """
import socket, struct, sys
source, mac, said, hidden = sys.argv[1:]
own, other, body = *(socket.inet_pton(socket.AF_INET6, a) for a in (source, 'ff02::1')), bytes.fromhex(said)
total = sum(struct.unpack(f'!{len(own + other + body) // 2}H', own + other + body)) + 58 + len(body)
while total >> 16:
    total = (total & 0xFFFF) + (total >> 16)
body = body[:2] + struct.pack('!H', ~total & 0xFFFF) + body[4:]
upper = 58
if hidden == 'behind-options':
    upper, body = 60, bytes([58, 0, 1, 4, 0, 0, 0, 0]) + body
packet = struct.pack('!IHBB', 6 << 28, len(body), upper, 255) + own + other + body
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(('eth0', 0))
for _ in range(3):
    wire.send(bytes.fromhex('333300000001' + mac) + b'\\x86\\xdd' + packet)
"""


@dataclass(frozen=True)
class Said:
    """An ICMPv6 message: who says it, of which type, and what follows its checksum."""

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
    assert await wire.ports.guard(()) == 2 * len(LIES)
    assert not wire.hears(lie)


async def test_what_guests_may_say_is_heard_and_one_that_may_be_a_router_is_one(wire: Wire) -> None:
    await wire.ports.guard(())
    assert wire.hears(_ECHO)
    assert wire.hears(Said(_OWN, 136, _announced(_OWN)))
    assert await wire.ports.guard((_PORTS["liar"],)) == 0
    assert wire.hears(_ADVERTISEMENT)


async def test_the_flows_stay_go_with_their_port_and_come_back_after_they_were_cleared(wire: Wire) -> None:
    await wire.ports.guard(())
    assert await wire.ports.guard(()) == 0
    bridge = f"unix:{wire.switch.directory}/{BRIDGE}.mgmt"
    ours = ("dump-flows", bridge, f"cookie={COOKIES:#x}/{COOKIES_MASK:#x},table=0")

    def flows() -> int:
        return wire.switch.inside("ovs-ofctl", "-O", "OpenFlow15", *ours).count("cookie=")

    assert flows() == 2 * len(LIES)
    wire.switch.vsctl("del-port", BRIDGE, "victim")
    assert await wire.ports.guard(()) == 0
    assert flows() == len(LIES)
    wire.switch.inside("ovs-ofctl", "-O", "OpenFlow15", "del-flows", bridge, "table=0")
    assert await wire.ports.guard(()) == len(LIES)
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
        central.nbctl("--type=port-group", "acl-add", "base", direction, "2000", icmp, "allow-related")
    central.sync()


def _plug(switch: OpenVSwitch, namespace: str, name: str) -> None:
    add = ["ip", "link", "add", name, "netns", switch.namespace, "type", "veth"]
    _run(*add, "peer", "name", "eth0", "address", _MACS[name], "netns", namespace)
    switch.inside("ip", "link", "set", name, "up")
    _run(*inside(namespace, "ip", "link", "set", "eth0", "up"))
    ids = (f"external_ids:iface-id={_PORTS[name]}", f'external_ids:"{OWNER_KEY}"="{name}"')
    switch.vsctl("add-port", BRIDGE, name, "--", "set", "Interface", name, *ids)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
