"""Which addresses hosts have by their own word, and how they are handed on to every host."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.platform_addresses import address_in, addresses_of_hosts, handed, handed_on


def host(**addresses: str) -> dict[str, Any]:
    return {"metadata": {"name": "h"}, "status": {"addresses": addresses}}


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


def test_what_is_handed_on_arrives() -> None:
    addresses = frozenset({"10.0.0.10", "fd00::2", "10.0.0.9"})
    assert handed({"data": handed_on(addresses)}) == addresses
    assert handed({"data": handed_on([])}) == handed({}) == frozenset()


def test_nothing_that_is_no_address_arrives() -> None:
    assert handed({"data": {"hosts": "10.0.0.1\n10.0.0.2; flush ruleset\n"}}) == {"10.0.0.1"}
