"""What a Volume says while it waits for a host that is silent: which one, and since when."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import HOSTS, LABEL_VIRTUAL_MACHINE_UID, VOLUMES
from quantix_operator.cache import Cache

from .moved_volume import ATTACHED, MOVING, VERSIONS, host, in_ceph, planned, put, refusal, vm

MADE_OF = {"source": {"volume": "other"}}
UNMADE: dict[str, Any] = {"host": None, "pool": None, "data": None, "capacity": None, "confirmedHost": None}


@pytest.fixture
def cache(cache: Cache) -> Cache:
    """h1 and h2 reach the pools local and fast; h1 is silent, and has the only data of volume other."""
    host(cache, "h2", "fast", "local")
    live = cache.get(HOSTS, "h1")
    assert live is not None
    unheard = {
        "type": "Ready",
        "status": "Unknown",
        "reason": "Unreachable",
        "lastTransitionTime": "2026-11-30T12:00:00Z",
    }
    metadata = {**live["metadata"], "resourceVersion": str(next(VERSIONS))}
    cache.put(HOSTS, {**live, "metadata": metadata, "status": {**live["status"], "conditions": [unheard]}})
    other = {"name": "other", "namespace": "default", "uid": "uid-o", "resourceVersion": str(next(VERSIONS))}
    there = {"host": "h1", "confirmedHost": "h1", "data": "Present", "capacity": "1Gi", "pool": "local"}
    cache.put(VOLUMES, {"metadata": other, "spec": {"pool": "local"}, "status": there})
    return cache


def test_a_copy_names_the_host_that_alone_has_its_source(cache: Cache) -> None:
    put(cache, "local", extra=MADE_OF, **UNMADE)
    ready = planned(cache).ready
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "HostUnreachable")
    said = "It is made from volume other, which is on h1, and h1 has been silent since 12:00:00 UTC."
    assert ready.message.startswith(said)


def test_so_does_a_copy_for_a_vm_that_no_host_can_take(cache: Cache) -> None:
    refused = {"type": "Scheduled", "status": "False", "reason": "NoHostFits", "message": "No host fits."}
    vm(cache, "", conditions=[refused])
    put(cache, "local", extra=MADE_OF, **UNMADE | ATTACHED)
    live = cache.get(VOLUMES, "default/data")
    assert live is not None
    labels = {LABEL_VIRTUAL_MACHINE_UID: "uid-vm"}
    metadata = {**live["metadata"], "labels": labels, "resourceVersion": str(next(VERSIONS))}
    cache.put(VOLUMES, {**live, "metadata": metadata})
    ready = planned(cache).ready
    assert ready is not None
    assert (ready.reason, "since 12:00:00 UTC" in ready.message) == ("HostUnreachable", True)


@pytest.mark.parametrize("has_vm", [True, False])
def test_a_move_names_the_host_that_brings_it_and_what_was_promised_stays(cache: Cache, has_vm: bool) -> None:
    in_ceph(cache, "fast")
    if has_vm:
        vm(cache, "h1")
    put(cache, "local", pool="fast", movingTo="local", conditions=[MOVING])
    plan = planned(cache)
    assert (plan.moving_to, refusal(plan)) == ("local", "HostUnreachable")
    assert plan.refused_move is not None
    said = "h1 is to bring data to pool local, and has been silent since 12:00:00 UTC."
    assert plan.refused_move.message.startswith(said)
