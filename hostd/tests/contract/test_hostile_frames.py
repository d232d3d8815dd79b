"""What a hostile guest can put into its tap by hand, and what of it the host's own sockets hear.

The tap is no port of a bridge here: whatever is heard came by the tap itself.
"""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from quantix_hostd.clients.nft import NftClient
from quantix_hostd.domainxml.spec import tap_name
from quantix_hostd.packet_filter import render_tables
from quantix_lab.open_vswitch import inside, network_namespace

_TAP = tap_name("0b8f6c1e-9d2a-4c3b-8a55-1f0e9d7c6b5a")
_PORT = 5353
# what a kernel without any VLAN device takes off by itself: tags that name no VLAN
_TAGS = ("plain", "q0", "q0p7", "ad0", "ad0q0", "q0q0")
_ENDS = (
    *("unicast", "broadcast", "unicast-by-broadcast", "multicast"),
    *("six", "six-link-local", "six-multicast", "six-all"),
)
# Prints the label of each datagram; has joined the groups on the tap
_HEAR = f"""
import select, socket, struct, sys
index = socket.if_nametoindex({_TAP!r})
four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
four.bind(("", {_PORT}))
four.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
    socket.inet_aton("224.0.0.251") + bytes(4) + struct.pack("=i", index))
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
six.bind(("::", {_PORT}))
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
    socket.inet_pton(socket.AF_INET6, "ff02::fb") + struct.pack("=i", index))
print("listening", flush=True)
while True:
    for ready in select.select([four, six], [], [])[0]:
        print(ready.recv(99).decode(), flush=True)
"""
_SEND = """
import socket, struct, sys
tap = bytes.fromhex(sys.argv[1].replace(":", ""))
own = bytes.fromhex("02000000000a")

def checksum(data):
    total = sum(int.from_bytes(data[at:at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def datagram(text, family, source, target):
    body = text.encode()
    udp = struct.pack("!HHHH", 999, PORT, 8 + len(body), 0) + body
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, target)
    if family == socket.AF_INET6:
        pseudo = ends + struct.pack("!II", len(udp), 17) + udp + b"\\0" * (len(udp) % 2)
        udp = udp[:6] + struct.pack("!H", checksum(pseudo) or 0xffff) + udp[8:]
        return b"\\x86\\xdd", struct.pack("!IHBB", 6 << 28, len(udp), 17, 255) + ends + udp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0) + ends
    return b"\\x08\\x00", head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp

four, six = socket.AF_INET, socket.AF_INET6
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
TAGS = {"plain": "", "q0": "81000000", "q0p7": "8100e000", "ad0": "88a80000", "ad0q0": "88a8000081000000",
    "q0q0": "8100000081000000", "q1": "81000001"}
ENDS = {"unicast": (four, "172.31.0.7", "192.0.2.7", tap),
    "broadcast": (four, "172.31.0.7", "255.255.255.255", b"\\xff" * 6),
    "unicast-by-broadcast": (four, "172.31.0.7", "192.0.2.7", b"\\xff" * 6),
    "multicast": (four, "172.31.0.7", "224.0.0.251", bytes.fromhex("01005e0000fb")),
    "loopback": (four, "127.0.0.1", "192.0.2.7", tap),
    "six": (six, "fe80::a", "2001:db8::7", tap),
    "six-link-local": (six, "fe80::a", sys.argv[2], tap),
    "six-multicast": (six, "fe80::a", "ff02::fb", bytes.fromhex("3333000000fb")),
    "six-all": (six, "fe80::a", "ff02::1", bytes.fromhex("333300000001"))}
for tag, words in TAGS.items():
    for name, (family, source, target, mac) in ENDS.items():
        kind, packet = datagram(f"{tag} {name}", family, source, target)
        wire.send(mac + own + bytes.fromhex(words) + kind + packet)
""".replace("PORT", str(_PORT))


@pytest.fixture
def ends() -> Iterator[tuple[str, str]]:
    """A namespace that stands for the host, with addresses of its own and a tap, and that of the guest."""
    with network_namespace() as name, network_namespace() as guest:
        pair = ("type", "veth", "peer", "name", "eth0", "netns", guest)
        _run("ip", "link", "add", _TAP, "netns", name, *pair)
        _inside(name, "ip", "addr", "add", "192.0.2.7/32", "dev", "lo")
        _inside(name, "ip", "addr", "add", "2001:db8::7/128", "dev", "lo", "nodad")
        _inside(guest, "ip", "link", "set", "eth0", "up")
        _inside(name, "ip", "link", "set", _TAP, "up")
        _inside(name, "ip", "route", "add", "172.31.0.0/24", "dev", _TAP)
        yield name, guest


async def test_no_frame_by_a_tap_reaches_a_socket_of_the_host(ends: tuple[str, str]) -> None:
    name, guest = ends
    mac = _inside(name, "cat", f"/sys/class/net/{_TAP}/address").strip()
    # until its link-local address is no longer tentative
    _inside(
        name, "sh", "-c", f"until ip -6 -o addr show dev {_TAP} -tentative | grep -q fe80; do sleep 0.2; done"
    )
    shown = _inside(name, "ip", "-6", "-o", "addr", "show", "dev", _TAP, "scope", "link").split()
    local = shown[shown.index("inet6") + 1].partition("/")[0]
    with hearing(name) as hear:
        _inside(guest, sys.executable, "-c", _SEND, mac, local)
        heard = hear()
        assert {f"{tag} {end}" for tag in _TAGS for end in _ENDS} <= heard, (
            "nothing but the tables keeps them out"
        )
        await NftClient(name).replace_our_tables(render_tables((), "qx-ex"))
        _inside(guest, sys.executable, "-c", _SEND, mac, local)
        assert hear() == set()


@contextmanager
def hearing(namespace: str) -> Iterator[Callable[[], set[str]]]:
    """What tells, when asked, all that the sockets of a namespace have heard since."""
    command = inside(namespace, sys.executable, "-c", _HEAR)
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        out = process.stdout
        assert out.readline() == b"listening\n"

        def hear() -> set[str]:
            found: set[str] = set()
            while select.select([out], [], [], 1.0)[0]:
                found.add(out.readline().decode().strip())
            return found

        try:
            yield hear
        finally:
            process.kill()


def _inside(namespace: str, *command: str) -> str:
    return _run(*inside(namespace, *command))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
