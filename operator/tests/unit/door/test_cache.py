"""Older news never replaces newer, whoever brings it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.resources import HOSTS, VIRTUAL_MACHINES
from quantix_client.api import ListResult
from quantix_client.reflector import Change
from quantix_operator.cache import Cache


def vm(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
        }
    }


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def cache(told: list[tuple[str, str]]) -> Cache:
    cache = Cache((VIRTUAL_MACHINES, HOSTS))

    def take(change: Change) -> None:
        told.append((change.type, change.key))

    cache.subscribe(VIRTUAL_MACHINES, take)
    return cache


def test_what_is_put_is_found_by_key_and_by_namespace(cache: Cache) -> None:
    cache.put(VIRTUAL_MACHINES, vm("a", 1))
    assert cache.get(VIRTUAL_MACHINES, "default/a") == vm("a", 1)
    assert cache.get(HOSTS, "a") is None
    assert cache.list(VIRTUAL_MACHINES, "default") == cache.list(VIRTUAL_MACHINES) == [vm("a", 1)]
    assert cache.list(VIRTUAL_MACHINES, "other") == []


def test_old_news_is_not_taken_and_not_told(cache: Cache, told: list[tuple[str, str]]) -> None:
    assert cache.put(VIRTUAL_MACHINES, vm("a", 5))
    assert not cache.put(VIRTUAL_MACHINES, vm("a", 5))
    assert not cache.put(VIRTUAL_MACHINES, vm("a", 4))
    assert cache.put(VIRTUAL_MACHINES, vm("a", 6))
    assert told == [("ADDED", "default/a"), ("MODIFIED", "default/a")]


def test_what_was_deleted_does_not_come_back_by_late_news(cache: Cache, told: list[tuple[str, str]]) -> None:
    cache.put(VIRTUAL_MACHINES, vm("a", 5))
    assert cache.remove(VIRTUAL_MACHINES, vm("a", 7))
    assert not cache.put(VIRTUAL_MACHINES, vm("a", 6))
    assert not cache.remove(VIRTUAL_MACHINES, vm("a", 7))
    assert told == [("ADDED", "default/a"), ("DELETED", "default/a")]


def test_a_late_deletion_does_not_hit_the_namesake(cache: Cache) -> None:
    cache.put(VIRTUAL_MACHINES, vm("a", 5, "first"))
    cache.put(VIRTUAL_MACHINES, vm("a", 8, "second"))
    assert not cache.remove(VIRTUAL_MACHINES, vm("a", 7, "first"))
    assert cache.get(VIRTUAL_MACHINES, "default/a") == vm("a", 8, "second")


def test_a_namesake_is_told_as_one_gone_and_one_come(cache: Cache, told: list[tuple[str, str]]) -> None:
    cache.put(VIRTUAL_MACHINES, vm("a", 5, "first"))
    cache.put(VIRTUAL_MACHINES, vm("a", 8, "second"))
    assert told == [("ADDED", "default/a"), ("DELETED", "default/a"), ("ADDED", "default/a")]


def test_it_is_synced_when_every_resource_was_listed(cache: Cache) -> None:
    cache.mark_listed(VIRTUAL_MACHINES)
    assert not cache.synced.is_set()
    cache.mark_listed(HOSTS)
    assert cache.synced.is_set()


def test_a_list_shows_what_was_missed_and_leaves_alone_what_is_younger(cache: Cache) -> None:
    for item in (vm("same", 1), vm("gone", 2), vm("older", 3), vm("younger-than-list", 12)):
        cache.put(VIRTUAL_MACHINES, item)
    listed = ListResult([vm("same", 1), vm("older", 9), vm("missed", 10)], "11")
    differences = cache.differences(VIRTUAL_MACHINES, listed)
    assert differences.newer == (vm("older", 9), vm("missed", 10))
    assert differences.gone == (vm("gone", 2),)
    assert cache.adopt(differences) == 3
    assert not cache.differences(VIRTUAL_MACHINES, listed)
    assert cache.get(VIRTUAL_MACHINES, "default/younger-than-list") is not None


def test_news_that_came_in_the_meantime_wins_over_the_list(cache: Cache) -> None:
    cache.put(VIRTUAL_MACHINES, vm("a", 2))
    differences = cache.differences(VIRTUAL_MACHINES, ListResult([vm("b", 3)], "5"))
    cache.put(VIRTUAL_MACHINES, vm("a", 7))
    cache.put(VIRTUAL_MACHINES, vm("b", 8))
    assert cache.adopt(differences) == 0
    assert cache.get(VIRTUAL_MACHINES, "default/a") == vm("a", 7)


@given(st.permutations([(version, kind) for version, kind in enumerate("pppdppd", 1)]))
def test_in_whatever_order_news_of_one_object_comes_the_end_is_the_same(news: list[tuple[int, str]]) -> None:
    """Two lives of one name: versions 1–4 of the first uid, 5–7 of the second, each ending in a deletion."""
    cache = Cache((VIRTUAL_MACHINES,))
    for version, kind in news:
        obj = vm("a", version, "first" if version <= 4 else "second")
        if kind == "d":
            cache.remove(VIRTUAL_MACHINES, obj)
        else:
            cache.put(VIRTUAL_MACHINES, obj)
    assert cache.list(VIRTUAL_MACHINES) == []
    assert cache.newest_version(VIRTUAL_MACHINES) <= 7


def of_host(obj: dict[str, Any]) -> list[str]:
    return list(obj["metadata"].get("hosts", ()))


def names(found: list[dict[str, Any]]) -> list[str]:
    return sorted(item["metadata"]["name"] for item in found)


def test_an_index_follows_every_change(cache: Cache) -> None:
    def on(name: str, version: int, *hosts: str) -> dict[str, Any]:
        made = vm(name, version)
        made["metadata"]["hosts"] = hosts
        return made

    cache.put(VIRTUAL_MACHINES, on("a", 1, "h1", "h1"))
    assert names(cache.by(VIRTUAL_MACHINES, of_host, "h1")) == ["a"], (
        "what was there before the first question"
    )
    cache.put(VIRTUAL_MACHINES, on("b", 2, "h1", "h2"))
    assert names(cache.by(VIRTUAL_MACHINES, of_host, "h1")) == ["a", "b"]
    cache.put(VIRTUAL_MACHINES, on("a", 3, "h2"))
    assert names(cache.by(VIRTUAL_MACHINES, of_host, "h1")) == ["b"]
    assert [item["metadata"]["resourceVersion"] for item in cache.by(VIRTUAL_MACHINES, of_host, "h2")] == [
        "2",
        "3",
    ]
    cache.remove(VIRTUAL_MACHINES, on("b", 4))
    assert names(cache.by(VIRTUAL_MACHINES, of_host, "h1")) == []
    assert names(cache.by(VIRTUAL_MACHINES, of_host, "h2")) == ["a"]
    assert cache.by(HOSTS, of_host, "h2") == [], "each kind has its own"


def test_an_object_too_strange_for_an_index_is_still_news(cache: Cache, told: list[tuple[str, str]]) -> None:
    cache.by(VIRTUAL_MACHINES, of_host, "h1")
    strange = vm("a", 1)
    strange["metadata"]["hosts"] = 7
    assert cache.put(VIRTUAL_MACHINES, strange)
    assert told == [("ADDED", "default/a")]
    assert cache.by(VIRTUAL_MACHINES, of_host, "h1") == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("", "h1", "h2")))))
def test_an_index_finds_what_a_look_at_all_finds(news: list[tuple[str, str]]) -> None:
    cache = Cache((VIRTUAL_MACHINES,))
    cache.by(VIRTUAL_MACHINES, of_host, "h1")
    for version, (name, host) in enumerate(news, 1):
        made = vm(name, version)
        made["metadata"]["hosts"] = [host] if host else []
        cache.put(VIRTUAL_MACHINES, made)
        for asked in ("h1", "h2"):
            found = cache.by(VIRTUAL_MACHINES, of_host, asked)
            assert names(found) == names(
                [item for item in cache.list(VIRTUAL_MACHINES) if asked in of_host(item)]
            )
