"""Which addresses an image may come from: what always holds, and what an administrator adds."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from quantix_api.errors import PermanentError, TransientError
from quantix_hostd.image_addresses import (
    AddressRules,
    IPAddress,
    parse_rules,
    refuse_address,
    refuse_odd_host,
)

_OWN = ipaddress.ip_address("192.0.2.2")


def judge(address: str, **rules: str) -> None:
    keys = {"allowed": "imageAddressesAllowed", "denied": "imageAddressesDenied"}
    parsed = parse_rules({keys[name]: text for name, text in rules.items()})
    refuse_address("images.example", ipaddress.ip_address(address), parsed, is_own)


def is_own(address: IPAddress) -> bool:
    return address == _OWN


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "0.1.2.3", "::", "255.255.255.255", "240.0.0.1"),
        *("169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "fd00:ec2::254", "100.100.100.200"),
        *("168.63.129.16", "192.0.0.192"),
        *("::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::"),
        # Teredo: the client's address with its bits turned
        *("2001:0:c633:6401:0:0:80ff:fffe", "192.0.2.2", "::ffff:192.0.2.2"),
    ],
)
def test_the_host_itself_its_link_and_metadata_services_are_refused(address: str) -> None:
    with pytest.raises(TransientError) as raised:
        judge(address)
    assert raised.value.reason == "AddressRefused"
    assert f"images.example leads to {ipaddress.ip_address(address)}" in raised.value.message
    assert "imageAddressesAllowed" in raised.value.hint


@pytest.mark.parametrize("address", ["198.51.100.7", "10.1.2.3", "2001:db8::7", "64:ff9b::c633:6407"])
def test_addresses_of_others_are_not(address: str) -> None:
    judge(address)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "10.0.0.0/8 127.0.0.0/8"),
        ("169.254.7.7", "169.254.7.0/24, fe80::/10"),
        ("192.0.2.2", "192.0.2.0/24"),
    ],
)
def test_an_administrator_allows_what_would_be_refused(address: str, allowed: str) -> None:
    judge(address, allowed=allowed)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203"])
def test_an_administrator_refuses_what_would_be_allowed_and_that_counts_first(address: str) -> None:
    with pytest.raises(TransientError) as raised:
        judge(address, denied="10.1.0.0/16", allowed="10.0.0.0/8")
    assert "an administrator lets no image come from 10.1.0.0/16" in raised.value.message
    judge("10.2.0.1", denied="10.1.0.0/16")


@pytest.mark.parametrize(
    "text", ["10.0.0.1/8", "example.org", "10.0.0.0/33", "::1/200", "10.0.0.0/8;0.0.0.0/0"]
)
def test_a_range_that_is_none_stops_all_downloads_until_it_is_corrected(text: str) -> None:
    with pytest.raises(TransientError) as raised:
        parse_rules({"imageAddressesDenied": text})
    assert raised.value.reason == "AddressRefused"
    assert "imageAddressesDenied of ConfigMap quantix-cluster names" in raised.value.message


def test_without_a_word_of_an_administrator_there_are_no_rules() -> None:
    assert parse_rules({"uid": "1"}) == AddressRules()


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "1.2.3.4.", "a.0x7f"])
def test_numbers_that_only_some_programs_read_as_addresses_are_refused(host: str) -> None:
    with pytest.raises(PermanentError) as raised:
        refuse_odd_host(host)
    assert raised.value.reason == "AddressRefused"


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "::1", "1.example", "0x7f.example.org", "x0"])
def test_names_and_plain_addresses_are_not_odd(host: str) -> None:
    refuse_odd_host(host)


def test_the_clusters_own_servers_are_refused_unless_an_administrator_allows_them() -> None:
    other = ipaddress.ip_address("10.1.0.7")
    rules = AddressRules(platform=frozenset({other}))
    for address in (other, ipaddress.ip_address("::ffff:10.1.0.7")):
        with pytest.raises(TransientError) as raised:
            refuse_address("images.example", address, rules, is_own)
        assert raised.value.reason == "AddressRefused"
    refuse_address("images.example", ipaddress.ip_address("10.1.0.8"), rules, is_own)
    allowed = replace(rules, allowed=(ipaddress.ip_network("10.1.0.0/24"),))
    refuse_address("images.example", other, allowed, is_own)
