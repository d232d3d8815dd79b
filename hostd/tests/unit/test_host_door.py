"""Who may begin a connection to the ports where QEMU receives, and for how long."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.nft import NftClient
from quantix_hostd.host.network import door as module
from quantix_hostd.host.network.door import HostDoor
from quantix_hostd.host.network.model import NetworkSpec
from quantix_hostd.packet_filter import render_tables

_SPEC = NetworkSpec(
    system_id="u-1",
    host="h1",
    southbound="unix:sb",
    tunnel_address="10.0.0.1",
    datapath="netdev",
    way_out_mac="0e:aa:bb:cc:dd:ee",
)


class FakeNft(NftClient):
    """A packet filter; `broken`: it cannot be changed. `tables` are every text that it had."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = [""]
        self.broken = False

    async def our_tables(self) -> str:
        await asyncio.sleep(0)
        return self.tables[-1]

    async def replace_our_tables(self, text: str) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise TransientError("CommandFailed", "nft does not answer.")
        self.tables.append(text)

    def lets_in(self, address: str) -> bool:
        return f"saddr {address} accept" in self.tables[-1]


@pytest.fixture
def nft() -> FakeNft:
    return FakeNft()


@pytest.fixture
async def door(nft: FakeNft) -> HostDoor:
    made = HostDoor(nft)
    made.want(_SPEC)
    await made.put()
    return made


def test_the_ports_are_closed_but_for_what_has_begun_the_host_itself_and_who_sends() -> None:
    text = render_tables([], "qx-ex", senders=["fd00::2", "10.0.0.2", "10.0.0.2"])
    rules = [line.strip() for line in text.partition("chain arriving {")[2].partition("}")[0].splitlines()]
    assert rules[2:] == [
        'iifname "lo" accept',
        "ct state established,related accept",
        "ip saddr 10.0.0.2 accept",
        "ip6 saddr fd00::2 accept",
        "tcp dport 49152-49215 drop",
        "",
    ]


async def test_it_is_open_as_long_as_anything_comes_from_there(nft: FakeNft, door: HostDoor) -> None:
    assert not nft.lets_in("10.0.0.2")
    async with door.open_to("10.0.0.2"):
        assert nft.lets_in("10.0.0.2")
        async with door.open_to("10.0.0.2"), door.open_to("fd00::3"):
            assert nft.lets_in("fd00::3")
        assert nft.lets_in("10.0.0.2")
        assert not nft.lets_in("fd00::3")
    assert nft.tables[-1] == render_tables([], "qx-ex")


async def test_a_look_meanwhile_closes_nothing(nft: FakeNft, door: HostDoor) -> None:
    async with door.open_to("10.0.0.2"):
        door.want(_SPEC)
        assert door.with_senders(_SPEC).senders == {"10.0.0.2"}
        nft.tables.append("")
        await asyncio.gather(door.put(), door.put())
        assert nft.lets_in("10.0.0.2")
    assert door.with_senders(_SPEC).senders == frozenset()


async def test_many_that_come_and_go_at_once_leave_what_is_so(nft: FakeNft, door: HostDoor) -> None:
    async def come(address: str) -> None:
        async with door.open_to(address):
            assert nft.lets_in(address)
            await asyncio.sleep(0)
            assert nft.lets_in(address)

    await asyncio.gather(*(come(f"10.0.0.{number % 3}") for number in range(12)))
    assert nft.tables[-1] == render_tables([], "qx-ex")


async def test_who_comes_while_it_cannot_be_opened_is_told_so_and_is_not_let_in_later(
    nft: FakeNft, door: HostDoor
) -> None:
    nft.broken = True
    with pytest.raises(TransientError, match="nft does not answer"):
        async with door.open_to("10.0.0.2"):
            raise AssertionError("it is not open")
    nft.broken = False
    await door.put()
    assert not nft.lets_in("10.0.0.2")


async def test_a_hostd_that_ends_meanwhile_closes_it(nft: FakeNft, door: HostDoor) -> None:
    opened = asyncio.Event()

    async def come() -> None:
        async with door.open_to("10.0.0.2"):
            opened.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(come())
    await opened.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not nft.lets_in("10.0.0.2")


async def test_a_host_that_has_not_looked_yet_lets_nobody_in(
    nft: FakeNft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_LOOK_S", 0.01)
    with pytest.raises(TransientError, match="has not looked"):
        async with HostDoor(nft).open_to("10.0.0.2"):
            raise AssertionError("it is not open")
