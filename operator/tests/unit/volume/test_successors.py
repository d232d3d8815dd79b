"""Who makes a Volume in a shared pool while the host that was to is silent."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import HOSTS
from quantix_operator.cache import Cache

from .moved_volume import ATTACHED, VERSIONS, host, in_ceph, planned, put, vm

UNMADE: dict[str, Any] = {"pool": "fast", "data": None, "capacity": None}


@pytest.fixture
def cache(cache: Cache) -> Cache:
    """h1 and h2 reach pool fast, which is in Ceph; h1 is silent."""
    in_ceph(cache, "fast")
    host(cache, "h2", "fast", "local")
    silent(cache, "h1")
    return cache


def silent(cache: Cache, name: str) -> None:
    live = cache.get(HOSTS, name)
    assert live is not None
    unheard = {"type": "Ready", "status": "Unknown", "reason": "Unreachable", "message": "It is silent."}
    metadata = {**live["metadata"], "resourceVersion": str(next(VERSIONS))}
    cache.put(HOSTS, {**live, "metadata": metadata, "status": {**live["status"], "conditions": [unheard]}})


def test_another_host_of_its_pool_makes_it(cache: Cache) -> None:
    put(cache, "fast", **UNMADE)
    plan = planned(cache)
    assert (plan.host, plan.confirmed, plan.brings, plan.ready) == ("h2", "h2", True, None)


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ({}, {"data": "Present", "capacity": "1Gi"}),
        ({}, {"pool": "local"}),
        ({"source": {"volume": "other"}}, {}),
        ({"source": {"upload": {}}}, {}),
    ],
    ids=["it is there, and may be claimed", "one host reaches it", "its source is claimed", "a file comes"],
)
def test_what_the_silent_host_may_have_a_claim_of_or_alone_can_make_waits_for_it(
    cache: Cache, source: dict[str, Any], status: dict[str, Any]
) -> None:
    put(cache, "fast", extra=source, **UNMADE | status)
    plan = planned(cache)
    assert (plan.host, plan.brings) == ("h1", False)


def test_what_was_begun_of_a_deleted_one_the_silent_host_alone_takes_away(cache: Cache) -> None:
    put(cache, "fast", deleting=True, **UNMADE)
    assert planned(cache).brings is False


def test_the_host_of_its_vm_makes_it(cache: Cache) -> None:
    vm(cache, "h1")
    put(cache, "fast", **UNMADE, **ATTACHED)
    assert planned(cache).brings is False


def test_a_host_that_no_other_can_stand_in_for_keeps_it(cache: Cache) -> None:
    put(cache, "fast", **UNMADE)
    silent(cache, "h2")
    plan = planned(cache)
    assert (plan.host, plan.brings) == ("h1", False)
