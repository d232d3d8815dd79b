"""Which addresses guests begin nothing with, and how this host comes to know them."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Host, Network
from quantix_api.platform_addresses import handed_on
from quantix_api.resources import PLATFORM_CONFIG_MAP
from quantix_hostd.host.network.desired import desired_network
from quantix_hostd.host.network.known_platform import Platform
from quantix_hostd.host.network.model import NetworkSpec
from quantix_hostd.host.network.plan import unknown_platform
from quantix_hostd.host.network.tunnel import TunnelPlace
from quantix_hostd.packet_filter import render_tables
from quantix_hostd.platform_addresses import doors_of, monitors_of
from quantix_lab.clocks import ManualClock


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


def test_monitors_of_all_pools_count_and_the_doors_of_this_host() -> None:
    pools = [pool("10.1.0.1", "10.1.0.2:6789", "[fd00:1::3]:3300", "mon.example.com"), {"spec": {"dir": {}}}]
    assert monitors_of(pools) == {"10.1.0.1", "10.1.0.2", "fd00:1::3", "mon.example.com"}
    assert doors_of("https://10.0.0.1:6443", "ssl:10.0.0.1:6642,ssl:[fd00::5]:6642") == {
        "10.0.0.1",
        "fd00::5",
    }
    assert doors_of("https://[fd00::1]:6443", "unix:/run/quantix/sb.sock") == {"fd00::1"}


def wanted(wires: list[str], known: frozenset[str] | None) -> NetworkSpec:
    """Of a host with a network on each of these wires."""
    networks = [
        Network.model_validate(
            {
                "metadata": {"name": f"outside-{wire}", "namespace": "quantix-shared"},
                "spec": {"physical": {"name": wire}, "subnets": [{"cidr": "172.31.0.0/24"}]},
            }
        )
        for wire in wires
    ]
    host = Host.model_validate({"metadata": {"name": "h1", "uid": "u-1"}, "spec": {}})
    place = TunnelPlace("10.0.0.1", 1500)
    return desired_network(
        host, networks, "unix:sb", place, "netdev", way_out_mac="0e:aa:bb:cc:dd:ee", platform=known
    )


class Names:
    """A resolver."""

    def __init__(self, **known: str) -> None:
        self.known = known

    async def resolve(self, name: str) -> list[str]:
        return [self.known[name]] if name in self.known else []


def told(*addresses: str) -> dict[str, Any]:
    """The operator's object."""
    return {"metadata": {"name": PLATFORM_CONFIG_MAP}, "data": handed_on(addresses)}


def platform(objects: dict[str, Any], clock: ManualClock, names: Names, *monitors: str) -> Platform:
    return Platform(objects, {"fast": pool(*monitors)}, lambda: {"api"}, names.resolve, clock)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(0.0)


async def test_hosts_monitors_and_doors_are_known_and_a_new_host_at_once(clock: ManualClock) -> None:
    objects, names = {"it": told("10.9.0.1")}, Names(api="10.0.0.1")
    known = platform(objects, clock, names, "10.1.0.1")
    assert await known.addresses() == frozenset({"10.9.0.1", "10.0.0.1", "10.1.0.1"})
    objects["it"] = told("10.9.0.1", "10.9.0.2")
    assert await known.addresses() == frozenset({"10.9.0.1", "10.9.0.2", "10.0.0.1", "10.1.0.1"})


async def test_names_are_resolved_now_and_then(clock: ManualClock) -> None:
    names = Names(api="10.0.0.1")
    known = platform({"it": told()}, clock, names)
    assert await known.addresses() == frozenset({"10.0.0.1"})
    names.known["api"] = "10.0.0.2"
    assert await known.addresses() == frozenset({"10.0.0.1"}), "looks may follow each other fast"
    await clock.advance(30)
    assert await known.addresses() == frozenset({"10.0.0.2"})


async def test_what_was_known_stays_so_where_nobody_tells_it_any_more(clock: ManualClock) -> None:
    objects, names = {"it": told("10.9.0.1")}, Names(api="10.0.0.1", mon="10.1.0.1")
    known = platform(objects, clock, names, "mon")
    before = await known.addresses()
    objects.clear()
    names.known = {}
    await clock.advance(30)
    assert await known.addresses() == before == frozenset({"10.9.0.1", "10.0.0.1", "10.1.0.1"})


async def test_before_the_operator_has_told_nothing_is_known(clock: ManualClock) -> None:
    objects: dict[str, Any] = {}
    known = platform(objects, clock, Names())
    assert await known.addresses() is None
    assert not known.is_missed(), "the operator hears of a new host a moment later"
    await clock.advance(30)
    assert known.is_missed()
    objects["it"] = told("10.9.0.1")
    assert await known.addresses() == frozenset({"10.9.0.1"})
    assert not known.is_missed()


@pytest.mark.parametrize(
    ("networks", "known", "expected"),
    [
        (["qx-local"], None, "PlatformUnknown"),
        (["qx-local"], frozenset(), None),
        (["physnet1"], None, None),
    ],
    ids=["guests leave by this host", "it knows", "none leaves by it"],
)
def test_a_host_that_lets_nothing_out_says_what_it_waits_for(
    networks: list[str], known: frozenset[str] | None, expected: str | None
) -> None:
    spec = wanted(networks, known)
    problem = unknown_platform(spec)
    assert (problem[0] if problem else None) == expected
    if problem:
        assert "ConfigMap quantix-platform" in problem[1]
