"""Whether data may go to the pool that spec wants it in, and what is promised to it meanwhile."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    HOSTS,
    LABEL_VIRTUAL_MACHINE_UID,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.scheduling.model import Pin
from quantix_operator.scheduling.observe import pins
from quantix_operator.service import WATCHED
from quantix_operator.storagepool.promises import taken_bytes
from quantix_operator.volume.observe import observe
from quantix_operator.volume.plan import Plan, plan_volume

GIB = 1 << 30
VERSIONS = count(2)
MOVING = {"type": "Ready", "status": "False", "reason": "Moving", "message": "It is on its way."}


@pytest.fixture
def cache() -> Cache:
    """Host h1 reaches the pools local and fast, not far; tenant is not for this namespace."""
    cache = Cache(WATCHED)
    reached = [{"name": name, "state": "Reachable"} for name in ("local", "fast", "tenant")]
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "It is."}
    host: dict[str, Any] = {"status": {"pools": reached, "conditions": [ready]}, "spec": {}}
    cache.put(HOSTS, {"metadata": {"name": "h1", "uid": "uid-h1", "resourceVersion": "1"}, **host})
    for name in ("local", "fast", "far", "tenant"):
        spec: dict[str, Any] = {"dir": {"path": f"/var/lib/{name}"}, "default": name == "local"}
        if name == "tenant":
            spec["allowedNamespaces"] = {"tenant": "other"}
        metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
        cache.put(STORAGE_POOLS, {"metadata": metadata, "spec": spec, "status": {"capacity": "10Gi"}})
    return cache


def put(
    cache: Cache,
    wanted: str | None,
    *,
    size: str = "4Gi",
    extra: dict[str, Any] | None = None,
    **status: Any,
) -> None:
    version = str(next(VERSIONS))
    metadata = {"name": "data", "namespace": "default", "uid": "uid-v", "resourceVersion": version}
    there = {"host": "h1", "pool": "local", "data": "Present", "capacity": size, "confirmedHost": "h1"}
    spec = {"size": size, **(extra or {})} | ({"pool": wanted} if wanted else {})
    cache.put(VOLUMES, {"metadata": metadata, "spec": spec, "status": there | status})


def planned(cache: Cache) -> Plan:
    objects = Objects(cache)
    volume = objects.get(Volume, "default/data")
    assert volume is not None
    return plan_volume(observe(objects, volume))


def in_ceph(cache: Cache, *pools: str) -> None:
    """Those pools are in Ceph."""
    for name in pools:
        metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(next(VERSIONS))}
        spec = {"rbd": {"monitors": ["m"], "pool": "p", "user": "u", "secretRef": {"name": "s"}}}
        cache.put(STORAGE_POOLS, {"metadata": metadata, "spec": spec, "status": {"capacity": "10Gi"}})


def host(cache: Cache, name: str, *pools: str) -> None:
    reached = [{"name": pool, "state": "Reachable"} for pool in pools]
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "It is."}
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(next(VERSIONS))}
    cache.put(HOSTS, {"metadata": metadata, "status": {"pools": reached, "conditions": [ready]}, "spec": {}})


def vm(cache: Cache, on: str, *, disks: tuple[str, ...] = ("data",), **parts: Any) -> None:
    """VM web-1, which attaches the volume; on that host, "" for none."""
    metadata = {
        "name": "web-1",
        "namespace": "default",
        "uid": "uid-vm",
        "resourceVersion": str(next(VERSIONS)),
    }
    spec = {"disks": [{"name": name, "volume": name} for name in disks], **parts.pop("spec", {})}
    status = {"assignment": {"host": on or None, "epoch": 1}, **parts}
    cache.put(VIRTUAL_MACHINES, {"metadata": metadata, "spec": spec, "status": status})


def refusal(plan: Plan) -> str:
    return plan.refused_move.reason if plan.refused_move else ""


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


ATTACHED: dict[str, Any] = {"attachedTo": [{"uid": "uid-vm", "name": "web-1"}]}


def test_an_encrypted_volume_does_not_go_into_ceph(cache: Cache) -> None:
    in_ceph(cache, "fast")
    put(cache, "fast", extra={"encryption": {"secretRef": {"name": "k"}}})
    plan = planned(cache)
    assert (plan.moving_to, refusal(plan)) == ("", "ConfigRefused")


def test_what_leaves_a_directory_for_ceph_goes_with_the_host_that_has_it(cache: Cache) -> None:
    in_ceph(cache, "fast")
    host(cache, "h2", "local", "fast")
    put(cache, "fast")
    plan = planned(cache)
    assert (plan.moving_to, plan.host, plan.brings) == ("fast", "h1", False)


def test_what_leaves_ceph_is_brought_by_the_host_of_its_vm_which_is_named_first(cache: Cache) -> None:
    in_ceph(cache, "fast")
    host(cache, "h2", "local", "fast")
    vm(cache, "h2")
    put(cache, "local", pool="fast", **ATTACHED)
    plan = planned(cache)
    assert (plan.host, plan.confirmed, plan.brings) == ("h2", "h2", True)
    assert (plan.moving_to, refusal(plan)) == ("", ""), "not before that host acts"

    put(cache, "local", pool="fast", host="h2", confirmedHost="h2", **ATTACHED)
    plan = planned(cache)
    assert (plan.host, plan.confirmed, plan.moving_to) == ("h2", "h2", "local")


@pytest.mark.parametrize(
    ("pool", "coming", "tied"),
    [
        ("local", "", True),
        ("fast", "", False),
        ("fast", "local", True),
        ("fast", "slow", False),
        ("local", "fast", True),
    ],
)
def test_a_vm_is_tied_to_the_host_of_a_disk_that_is_in_a_directory_or_goes_into_one(
    cache: Cache, pool: str, coming: str, tied: bool
) -> None:
    in_ceph(cache, "fast", "slow")
    put(cache, coming or None, pool=pool, movingTo=coming or None)
    volume = Objects(cache).get(Volume, "default/data")
    assert volume is not None
    assert pins(Objects(cache), (volume,)) == ((Pin("data", "h1"),) if tied else ())


def test_a_host_of_a_vm_that_lacks_the_pool_is_told_and_nothing_is_promised(cache: Cache) -> None:
    in_ceph(cache, "fast")
    host(cache, "h2", "fast")
    vm(cache, "h2")
    put(cache, "local", pool="fast", **ATTACHED)
    plan = planned(cache)
    assert (plan.moving_to, refusal(plan), plan.brings) == ("", "PoolUnreachable", False)
    assert plan.refused_move is not None
    assert plan.refused_move.message.startswith("h2 is not one of the hosts of pool local.")


def test_a_vm_that_is_to_run_gets_its_host_before_its_disk_ties_it_to_one(cache: Cache) -> None:
    in_ceph(cache, "fast")
    vm(cache, "")
    put(cache, "local", pool="fast", **ATTACHED)
    assert (planned(cache).moving_to, refusal(planned(cache))) == ("", "WaitingForHost")
    vm(cache, "", spec={"powerState": "Stopped"})
    assert (planned(cache).moving_to, refusal(planned(cache))) == ("local", "")


def test_the_disks_of_a_vm_that_is_off_end_on_one_host(cache: Cache) -> None:
    in_ceph(cache, "fast")
    host(cache, "h2", "local", "fast")
    vm(cache, "", disks=("data", "other"), spec={"powerState": "Stopped"})
    other = {"name": "other", "namespace": "default", "uid": "uid-o", "resourceVersion": str(next(VERSIONS))}
    there = {"host": "h2", "confirmedHost": "h2", "data": "Present", "capacity": "1Gi", "pool": "fast"}
    cache.put(
        VOLUMES, {"metadata": other, "spec": {"pool": "local"}, "status": {**there, "movingTo": "local"}}
    )
    put(cache, "local", pool="fast", **ATTACHED)
    assert planned(cache).host == "h2", "where the other disk goes"


def test_of_an_idle_volume_a_host_takes_over_that_reaches_both_pools(cache: Cache) -> None:
    in_ceph(cache, "fast")
    host(cache, "h2", "slow", "fast")
    metadata = {"name": "slow", "uid": "uid-slow", "resourceVersion": "1"}
    cache.put(STORAGE_POOLS, {"metadata": metadata, "spec": {"dir": {"path": "/slow"}}, "status": {}})
    put(cache, "slow", pool="fast")
    assert (planned(cache).host, planned(cache).moving_to) == ("h2", "")


def test_a_host_that_brings_it_somewhere_goes_on_until_it_is_through(cache: Cache) -> None:
    in_ceph(cache, "fast")
    host(cache, "h2", "local", "fast")
    vm(cache, "h2")
    put(cache, "local", pool="fast", movingTo="local", conditions=[MOVING], **ATTACHED)
    plan = planned(cache)
    assert (plan.host, plan.moving_to) == ("h1", "local")
    runtime = {"domain": "Present", "observedEpoch": 1}
    vm(cache, "h2", runtime=runtime, phase="Running")
    assert (planned(cache).host, planned(cache).moving_to) == ("h2", ""), "a guest has it: h1 waits in vain"


def test_a_disk_waits_for_the_migration_of_its_vm(cache: Cache) -> None:
    in_ceph(cache, "fast")
    migration = {"name": "m", "uid": "uid-m", "sourceHost": "h1", "targetHost": "h2"}
    vm(cache, "h1", migration=migration)
    put(cache, "fast", **ATTACHED)
    plan = planned(cache)
    assert (plan.moving_to, refusal(plan)) == ("", "Moving")
