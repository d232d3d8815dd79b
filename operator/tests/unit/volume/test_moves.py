"""Whether data may go to the pool that spec wants it in, and what is promised to it meanwhile."""

from __future__ import annotations

import pytest

from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, HOSTS, LABEL_VIRTUAL_MACHINE_UID, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.storagepool.promises import taken_bytes

from .moved_volume import MOVING, planned, put, refusal

GIB = 1 << 30


@pytest.mark.parametrize(
    ("pool", "granted", "refused"),
    [
        ("fast", "fast", ""),
        ("local", "", ""),
        (None, "", ""),
        ("nowhere", "", "PoolNotFound"),
        ("tenant", "", "PoolNotFound"),
        ("far", "", "PoolUnreachable"),
    ],
)
def test_data_may_go_where_its_host_and_its_namespace_may(
    cache: Cache, pool: str | None, granted: str, refused: str
) -> None:
    put(cache, pool)
    assert (planned(cache).moving_to, refusal(planned(cache))) == (granted, refused)


def test_a_pool_without_room_is_told_and_promises_nothing(cache: Cache) -> None:
    put(cache, "fast", size="99Gi")
    plan = planned(cache)
    assert (plan.moving_to, refusal(plan)) == ("", "PoolFull")


def test_both_pools_count_a_volume_that_moves(cache: Cache) -> None:
    put(cache, "fast", movingTo="fast")
    taken = {pool: taken_bytes(Objects(cache), pool) for pool in ("local", "fast", "far")}
    assert taken == {"local": 4 * GIB, "fast": 4 * GIB, "far": 0}


def test_a_promise_stays_until_the_host_has_let_go_of_the_copy(cache: Cache) -> None:
    put(cache, "local", movingTo="fast", conditions=[MOVING])
    assert planned(cache).moving_to == "fast", "its host may be through with it already"
    put(cache, "local", movingTo="fast", conditions=[{**MOVING, "status": "True", "reason": "Available"}])
    assert planned(cache).moving_to == ""
    put(cache, "fast", movingTo="fast", pool="fast", conditions=[MOVING])
    assert planned(cache).moving_to == "", "it has arrived"


def test_an_encrypted_volume_may_go_as_any_other(cache: Cache) -> None:
    put(cache, "fast", extra={"encryption": {"secretRef": {"name": "k"}}})
    assert (planned(cache).moving_to, refusal(planned(cache))) == ("fast", "")


def test_a_pool_that_is_not_there_is_named_where_the_disk_of_the_vm_says_it(cache: Cache) -> None:
    put(cache, "nowhere")
    volume = cache.list(VOLUMES)[0]
    free = planned(cache).refused_move
    assert free is not None
    assert free.message.endswith("Try: create it or correct spec.pool.")
    marks = {
        "labels": {LABEL_VIRTUAL_MACHINE_UID: "u1"},
        "annotations": {ANNOTATION_VIRTUAL_MACHINE: "web-1"},
    }
    cache.put(VOLUMES, volume | {"metadata": volume["metadata"] | marks | {"resourceVersion": "999"}})
    told = planned(cache).refused_move
    assert told is not None
    assert (
        told.message == "There is no pool nowhere. Try: create it or correct spec.disks[].pool of VM web-1."
    )


def test_a_pool_that_its_host_should_reach_is_told_in_the_words_of_the_host(cache: Cache) -> None:
    put(cache, "far")
    stranger = planned(cache).refused_move
    assert stranger is not None
    assert stranger.message.startswith("h1 is not one of the hosts of pool far.")
    host = cache.list(HOSTS)[0]
    why = "h1 has no directory /srv/far. Try: mkdir -p /srv/far on h1, or mount what belongs there."
    pools = [*host["status"]["pools"], {"name": "far", "state": "Unreachable", "message": why}]
    status = {**host["status"], "pools": pools}
    cache.put(HOSTS, host | {"metadata": host["metadata"] | {"resourceVersion": "2"}, "status": status})
    told = planned(cache).refused_move
    assert told is not None
    assert told.message.startswith("h1 does not reach pool far. Said: h1 has no directory /srv/far. Try: ")
