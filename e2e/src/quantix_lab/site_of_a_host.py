"""A host with all that is around it, each a network namespace: for contract tests of the packet filter.

Three beside the host's own: `guest` is whatever comes in by its `qx-ex`, `world` the hosts' wire with all
that is on it, `inner` a network to which the host's leg leads.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from quantix_lab.open_vswitch import inside, network_namespace
from quantix_lab.waiting import eventually

TUNNEL, ANY = 6081, 5000
OWN = ("192.0.2.1", "2001:db8::1")
HOSTS = ("192.0.2.3", "2001:db8::3")
MONITORS = ("192.0.2.20", "2001:db8::20")
STRANGERS = ("192.0.2.9", "2001:db8::9")
"""Others on the hosts' wire: servers of the site, or hosts of which nobody has heard yet."""
FLOATING = ("172.31.0.20", "fd00:31::20")
GUESTS = ("172.31.0.7", "fd00:31::7")
BEHIND_LEG = ("10.77.0.61", "fd00:77::61")
OWN_NETWORK = "fd00:77::7"
"""A guest of the network that the leg leads to: IPv6 is not translated."""

# Prints the source, the port and the text of each datagram; those of the ports named first come first
HEAR = """
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
        while select.select([door], [], [], 0)[0]:
            text, source = door.recvfrom(9000)
            said = [source[0].removeprefix("::ffff:"), doors[door], text.decode()[:40]]
            print(json.dumps(said), flush=True)
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
PORT = "9443"
# Answers each line of each connection to the ports that it is given
SERVE = """
import asyncio, sys
async def answer(reader, writer):
    while said := await reader.readline():
        writer.write(said)
        await writer.drain()
async def main():
    for port in map(int, sys.argv[1:]):
        await asyncio.start_server(answer, None, port)
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
PATIENT_S, SHORT_S = 20.0, 0.7


@dataclass(frozen=True)
class Site:
    """The names of the namespaces."""

    host: str
    guest: str
    world: str
    inner: str

    def unprotect(self) -> None:
        """Guests go on to have the host's address outside."""
        run(*inside(self.host, "nft", "delete", "table", "inet", "quantix"))


@contextmanager
def site_of_a_host() -> Iterator[Site]:
    """All that is said above, with routes to it, and nothing in the packet filter."""
    with ExitStack() as stack:
        made = Site(*(stack.enter_context(network_namespace()) for _ in range(4)))
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            run(*inside(made.host, "sysctl", "-qw", f"{key}=1"))
        _wire(made.host, "qx-ex", ("172.31.0.1/24", "fd00:31::1/64"), made.guest)
        _wire(made.host, "eth0", (f"{OWN[0]}/24", f"{OWN[1]}/64"), made.world)
        _wire(made.host, "qxh0", ("100.64.0.2/16", "fd00:64::2/64"), made.inner)
        for name, addresses, gateways in (
            (made.guest, (*GUESTS, *FLOATING, OWN_NETWORK), ("172.31.0.1", "fd00:31::1")),
            (made.world, (*HOSTS, *MONITORS, *STRANGERS), OWN),
            (made.inner, ("100.64.0.1", "fd00:64::1", *BEHIND_LEG), ("100.64.0.2", "fd00:64::2")),
        ):
            _end(name, addresses, gateways)
        for prefix, gateway in (("10.77.0.0/24", "100.64.0.1"), ("fd00:77::/64", "fd00:64::1")):
            run("ip", "-n", made.host, "route", "add", prefix, "via", gateway, "dev", "qxh0")
        for neighbour in (*GUESTS, *STRANGERS, *HOSTS, *MONITORS):
            # what waits for a neighbour to be found comes after what does not
            eventually("all are found", partial(pings, made.host, neighbour), PATIENT_S)
        yield made


def _wire(host: str, device: str, addresses: tuple[str, ...], other: str) -> None:
    pair = ("type", "veth", "peer", "name", "eth0", "netns", other)
    run("ip", "-n", host, "link", "add", device, *pair)
    for address in addresses:
        run("ip", "-n", host, "addr", "add", address, "dev", device, *_without_dad(address))
    run("ip", "-n", host, "link", "set", device, "up")


def _end(name: str, addresses: tuple[str, ...], gateways: tuple[str, ...]) -> None:
    """All of its addresses by themselves: whatever is not the gateway is reached by it."""
    for address in addresses:
        run("ip", "-n", name, "addr", "add", address, "dev", "eth0", *_without_dad(address))
    run("ip", "-n", name, "link", "set", "eth0", "up")
    for gateway in gateways:
        family = "-6" if ":" in gateway else "-4"
        run("ip", "-n", name, family, "route", "add", gateway, "dev", "eth0")
        run("ip", "-n", name, family, "route", "add", "default", "via", gateway, "dev", "eth0", "onlink")


def _without_dad(address: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in address else ()


def run(*command: str) -> None:
    """Raises subprocess.CalledProcessError where it fails."""
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
def calling(namespace: str, source: str, target: str, patience_s: float = PATIENT_S) -> Iterator[Connection]:
    """A connection to what `SERVE` serves at `PORT`."""
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


def call(namespace: str, source: str, target: str, patience_s: float = PATIENT_S) -> str:
    """How a connection began."""
    with calling(namespace, source, target, patience_s) as connection:
        return connection.began


def send(namespace: str, source: str, target: str, text: str, port: int = ANY, *, from_port: int = 0) -> None:
    """A datagram."""
    words = (source, target, str(port), text, str(from_port))
    run(*inside(namespace, sys.executable, "-c", _SEND, *words))


def heard(process: subprocess.Popen[str], site: Site) -> list[tuple[str, int, str]]:
    """What came until now, in some order: one more, that nobody holds up, comes after it."""
    assert process.stdout is not None
    send(site.host, "0.0.0.0", STRANGERS[0], "last")
    found = []
    while (line := json.loads(process.stdout.readline()))[2] != "last":
        found.append((line[0], line[1], line[2]))
    return sorted(found)


def pings(namespace: str, target: str, *source: str) -> bool:
    """Whether one ping is answered."""
    options = ("-I", *source) if source else ()
    command = inside(namespace, "ping", "-c", "1", "-W", "1", *options, target)
    return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0
