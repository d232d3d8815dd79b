"""Which host brings a disk into Ceph or out of it, and what that ties its VM to."""

from __future__ import annotations

import asyncio
import copy
from types import SimpleNamespace
from typing import Any, cast

import pytest

from quantix_api import Volume
from quantix_api.resources import (
    MANAGER_OPERATOR,
    MANAGER_SCHEDULER,
    STORAGE_POOLS,
    VOLUMES,
    Resource,
)
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.objects import Objects
from quantix_operator.scheduling.model import Pin
from quantix_operator.scheduling.reached import pins
from quantix_operator.volume.controller import VolumeController

from .moved_volume import ATTACHED, MOVING, VERSIONS, host, in_ceph, planned, put, refusal, vm

Manifest = dict[str, Any]


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


class Writes:
    """An API that takes what is applied to a status; `written` by manager."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.written: dict[str, Manifest] = {}

    async def apply(
        self, resource: Resource, body: dict[str, Any], *, manager: str, **_: Any
    ) -> dict[str, Any]:
        live = copy.deepcopy(self.cache.get(resource, "default/data"))
        assert live is not None
        assert body["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
        self.written[manager] = body["status"]
        live["status"] |= body["status"]
        live["metadata"]["resourceVersion"] = str(next(VERSIONS))
        return live


async def test_the_host_that_brings_it_is_written_over_the_word_of_the_one_that_acted(cache: Cache) -> None:
    in_ceph(cache, "fast")
    host(cache, "h2", "local", "fast")
    vm(cache, "h2")
    put(cache, "local", pool="fast", **ATTACHED)
    volume = copy.deepcopy(cache.list(VOLUMES)[0])
    about = {"finalizers": ["quantix.io/cleanup"], "resourceVersion": str(next(VERSIONS))}
    cache.put(VOLUMES, volume | {"metadata": volume["metadata"] | about})
    api = Writes(cache)
    locks = {"promising": asyncio.Lock(), "placing": asyncio.Lock()}
    context = SimpleNamespace(api=api, cache=cache, events=None, **locks)
    controller = VolumeController(cast(Context, context), Objects(cache))

    await controller.reconcile("default/data")
    assert api.written[MANAGER_SCHEDULER] == {"host": "h2", "confirmedHost": "h2"}
    assert "movingTo" not in api.written.get(MANAGER_OPERATOR, {})
    await controller.reconcile("default/data")
    assert api.written[MANAGER_OPERATOR]["movingTo"] == "local"
