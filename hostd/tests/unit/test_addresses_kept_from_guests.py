"""Which addresses guests begin nothing with, and how this host comes to know them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from quantix_api.resources import Resource
from quantix_client.api import ListResult
from quantix_client.errors import ApiError
from quantix_hostd.host.network.known_platform import Platform
from quantix_hostd.packet_filter import render_tables
from quantix_hostd.platform_addresses import address_in, addresses_of_hosts, doors_of, monitors_of
from quantix_lab.clocks import ManualClock


def host(**addresses: str) -> dict[str, Any]:
    return {"metadata": {"name": "h"}, "status": {"addresses": addresses}}


def pool(*monitors: str) -> dict[str, Any]:
    return {"metadata": {"name": "fast"}, "spec": {"rbd": {"monitors": list(monitors), "pool": "p"}}}


def forwarded(platform: frozenset[str] | None) -> list[str]:
    """The rules for what guests send to others, without what they always begin with."""
    text = render_tables([], "qx-ex", platform=platform).partition("chain forwarded {")[2].partition("\t}")[0]
    rules = [line.strip() for line in text.strip().splitlines()]
    assert rules[1:4] == ['iifname != "qx-ex" accept', 'oifname "qxh0" drop', "udp dport 6081 drop"]
    return rules[4:]


def test_guests_begin_nothing_with_the_platform_and_answer_everybody() -> None:
    assert forwarded(frozenset({"10.0.0.10", "fd00::2", "10.0.0.9"})) == [
        "ct direction reply accept",
        "ip daddr { 10.0.0.9, 10.0.0.10 } drop",
        "ip6 daddr fd00::2 drop",
    ]
    assert forwarded(frozenset()) == ["ct direction reply accept"]


def test_while_no_host_is_known_they_begin_nothing_at_all() -> None:
    assert forwarded(None) == ["ct state established,related accept", "drop"]


def test_all_addresses_of_all_hosts_count() -> None:
    hosts = [
        host(api="10.0.0.1:9443", tunnel="10.9.0.1", migration="fd00:9::1", storage="10.8.0.1"),
        host(api="[fd00::2]:9443", tunnel="127.0.0.1"),
        {"metadata": {"name": "new"}},
        {"metadata": {"name": "newer"}, "status": {}},
    ]
    assert addresses_of_hosts(hosts) == {"10.0.0.1", "10.9.0.1", "fd00:9::1", "10.8.0.1", "fd00::2"}


@pytest.mark.parametrize(
    "said",
    [
        "h1.example.com:9443",
        "10.0.0.0/8",
        "10.0.0.1; flush ruleset",
        "0.0.0.0",
        "127.0.0.1:9443",
        "[::1]:9443",
        "224.0.0.1",
        "255.255.255.255",
        "fe80::1",
        "::10.0.0.1",
        "",
    ],
)
def test_what_a_host_says_that_is_no_address_counts_for_nothing(said: str) -> None:
    assert addresses_of_hosts([host(api=said)]) == frozenset()


def test_an_address_is_written_anew_as_the_packet_filter_prints_it() -> None:
    assert address_in("2001:DB8:0:0::1") == "2001:db8::1"
    assert address_in("::ffff:10.0.0.1") == "10.0.0.1"
    assert address_in("2001:db8::1%} drop; flush ruleset") == "2001:db8::1"


def test_monitors_of_all_pools_count_and_the_doors_of_this_host() -> None:
    pools = [pool("10.1.0.1", "10.1.0.2:6789", "[fd00:1::3]:3300", "mon.example.com"), {"spec": {"dir": {}}}]
    assert monitors_of(pools) == {"10.1.0.1", "10.1.0.2", "fd00:1::3", "mon.example.com"}
    assert doors_of("https://10.0.0.1:6443", "ssl:10.0.0.1:6642,ssl:[fd00::5]:6642") == {
        "10.0.0.1",
        "fd00::5",
    }
    assert doors_of("https://[fd00::1]:6443", "unix:/run/quantix/sb.sock") == {"fd00::1"}


class Api:
    """Lists `hosts`, or fails."""

    def __init__(self, *hosts: Mapping[str, Any]) -> None:
        self.hosts, self.away, self.lists = list(hosts), False, 0

    async def list(self, resource: Resource) -> ListResult:
        assert resource.kind == "Host"
        self.lists += 1
        if self.away:
            raise ApiError("It does not answer.")
        return ListResult([dict(item) for item in self.hosts], "1")


class Names:
    """A resolver."""

    def __init__(self, **known: str) -> None:
        self.known = known

    async def resolve(self, name: str) -> list[str]:
        return [self.known[name]] if name in self.known else []


def platform(api: Api, clock: ManualClock, names: Names, *monitors: str) -> Platform:
    return Platform(api, {"fast": pool(*monitors)}, lambda: {"api"}, names.resolve, clock)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(0.0)


async def test_hosts_monitors_and_doors_are_known_and_a_new_host_within_a_minute(clock: ManualClock) -> None:
    api, names = Api(host(tunnel="10.9.0.1")), Names(api="10.0.0.1")
    known = platform(api, clock, names, "10.1.0.1")
    assert await known.addresses() == frozenset({"10.9.0.1", "10.0.0.1", "10.1.0.1"})
    api.hosts.append(host(tunnel="10.9.0.2"))
    assert await known.addresses() == frozenset({"10.9.0.1", "10.0.0.1", "10.1.0.1"})
    assert api.lists == 1, "looks may follow each other fast"
    await clock.advance(30)
    assert await known.addresses() == frozenset({"10.9.0.1", "10.9.0.2", "10.0.0.1", "10.1.0.1"})


async def test_what_was_known_stays_so_while_nobody_answers(clock: ManualClock) -> None:
    api, names = Api(host(tunnel="10.9.0.1")), Names(api="10.0.0.1", mon="10.1.0.1")
    known = platform(api, clock, names, "mon")
    before = await known.addresses()
    api.away, names.known = True, {}
    await clock.advance(30)
    assert await known.addresses() == before == frozenset({"10.9.0.1", "10.0.0.1", "10.1.0.1"})


async def test_before_the_hosts_were_read_nothing_is_known_and_the_next_look_asks_again(
    clock: ManualClock,
) -> None:
    api = Api(host(tunnel="10.9.0.1"))
    api.away = True
    known = platform(api, clock, Names())
    assert await known.addresses() is None
    api.away = False
    assert await known.addresses() == frozenset({"10.9.0.1"})
