"""What a host forwards for guests, in a real packet filter: to the world, and to nothing of the platform.

Three namespaces beside the host: `guest` is whatever comes in by `qx-ex`, `world` the hosts' wire with all
that is on it, `inner` a network to which the host's leg leads.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from quantix_hostd.clients.nft import NftClient
from quantix_hostd.packet_filter import render_tables
from quantix_lab.open_vswitch import inside, network_namespace
from quantix_lab.waiting import eventually

_TUNNEL, _ANY = 6081, 5000
_OWN = ("192.0.2.1", "2001:db8::1")
_HOSTS = ("192.0.2.3", "2001:db8::3")
_MONITORS = ("192.0.2.20", "2001:db8::20")
_STRANGERS = ("192.0.2.9", "2001:db8::9")
"""Others on the hosts' wire: servers of the site, or hosts of which nobody has heard yet."""
_FLOATING = ("172.31.0.20", "fd00:31::20")
_GUESTS = ("172.31.0.7", "fd00:31::7")
_BEHIND_LEG = ("10.77.0.61", "fd00:77::61")
_OWN_NETWORK = "fd00:77::7"
"""A guest of the network that the leg leads to: IPv6 is not translated."""
_FORGED = ("192.0.2.50", "10.91.0.2", "2001:db8::50", "fd00:99::7")
_PLATFORM = frozenset((*_HOSTS, *_MONITORS))
_PREFIXES = ("172.31.0.0/24",)
_EACH_FAMILY = pytest.mark.parametrize("family", [0, 1], ids=["4", "6"])

# Prints the source, the port and the text of each datagram
_HEAR = """
import json, select, socket, sys
doors = {}
for port in map(int, sys.argv[1:]):
    door = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    door.bind(("::", port))
    doors[door] = port
print("listening", flush=True)
while True:
    for door in select.select(list(doors), [], [])[0]:
        text, source = door.recvfrom(9000)
        print(json.dumps([source[0].removeprefix("::ffff:"), doors[door], text.decode()[:40]]), flush=True)
"""
# From any source: IP_TRANSPARENT and IPV6_TRANSPARENT of Linux, in.h and in6.h
_SEND = """
import socket, sys
source, target, port, text = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
six = ":" in target
wire = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
wire.setsockopt(*((socket.IPPROTO_IPV6, 75) if six else (socket.IPPROTO_IP, 19)), 1)
wire.bind((source, int(sys.argv[5])))
wire.sendto(text.encode(), (target, port))
"""
# Answers each line of each connection
_SERVE = """
import asyncio
async def answer(reader, writer):
    while said := await reader.readline():
        writer.write(said)
        await writer.drain()
async def main():
    await asyncio.start_server(answer, None, 9443)
    print("listening", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
# Says each line that it is given by the connection that it has, and prints what became of it
_CALL = """
import json, socket, sys
source, target, patience_s = sys.argv[1], sys.argv[2], float(sys.argv[3])
try:
    wire = socket.create_connection((target, 9443), patience_s, (source, 0))
    print(json.dumps("connected"), flush=True)
except TimeoutError:
    sys.exit(print(json.dumps("dropped"), flush=True))
for line in sys.stdin:
    try:
        wire.sendall(line.encode())
        print(json.dumps(wire.recv(99).decode().strip()), flush=True)
    except TimeoutError:
        print(json.dumps("dropped"), flush=True)
"""
# a machine with much to do takes its time to answer; what is dropped is not answered at all
_PATIENT_S, _SHORT_S = 20.0, 0.7


@dataclass(frozen=True)
class Site:
    """The names of the namespaces."""

    host: str
    guest: str
    world: str
    inner: str

    async def protect(self, platform: frozenset[str] | None = _PLATFORM) -> None:
        tables = render_tables(_PREFIXES, "qx-ex", platform=platform)
        await NftClient(self.host).replace_our_tables(tables)

    def unprotect(self) -> None:
        """Guests go on to have the host's address outside."""
        _run(*inside(self.host, "nft", "delete", "table", "inet", "quantix"))


@pytest.fixture
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        made = Site(*(stack.enter_context(network_namespace()) for _ in range(4)))
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            _run(*inside(made.host, "sysctl", "-qw", f"{key}=1"))
        _wire(made.host, "qx-ex", ("172.31.0.1/24", "fd00:31::1/64"), made.guest)
        _wire(made.host, "eth0", (f"{_OWN[0]}/24", f"{_OWN[1]}/64"), made.world)
        _wire(made.host, "qxh0", ("100.64.0.2/16", "fd00:64::2/64"), made.inner)
        for name, addresses, gateways in (
            (made.guest, (*_GUESTS, *_FLOATING, _OWN_NETWORK), ("172.31.0.1", "fd00:31::1")),
            (made.world, (*_HOSTS, *_MONITORS, *_STRANGERS), _OWN),
            (made.inner, ("100.64.0.1", "fd00:64::1", *_BEHIND_LEG), ("100.64.0.2", "fd00:64::2")),
        ):
            _end(name, addresses, gateways)
        for prefix, gateway in (("10.77.0.0/24", "100.64.0.1"), ("fd00:77::/64", "fd00:64::1")):
            _run("ip", "-n", made.host, "route", "add", prefix, "via", gateway, "dev", "qxh0")
        for neighbour in (*_GUESTS, *_STRANGERS, *_HOSTS, *_MONITORS):
            # what waits for a neighbour to be found comes after what does not
            eventually("all are found", lambda target=neighbour: pings(made.host, target), _PATIENT_S)
        yield made


def _wire(host: str, device: str, addresses: tuple[str, ...], other: str) -> None:
    pair = ("type", "veth", "peer", "name", "eth0", "netns", other)
    _run("ip", "-n", host, "link", "add", device, *pair)
    for address in addresses:
        _run("ip", "-n", host, "addr", "add", address, "dev", device, *_without_dad(address))
    _run("ip", "-n", host, "link", "set", device, "up")


def _end(name: str, addresses: tuple[str, ...], gateways: tuple[str, ...]) -> None:
    """All of its addresses by themselves: whatever is not the gateway is reached by it."""
    for address in addresses:
        _run("ip", "-n", name, "addr", "add", address, "dev", "eth0", *_without_dad(address))
    _run("ip", "-n", name, "link", "set", "eth0", "up")
    for gateway in gateways:
        family = "-6" if ":" in gateway else "-4"
        _run("ip", "-n", name, family, "route", "add", gateway, "dev", "eth0")
        _run("ip", "-n", name, family, "route", "add", "default", "via", gateway, "dev", "eth0", "onlink")


def _without_dad(address: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in address else ()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=30)


@contextmanager
def program(namespace: str, text: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One that listens by now."""
    command = inside(namespace, sys.executable, "-c", text, *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            yield process
        finally:
            process.kill()


@contextmanager
def calling(namespace: str, source: str, target: str, patience_s: float = _PATIENT_S) -> Iterator[Connection]:
    command = inside(namespace, sys.executable, "-c", _CALL, source, target, str(patience_s))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Connection(process, json.loads(process.stdout.readline()))
        finally:
            process.kill()


@dataclass(frozen=True)
class Connection:
    """One that stays, and how it `began`."""

    process: subprocess.Popen[str]
    began: str

    def say(self, line: str) -> str:
        """What is answered."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return str(json.loads(self.process.stdout.readline()))


def call(namespace: str, source: str, target: str, patience_s: float = _PATIENT_S) -> str:
    with calling(namespace, source, target, patience_s) as connection:
        return connection.began


def send(
    namespace: str, source: str, target: str, text: str, port: int = _ANY, *, from_port: int = 0
) -> None:
    """A datagram."""
    words = (source, target, str(port), text, str(from_port))
    _run(*inside(namespace, sys.executable, "-c", _SEND, *words))


def heard(process: subprocess.Popen[str], site: Site) -> list[tuple[str, int, str]]:
    """What came until now, in some order: one more, that nobody holds up, comes after it."""
    assert process.stdout is not None
    send(site.host, "0.0.0.0", _STRANGERS[0], "last")
    found = []
    while (line := json.loads(process.stdout.readline()))[2] != "last":
        found.append((line[0], line[1], line[2]))
    return sorted(found)


@_EACH_FAMILY
async def test_no_guest_sends_what_would_be_a_tunnel_of_its_gateway(site: Site, family: int) -> None:
    """Neither to a host nor to one that nobody has heard of, in one piece or in several."""
    packets = [(_HOSTS[family], "frame"), (_STRANGERS[family], "frame"), (_STRANGERS[family], "x" * 4000)]
    await site.protect()
    with program(site.world, _HEAR, str(_TUNNEL), str(_ANY)) as world:
        for target, text in packets:
            send(site.guest, _GUESTS[family], target, text, _TUNNEL)
        assert heard(world, site) == []
        site.unprotect()
        for target, text in packets:
            send(site.guest, _GUESTS[family], target, text, _TUNNEL)
        source = (_OWN[0], _GUESTS[1])[family]
        texts = ("frame", "frame", "x" * 40)
        assert heard(world, site) == [(source, _TUNNEL, text) for text in texts], "it is the table alone"


@_EACH_FAMILY
async def test_an_answer_is_no_way_to_send_one_either(site: Site, family: int) -> None:
    await site.protect()
    asked, asking = _FLOATING[family], _HOSTS[family]
    send(site.world, asking, asked, "ask", _ANY, from_port=_TUNNEL)
    with program(site.world, _HEAR, str(_TUNNEL), str(_ANY)) as world:
        send(site.guest, asked, asking, "frame", _TUNNEL, from_port=_ANY)
        assert heard(world, site) == []
        site.unprotect()
        send(site.guest, asked, asking, "frame", _TUNNEL, from_port=_ANY)
        assert heard(world, site) == [(asked, _TUNNEL, "frame")]


@pytest.mark.parametrize("source", _FORGED)
async def test_who_has_no_place_on_the_way_out_sends_nothing(site: Site, source: str) -> None:
    """Whatever network a tenant makes: that of the hosts' wire, or one that nobody routes."""
    target = _STRANGERS[":" in source]
    await site.protect()
    with program(site.world, _HEAR, str(_ANY)) as world:
        send(site.guest, source, target, "forged")
        assert heard(world, site) == []
        site.unprotect()
        send(site.guest, source, target, "forged")
        assert heard(world, site) == [(source, _ANY, "forged")], "nothing but the table keeps it back"


async def test_a_network_to_which_somebody_made_a_route_by_the_way_out_has_a_place_there(site: Site) -> None:
    for family, prefix, source in (("-4", "10.91.0.0/24", "10.91.0.2"), ("-6", "fd00:99::/64", "fd00:99::7")):
        _run("ip", "-n", site.host, family, "route", "add", prefix, "dev", "qx-ex")
        await site.protect()
        with program(site.world, _HEAR, str(_ANY)) as world:
            send(site.guest, source, _STRANGERS[":" in source], "routed")
            assert heard(world, site) == [(source, _ANY, "routed")]


async def test_guests_reach_the_world_as_ever(site: Site) -> None:
    await site.protect()
    with program(site.world, _HEAR, str(_ANY)) as world:
        for source, target in ((_GUESTS[0], _STRANGERS[0]), *((s, _STRANGERS[1]) for s in _SIX)):
            send(site.guest, source, target, "hello")
        assert heard(world, site) == sorted((source, _ANY, "hello") for source in (_OWN[0], *_SIX))
    with program(site.world, _SERVE):
        for source, target in zip(_GUESTS, _STRANGERS, strict=True):
            with calling(site.guest, source, target) as connection:
                assert (connection.began, connection.say("hello")) == ("connected", "hello")


_SIX = (_GUESTS[1], _OWN_NETWORK)


@_EACH_FAMILY
async def test_guests_begin_nothing_with_the_platform(site: Site, family: int) -> None:
    await site.protect()
    targets = (_HOSTS[family], _MONITORS[family])
    with program(site.world, _SERVE), program(site.world, _HEAR, str(_ANY)) as world:
        assert [call(site.guest, _GUESTS[family], t, _SHORT_S) for t in targets] == ["dropped", "dropped"]
        for target in targets:
            send(site.guest, _GUESTS[family], target, "hello")
            assert not pings(site.guest, target)
        assert heard(world, site) == []
        site.unprotect()
        assert [call(site.guest, _GUESTS[family], target) for target in targets] == ["connected", "connected"]


@_EACH_FAMILY
async def test_hosts_reach_floating_ips_like_everybody(site: Site, family: int) -> None:
    await site.protect()
    with program(site.guest, _SERVE):
        for source in (_HOSTS[family], _STRANGERS[family]):
            with calling(site.world, source, _FLOATING[family]) as connection:
                assert (connection.began, connection.say("hello")) == ("connected", "hello")
                assert pings(site.world, _FLOATING[family], source)


@_EACH_FAMILY
async def test_a_connection_to_what_becomes_a_host_ends(site: Site, family: int) -> None:
    await site.protect()
    with program(site.world, _SERVE), calling(site.guest, _GUESTS[family], _STRANGERS[family], 3) as began:
        assert began.say("hello") == "hello"
        await site.protect(_PLATFORM | {_STRANGERS[family]})
        assert began.say("hello again") == "dropped"


@_EACH_FAMILY
async def test_while_hosts_are_not_known_nothing_begins_and_what_has_begun_goes_on(
    site: Site, family: int
) -> None:
    await site.protect()
    source, target = _GUESTS[family], _STRANGERS[family]
    with program(site.world, _SERVE), calling(site.guest, source, target) as connection:
        assert connection.say("hello") == "hello"
        await site.protect(None)
        assert call(site.guest, source, target, _SHORT_S) == "dropped"
        assert connection.say("still there") == "still there"
    with program(site.guest, _SERVE):
        assert call(site.world, _STRANGERS[family], _FLOATING[family]) == "connected"


@_EACH_FAMILY
async def test_the_hosts_own_leg_leads_no_guest_to_another(site: Site, family: int) -> None:
    await site.protect()
    with program(site.inner, _SERVE):
        assert call(site.guest, _GUESTS[family], _BEHIND_LEG[family], _SHORT_S) == "dropped"
        site.unprotect()
        assert call(site.guest, _GUESTS[family], _BEHIND_LEG[family]) == "connected"


@_EACH_FAMILY
async def test_the_host_is_pinged_and_found_as_ever(site: Site, family: int) -> None:
    await site.protect()
    gateway = ("172.31.0.1", "fd00:31::1")[family]
    _run("ip", "-n", site.guest, "neigh", "flush", "dev", "eth0")
    assert pings(site.guest, gateway, _GUESTS[family])
    with program(site.guest, _SERVE):
        _run("ip", "-n", site.host, "neigh", "flush", "dev", "qx-ex")
        assert call(site.host, gateway, _FLOATING[family]) == "connected"


def pings(namespace: str, target: str, *source: str) -> bool:
    options = ("-I", *source) if source else ()
    command = inside(namespace, "ping", "-c", "1", "-W", "1", *options, target)
    return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0


@pytest.mark.parametrize(
    "platform",
    [
        None,
        frozenset(),
        frozenset({"10.0.0.9"}),
        frozenset({"fd00::9"}),
        frozenset({"10.0.0.10", "10.0.0.9", "9.255.0.1", "fd00::a", "fd00::9", "2001:db8::1:0"}),
        frozenset(f"10.{number % 7}.{number % 3}.{number}" for number in range(1, 255)),
    ],
    ids=["unknown", "none", "one", "one of IPv6", "some", "many"],
)
async def test_the_tables_are_found_as_they_were_written(site: Site, platform: frozenset[str] | None) -> None:
    nft, text = NftClient(site.host), render_tables(_PREFIXES, "qx-ex", platform=platform)
    await nft.replace_our_tables(text)
    assert (await nft.our_tables()).split() == text.split()
