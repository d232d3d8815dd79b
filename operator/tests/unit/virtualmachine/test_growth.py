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
from quantix_operator.scheduling.eligible import Obstacle
from quantix_operator.scheduling.observe import sizing_of
from quantix_operator.scheduling.sizing import given
from quantix_operator.virtualmachine.growth import beyond_addresses, grows, lacking_room

HOST: dict[str, Any] = {
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


def lack(*manifests: dict[str, Any], host: dict[str, Any] = HOST) -> str:
    """What the first of these VMs lacks, all on one host with 8 GiB and 8 cores to give."""
    found = obstacle(*manifests, host=host)
    return found if isinstance(found, str) else found.reason


def objects_of(cache: Cache, host: dict[str, Any], *vms: dict[str, Any]) -> Objects:
    """What an operator sees that has these in its cache."""
    for kind, manifest in ((HOSTS, host), *((VIRTUAL_MACHINES, vm) for vm in vms)):
        metadata = {"uid": manifest["metadata"]["name"], "resourceVersion": "1"} | manifest["metadata"]
        cache.put(kind, {**manifest, "metadata": metadata})
    return Objects(cache)


def obstacle(*manifests: dict[str, Any], host: dict[str, Any] = HOST) -> Obstacle | str:
    """The same with its fields, where it lacks something."""
    kinds = (HOSTS, INSTANCE_TYPES, NETWORKS, SCHEDULING_POLICIES, STORAGE_POOLS, VIRTUAL_MACHINES)
    objects = objects_of(Cache(kinds), host, *manifests)
    first = objects.get(VirtualMachine, f"default/{manifests[0]['metadata']['name']}")
    assert first is not None
    wanted = sizing_of(objects, first)
    if wanted is None or not grows(first, wanted):
        return "does not grow"
    return lacking_room(objects, first, wanted) or "fits"


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


@pytest.mark.parametrize(("wants", "needs"), [("1Ti", "1 TiB"), ("100Gi", "100 GiB")])
def test_what_it_needs_and_what_is_free_are_told_as_people_read_them(wants: str, needs: str) -> None:
    found = obstacle(vm("a", (1, wants), SMALL))
    assert isinstance(found, Obstacle)
    assert (found.fields["needs"], found.fields["free"]) == (needs, "8 GiB")


def test_what_it_needs_and_what_is_free_are_never_told_as_the_same() -> None:
    host = {**HOST, "status": {"cpus": 8, "memory": "1025Gi"}}
    found = obstacle(vm("a", (1, "1Ti"), SMALL), host=host)
    assert isinstance(found, Obstacle)
    assert found.fields["free"] == "1,048,576 MiB"
    assert found.fields["needs"].endswith(" MiB")
    assert found.fields["needs"] > found.fields["free"]


def dedicated(name: str, most: int, had: int) -> dict[str, Any]:
    """A VM with one core that may become so many, each with a CPU to itself, and was given `had` of them."""
    manifest = vm(name, SMALL, SMALL)
    manifest["spec"]["cpu"] |= {"maxCores": most, "dedicated": True}
    manifest["status"]["resolved"] |= {"maxCores": had, "granted": {"dedicated": True}}
    return manifest


@pytest.mark.parametrize(
    ("most", "had", "said"),
    [(2, 2, "does not grow"), (1, 2, "does not grow"), (5, 2, "fits"), (6, 2, "NotEnoughCPU")],
)
def test_the_most_cores_count_where_each_has_a_cpu_to_itself(most: int, had: int, said: str) -> None:
    other = dedicated("b", 2, 2)
    assert lack(dedicated("a", most, had), other) == said


def test_the_most_cores_of_a_vm_that_shares_cpus_take_none() -> None:
    manifest = dedicated("a", 64, 2)
    del manifest["spec"]["cpu"]["dedicated"]
    assert lack(manifest) == "does not grow"


def own(
    name: str,
    granted: dict[str, Any] | None = None,
    *,
    cpu: dict[str, Any] | None = None,
    pages: str = "",
    devices: int = 0,
) -> dict[str, Any]:
    """A small VM that wants this to itself, and was granted that of it."""
    manifest = vm(name, SMALL, SMALL)
    manifest["spec"]["cpu"] |= cpu or {}
    manifest["spec"]["memory"] |= {"hugepages": pages} if pages else {}
    manifest["spec"]["hostDevices"] = [{"name": f"gpu{n}", "class": "gpu"} for n in range(devices)]
    manifest["status"]["resolved"]["granted"] = granted or {}
    return manifest


def reserving(name: str, granted: int, asks: str = "") -> dict[str, Any]:
    """A VM with eight cores that was granted so many of them, and asks for that or for something else."""
    manifest = own(name, {"reservation": str(granted)}, cpu={"cores": 8, "reservation": asks or str(granted)})
    manifest["status"]["resolved"]["cores"] = 8
    return manifest


GPU: dict[str, Any] = {"hostDevices": [{"name": "gpu0", "class": "gpu"}]}
STRICT: dict[str, Any] = {"dedicated": True, "numa": "Strict"}


@pytest.mark.parametrize(
    ("asks", "others", "said"),
    [
        (own("a", cpu={"dedicated": True}), [], "fits"),
        (own("a", cpu={"dedicated": True}), [dedicated("b", 8, 8)], "NotEnoughCPU"),
        (own("a", cpu={"dedicated": True}), [own("b", cpu={"cores": 7, "dedicated": True})], "fits"),
        (own("a", cpu={"cores": 4, "reservation": "3"}), [], "fits"),
        (own("a", cpu={"cores": 4, "reservation": "3"}), [reserving("b", 6)], "fits"),
        (own("a", cpu={"cores": 4, "reservation": "3"}), [reserving("b", 7)], "NotEnoughCPU"),
        (own("a", cpu={"cores": 4, "reservation": "3"}), [own("b", cpu={"reservation": "1"})], "fits"),
        (reserving("a", 4, "2"), [reserving("b", 8)], "does not grow"),
        (own("a", {"reservation": "2"}), [reserving("b", 8)], "does not grow"),
        (own("a", pages="2Mi"), [], "fits"),
        (own("a", pages="1Gi"), [], "NotEnoughMemory"),
        (own("a", pages="2Mi"), [own("b", {"hugepages": "2Mi"}, pages="2Mi")], "NotEnoughMemory"),
        (own("a", {"hugepages": "2Mi"}), [vm("b", SMALL, (1, "4Gi"))], "NotEnoughMemory"),
        (own("a", {"dedicated": True}, cpu=STRICT), [], "fits"),
        (own("a", {"dedicated": True}, cpu=STRICT), [own("b", STRICT, cpu=STRICT)], "NotEnoughMemory"),
        (own("a", devices=1), [], "fits"),
        (own("a", GPU, devices=2), [], "DeviceUnavailable"),
        (own("a", devices=1), [own("b", GPU, devices=1)], "DeviceUnavailable"),
        (own("a", devices=1), [own("b", devices=1)], "fits"),
        (own("a", GPU, devices=1), [], "does not grow"),
        (own("a", GPU, devices=0), [], "does not grow"),
        (own("a", {"hugepages": "2Mi", **STRICT}, cpu=STRICT, pages="2Mi"), [], "does not grow"),
    ],
)
def test_more_of_the_host_to_itself_is_judged_as_more_memory_is(
    asks: dict[str, Any], others: list[dict[str, Any]], said: str
) -> None:
    status = HOST["status"] | {
        "cpus": 9,
        "memory": "7Gi",
        "hugepages": [{"size": "2Mi", "total": 768}],
        "numa": [{"id": 0, "cpus": "0-8", "memory": "3Gi", "hugepages": [{"size": "2Mi", "total": 768}]}],
        "devices": [{"class": "gpu", "address": "0000:3b:00.0", "total": 1}],
    }
    assert lack(asks, *others, host={**HOST, "status": status}) == said


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


def beyond(manifest: dict[str, Any], host: dict[str, Any] = HOST) -> dict[str, str] | None:
    """The fields of what keeps the VM from growing to its ceiling on the host; None: nothing does."""
    objects = objects_of(Cache((HOSTS, INSTANCE_TYPES, VIRTUAL_MACHINES)), host, manifest)
    found = objects.get(VirtualMachine, f"default/{manifest['metadata']['name']}")
    assert found is not None
    wanted = sizing_of(objects, found)
    assert wanted is not None
    obstacle = beyond_addresses(objects, found, wanted)
    return dict(obstacle.fields) if obstacle else None


@pytest.mark.parametrize(
    ("most", "model", "is_beyond"),
    [
        ("960Gi", "Auto", False),
        ("961Gi", "Auto", True),
        ("2Ti", "Auto", True),
        ("2Ti", "HostPassthrough", False),
        ("100Pi", "HostPassthrough", True),
    ],
)
def test_a_ceiling_is_held_against_what_the_host_can_address(most: str, model: str, is_beyond: bool) -> None:
    works = {"type": "KVMAvailable", "status": "True", "reason": "Works"}
    host = {**HOST, "status": {**HOST["status"], "cpuAddressBits": 46, "conditions": [works]}}
    wants = vm("a", SMALL, SMALL)
    wants["spec"]["memory"]["maxSize"] = most
    wants["spec"]["cpu"]["model"] = model
    found = beyond(wants, host)
    assert (found is not None) == is_beyond
    if found is not None:
        assert (found["most"], found["host"], found["name"]) == (most, "h1", "a")


def test_without_kvm_no_guest_has_the_addresses_of_its_host() -> None:
    wants = vm("a", SMALL, SMALL)
    wants["spec"]["memory"]["maxSize"] = "2Ti"
    wants["spec"]["cpu"]["model"] = "HostPassthrough"
    host = {**HOST, "status": {**HOST["status"], "cpuAddressBits": 46}}
    assert beyond(wants, host) == {"ceiling": "960Gi", "most": "2Ti", "host": "h1", "name": "a"}


def test_a_vm_without_a_host_is_the_schedulers_matter() -> None:
    wants = vm("a", SMALL, SMALL)
    wants["spec"]["memory"]["maxSize"] = "2Ti"
    wants["status"]["assignment"]["host"] = None
    assert beyond(wants) is None
