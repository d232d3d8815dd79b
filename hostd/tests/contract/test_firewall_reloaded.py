"""A firewall that is loaded anew takes our tables with it: the kernel says so, and hostd looks at once."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Iterator

import pytest

from quantix_hostd.clients.nft import NftClient
from quantix_hostd.packet_filter import render_tables
from quantix_lab.open_vswitch import inside, network_namespace

_WATCH = (
    "import asyncio\n"
    "from quantix_hostd.clients import nft_events\n"
    "opened = nft_events.open_events\n"
    "def open_events():\n"
    "    events = opened()\n"
    "    print('listening', flush=True)\n"
    "    return events\n"
    "nft_events.open_events = open_events\n"
    "asyncio.run(nft_events.watch_our_tables(lambda: print('changed', flush=True), 0.5))\n"
)


@pytest.fixture
def namespace() -> Iterator[str]:
    with network_namespace() as name:
        yield name


@pytest.fixture
def watch(namespace: str) -> Iterator[subprocess.Popen[bytes]]:
    """What prints `changed` after each change of our tables in the namespace."""
    command = inside(namespace, sys.executable, "-c", _WATCH)
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            assert heard(process, timeout_s=20) == b"listening\n"
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[bytes], timeout_s: float) -> bytes:
    """The next line, b"" when none comes."""
    assert process.stdout is not None
    there, _, _ = select.select([process.stdout], [], [], timeout_s)
    return process.stdout.readline() if there else b""


def nft(namespace: str, commands: str) -> None:
    subprocess.run(inside(namespace, "nft", commands), check=True, timeout=20)


@pytest.mark.parametrize(
    "loss",
    ["flush ruleset", "delete table arp quantix", "flush chain inet quantix heard"],
)
async def test_a_loss_of_our_tables_is_heard_at_once(
    namespace: str, watch: subprocess.Popen[bytes], loss: str
) -> None:
    await NftClient(namespace).replace_our_tables(render_tables(["172.31.0.0/24"], "qx-ex"))
    while heard(watch, timeout_s=1.5):
        pass
    nft(namespace, loss)
    assert heard(watch, timeout_s=5) == b"changed\n"


async def test_what_others_do_to_theirs_is_no_news(namespace: str, watch: subprocess.Popen[bytes]) -> None:
    nft(namespace, "add table inet quantix-not; add chain inet quantix-not c; delete table inet quantix-not")
    nft(namespace, "add table inet other; add chain inet other quantix; add rule inet other quantix accept")
    nft(
        namespace,
        "add set inet other quantix { type ipv4_addr; }; add element inet other quantix { 10.0.0.1 }",
    )
    nft(namespace, "delete table inet other")
    assert heard(watch, timeout_s=1.5) == b""
