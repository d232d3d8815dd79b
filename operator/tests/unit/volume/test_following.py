"""Which host acts on a Volume in Ceph once a guest has it: that guest's (docs/adr/0009)."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_operator.cache import Cache

from .moved_volume import ATTACHED, host, in_ceph, planned, put, vm

OPEN = {"observedEpoch": 1, "disks": [{"name": "data", "volumeUID": "uid-v"}]}
MOVES = {"uid": "uid-m", "name": "m", "sourceHost": "h2", "targetHost": "h1"}


@pytest.fixture
def cache(cache: Cache) -> Cache:
    """h1 acts on a volume in pool fast, which h2 reaches, too."""
    in_ceph(cache, "fast")
    host(cache, "h2", "fast", "local")
    put(cache, "fast", pool="fast", **ATTACHED)
    return cache


def test_the_host_whose_guest_has_it_open_acts_on_it(cache: Cache) -> None:
    vm(cache, "h2", runtime=OPEN)
    plan = planned(cache)
    assert (plan.host, plan.confirmed, plan.brings) == ("h2", "h2", True)


def test_what_another_host_said_of_it_stays_since_the_guest_found_it_there(cache: Cache) -> None:
    put(cache, "fast", pool="fast", confirmedHost=None, **ATTACHED)
    vm(cache, "h2", runtime=OPEN)
    plan = planned(cache)
    assert (plan.take_back, plan.host, plan.confirmed) == (None, "h2", "h2")


@pytest.mark.parametrize(
    "parts",
    [
        {"runtime": {"observedEpoch": 1}},
        {"runtime": OPEN | {"observedEpoch": 0}},
        {"runtime": OPEN, "migration": MOVES},
    ],
    ids=["it was not started yet", "another host said that", "it is on its way to another"],
)
def test_until_its_guest_has_the_claim_nothing_passes(cache: Cache, parts: dict[str, Any]) -> None:
    vm(cache, "h2", **parts)
    plan = planned(cache)
    assert (plan.host, plan.confirmed, plan.brings) == ("h1", "h1", False)


def test_data_of_one_host_stays_that_hosts(cache: Cache) -> None:
    put(cache, "local", pool="local", **ATTACHED)
    vm(cache, "h2", runtime=OPEN)
    assert planned(cache).host == "h1"
