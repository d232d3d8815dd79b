"""Who has an address that several Hosts report."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import HOSTS
from quantix_operator.cache import Cache
from quantix_operator.certificates.addresses import AddressBook

MINE = "192.0.2.1"
NOBODYS: frozenset[str] = frozenset()


def host(
    name: str, version: int, *, created: str = "2026-01-01T00:00:00Z", **addresses: str
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": created,
        },
        "status": {"addresses": addresses},
    }


def cache_of(*hosts: dict[str, Any]) -> Cache:
    cache = Cache((HOSTS,))
    for item in hosts:
        cache.put(HOSTS, item)
    return cache


def test_the_later_reporter_is_refused_though_its_host_is_elder() -> None:
    cache = cache_of(host("elder", 1), host("victim", 2, created="2026-02-01T00:00:00Z", api=f"{MINE}:8443"))
    book = AddressBook(cache)
    cache.put(HOSTS, host("elder", 3, management=MINE))
    assert (book.held_by_others("victim"), book.held_by_others("elder")) == (NOBODYS, frozenset({MINE}))


def test_of_two_reports_from_before_the_elder_host_counts() -> None:
    younger = host("a", 1, created="2026-02-01T00:00:00Z", management=MINE)
    book = AddressBook(cache_of(younger, host("b", 2, management=MINE)))
    assert (book.held_by_others("a"), book.held_by_others("b")) == (frozenset({MINE}), NOBODYS)


def test_the_next_one_has_an_address_that_the_first_reports_no_more() -> None:
    cache = cache_of(host("a", 1, management=MINE))
    book = AddressBook(cache)
    cache.put(HOSTS, host("b", 2, management=MINE))
    cache.put(HOSTS, host("a", 3))
    assert book.held_by_others("b") == frozenset()
    cache.put(HOSTS, host("a", 4, management=MINE))
    assert (book.held_by_others("a"), book.held_by_others("b")) == (frozenset({MINE}), NOBODYS)


def test_a_host_that_is_gone_has_no_address() -> None:
    cache = cache_of(host("a", 1, management=MINE), host("b", 2, management=MINE))
    book = AddressBook(cache)
    cache.remove(HOSTS, host("a", 3, management=MINE))
    assert book.held_by_others("b") == frozenset()


@pytest.mark.parametrize(
    ("reported", "another"),
    [
        ("2001:db8::1", "2001:DB8:0:0::1"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("[2001:db8::1]:8443", "2001:db8::1"),
    ],
)
def test_one_address_in_two_forms_is_one_address(reported: str, another: str) -> None:
    cache = cache_of(host("victim", 1, api=reported))
    book = AddressBook(cache)
    cache.put(HOSTS, host("other", 2, management=another))
    assert book.held_by_others("victim") == frozenset()
    assert len(book.held_by_others("other")) == 1
