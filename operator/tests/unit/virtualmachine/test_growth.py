"""Room for a VM that asks for more than it was given."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_api.resources import (
    HOSTS,
    INSTANCE_TYPES,
    NETWORKS,
    SCHEDULING_POLICIES,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
)
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.scheduling.observe import sizing_of
from quantix_operator.scheduling.sizing import given
from quantix_operator.virtualmachine.growth import grows, lacking_room

HOST = {
    "metadata": {"name": "h1"},
    "spec": {"overcommit": {"cpuPercent": 100}, "reserved": {"cpus": 0, "memory": "1Gi"}},
    "status": {"cpus": 8, "memory": "9Gi"},
}


def vm(
    name: str, wants: tuple[int, str], has: tuple[int, str] | None, *, heard: bool = True
) -> dict[str, Any]:
    status: dict[str, Any] = {"assignment": {"host": "h1", "epoch": 3}}
    status["runtime"] = {"observedEpoch": 3 if heard else 2}
    if has is not None:
        status["resolved"] = {"uuid": name, "cores": has[0], "memory": has[1]}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"cpu": {"cores": wants[0]}, "memory": {"size": wants[1]}},
        "status": status,
    }


def lack(*manifests: dict[str, Any]) -> str:
    """What the first of these VMs lacks, all on one host with 8 GiB and 8 cores to give."""
    kinds = (HOSTS, INSTANCE_TYPES, NETWORKS, SCHEDULING_POLICIES, STORAGE_POOLS, VIRTUAL_MACHINES)
    cache = Cache(kinds)
    for kind, manifest in ((HOSTS, HOST), *((VIRTUAL_MACHINES, manifest) for manifest in manifests)):
        metadata = {"uid": manifest["metadata"]["name"], "resourceVersion": "1"} | manifest["metadata"]
        cache.put(kind, {**manifest, "metadata": metadata})
    objects = Objects(cache)
    first = objects.get(VirtualMachine, f"default/{manifests[0]['metadata']['name']}")
    assert first is not None
    wanted = sizing_of(objects, first)
    if wanted is None or not grows(first, wanted):
        return "does not grow"
    found = lacking_room(objects, first, wanted)
    return found.reason if found else "fits"


SMALL = (1, "1Gi")


@pytest.mark.parametrize(
    ("wants", "has", "said"),
    [
        (SMALL, SMALL, "does not grow"),
        ((1, "512Mi"), SMALL, "does not grow"),
        (SMALL, None, "does not grow"),
        ((1, "7Gi"), SMALL, "fits"),
        ((1, "8Gi"), SMALL, "NotEnoughMemory"),
        ((8, "1Gi"), SMALL, "fits"),
        ((9, "1Gi"), SMALL, "NotEnoughCPU"),
    ],
)
def test_alone_a_vm_grows_to_what_its_host_has(
    wants: tuple[int, str], has: tuple[int, str] | None, said: str
) -> None:
    assert lack(vm("a", wants, has)) == said


def test_what_others_were_given_counts_and_not_what_they_ask_for() -> None:
    greedy = vm("b", (1, "1Ti"), (1, "2Gi"))
    assert lack(vm("a", (1, "5Gi"), SMALL), greedy) == "fits"
    assert lack(vm("a", (1, "6Gi"), SMALL), greedy) == "NotEnoughMemory"


def test_one_that_starts_there_counts_with_all_that_it_asks_for() -> None:
    assert lack(vm("a", (1, "5Gi"), SMALL), vm("b", (1, "4Gi"), None)) == "NotEnoughMemory"
    assert lack(vm("a", (1, "5Gi"), SMALL), vm("b", (1, "4Gi"), SMALL, heard=False)) == "NotEnoughMemory"


def test_a_vm_that_was_given_nothing_yet_is_as_large_as_it_asks_to_be() -> None:
    for manifest in (vm("a", (2, "2Gi"), None), vm("a", (2, "2Gi"), SMALL, heard=False)):
        parsed = VirtualMachine.model_validate(manifest)
        assert given(parsed, None) is None
