"""The ports where QEMU receives guests, in a real packet filter: a third host never begins a connection."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from quantix_api.filter_tables import ARRIVAL_PORTS
from quantix_hostd.clients.nft import NftClient
from quantix_hostd.packet_filter import render_tables
from quantix_lab.open_vswitch import inside, network_namespace
from quantix_lab.site_of_a_host import SERVE, program

_HOST, _SOURCE, _THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"
_HOST6, _SOURCE6, _THIRD6 = "2001:db8::1", "2001:db8::2", "2001:db8::3"
# Says each line that it is given by the connection that it has, and prints whether it was answered
_CALL = """
import json, socket, sys
target, port, source, patience_s = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
try:
    wire = socket.create_connection((target, port), patience_s, (source, 0))
    print(json.dumps("connected"), flush=True)
except TimeoutError:
    sys.exit(print(json.dumps("dropped"), flush=True))
for line in sys.stdin:
    wire.sendall(line.encode())
    print(json.dumps(wire.recv(99).decode()), flush=True)
"""

# a machine with much to do takes its time to answer; what is dropped is not answered at all
_PATIENT_S, _SHORT_S = 20.0, 0.7


@pytest.fixture
def host() -> Iterator[str]:
    """The one that receives, at the first and the last of the ports and beside them; whoever calls has two
    addresses of a wire to it, in `_caller`.
    """
    first, last = ARRIVAL_PORTS
    ports = [str(port) for port in (first - 1, first, last, last + 1)]
    with network_namespace() as name:
        with program(name, SERVE, *ports):
            yield name


@pytest.fixture
def caller(host: str) -> Iterator[str]:
    with network_namespace() as name:
        _run("ip", "-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", host)
        for namespace, addresses in ((host, (_HOST, _HOST6)), (name, (_SOURCE, _SOURCE6, _THIRD, _THIRD6))):
            for address in addresses:
                width = "64" if ":" in address else "24"
                options = ["nodad"] if ":" in address else []
                _run("ip", "-n", namespace, "addr", "add", f"{address}/{width}", "dev", "eth0", *options)
            _run("ip", "-n", namespace, "link", "set", "eth0", "up")
        yield name


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=30)


@contextmanager
def calling(
    namespace: str, target: str, port: int, source: str, patience_s: float = _PATIENT_S
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A connection that stays, and how it began."""
    command = inside(namespace, sys.executable, "-c", _CALL, target, str(port), source, str(patience_s))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def call(namespace: str, target: str, port: int, source: str, patience_s: float = _PATIENT_S) -> str:
    with calling(namespace, target, port, source, patience_s) as (_, began):
        return began


def say(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return str(json.loads(process.stdout.readline())).strip()


@pytest.mark.parametrize(
    ("target", "source", "third"), [(_HOST, _SOURCE, _THIRD), (_HOST6, _SOURCE6, _THIRD6)], ids=["4", "6"]
)
async def test_only_the_host_that_sends_begins_a_connection(
    host: str, caller: str, target: str, source: str, third: str
) -> None:
    first, last = ARRIVAL_PORTS
    assert call(caller, target, first, third) == "connected", "nothing but the tables keeps it out"
    await NftClient(host).replace_our_tables(render_tables((), "qx-ex", senders=[source]))
    assert call(caller, target, first, source) == "connected"
    assert call(caller, target, last, source) == "connected"
    assert [call(caller, target, port, third, _SHORT_S) for port in ARRIVAL_PORTS] == ["dropped", "dropped"]
    assert call(caller, target, first - 1, third) == "connected"
    assert call(caller, target, last + 1, third) == "connected"


async def test_one_that_has_begun_outlives_its_door_and_the_tables(host: str, caller: str) -> None:
    nft, port = NftClient(host), ARRIVAL_PORTS[0]
    await nft.replace_our_tables(render_tables((), "qx-ex", senders=[_SOURCE]))
    with calling(caller, _HOST, port, _SOURCE) as (process, began):
        assert (began, say(process, "disk")) == ("connected", "disk")
        await nft.replace_our_tables(render_tables((), "qx-ex"))
        assert say(process, "memory") == "memory"
        assert call(caller, _HOST, port, _SOURCE, _SHORT_S) == "dropped"
        await nft.replace_our_tables(render_tables(("172.31.0.0/24",), "qx-ex"))
        assert say(process, "the last of it") == "the last of it"


async def test_programs_of_the_host_reach_each_other_at_any_port(host: str, caller: str) -> None:
    await NftClient(host).replace_our_tables(render_tables((), "qx-ex"))
    assert call(host, "127.0.0.1", ARRIVAL_PORTS[0], "127.0.0.1") == "connected"
    assert call(host, _HOST, ARRIVAL_PORTS[0], _HOST) == "connected"


@pytest.mark.parametrize(("target", "source"), [(_HOST, _THIRD), (_HOST6, _THIRD6)], ids=["4", "6"])
async def test_pings_and_neighbour_discovery_pass_as_ever(
    host: str, caller: str, target: str, source: str
) -> None:
    await NftClient(host).replace_our_tables(render_tables((), "qx-ex"))
    _run(*inside(caller, "ping", "-c", "1", "-W", "2", "-I", source, target))


async def test_the_tables_are_found_as_they_were_written(host: str) -> None:
    nft, text = NftClient(host), render_tables((), "qx-ex", senders=[_SOURCE, _THIRD, _SOURCE6])
    await nft.replace_our_tables(text)
    assert (await nft.our_tables()).split() == text.split()
