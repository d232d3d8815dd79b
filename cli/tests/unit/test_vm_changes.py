"""From the words of `qx vm set` to patches, and what is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_cli.exits import CommandError, Exit
from quantix_cli.vm.changes import Wanted, left_for_restart, may_wait, patch_of, told_of_type


def vm(**parts: Any) -> dict[str, Any]:
    spec = {"cpu": {"cores": 2}, "memory": {"size": "2Gi"}, **parts.pop("spec", {})}
    return {"metadata": {"name": "web-1", "namespace": "default"}, "spec": spec, **parts}


BIGGER = {"cores": None, "maxCores": 8}


@pytest.mark.parametrize(
    ("machine", "wanted", "patch"),
    [
        (vm(), Wanted(memory="4Gi"), {"spec": {"memory": {"size": "4Gi"}}}),
        (vm(), Wanted(cpu=2), {}),
        (
            vm(),
            Wanted(cpu=3, max_cpu=8, max_memory="16Gi", cpu_model="Auto"),
            {"spec": {"cpu": {"cores": 3, "maxCores": 8, "model": "Auto"}, "memory": {"maxSize": "16Gi"}}},
        ),
        (
            vm(),
            Wanted(instance_type="big", max_cpu=8),
            {"spec": {"instanceType": "big", "cpu": BIGGER, "memory": {"size": None}}},
        ),
        (
            vm(),
            Wanted(instance_type="big"),
            {"spec": {"instanceType": "big", "cpu": {"cores": None}, "memory": {"size": None}}},
        ),
        (
            vm(spec={"instanceType": "small", "cpu": {}, "memory": {}}, status={"resolved": {"cores": 1}}),
            Wanted(memory="4Gi"),
            {"spec": {"instanceType": None, "cpu": {"cores": 1}, "memory": {"size": "4Gi"}}},
        ),
        (
            vm(spec={"nics": [{"name": "eth0"}, {"name": "eth1"}]}),
            Wanted(groups=("db",), nic="eth1"),
            {"spec": {"nics": [{"name": "eth0"}, {"name": "eth1", "securityGroups": ["db"]}]}},
        ),
        (vm(), Wanted(labels=("a=b", "c-")), {"metadata": {"labels": {"a": "b", "c": None}}}),
        (vm(), Wanted(ha="Never", priority=9), {"spec": {"ha": {"restart": "Never", "priority": 9}}}),
    ],
    ids=[
        *("memory", "as it is", "room to grow", "a type with room", "a type", "from a type to its own"),
        *("one NIC's groups", "labels", "others"),
    ],
)  # fmt: skip
def test_a_change_says_no_more_than_what_is_new(
    machine: dict[str, Any], wanted: Wanted, patch: dict[str, Any]
) -> None:
    assert patch_of(machine, wanted) == patch


TYPED = {"instanceType": "small", "cpu": {}, "memory": {}}
AWAY = "web-1 no longer takes its size from type small: 1 CPU and 4GiB of memory are its own."
TO = "web-1 takes its size from type big: cores and memory of its own are left out."


@pytest.mark.parametrize(
    ("machine", "wanted", "said"),
    [
        (vm(spec=TYPED, status={"resolved": {"cores": 1}}), Wanted(memory="4Gi"), [AWAY]),
        (vm(), Wanted(instance_type="big"), [TO]),
        (vm(spec=TYPED), Wanted(instance_type="big"), []),
        (vm(spec=TYPED), Wanted(max_cpu=8), []),
        (vm(), Wanted(memory="4Gi"), []),
    ],
    ids=["away from a type", "to a type", "to another type", "beside a type", "without one"],
)
def test_a_type_that_comes_or_goes_is_told(machine: dict[str, Any], wanted: Wanted, said: list[str]) -> None:
    assert told_of_type(machine, patch_of(machine, wanted)) == said


@pytest.mark.parametrize(
    "marks",
    [
        {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        {"managedFields": [{"manager": "argo", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]},
    ],
    ids=["kubectl", "server-side"],
)
def test_what_a_type_that_goes_means_for_the_manifest_is_told(marks: dict[str, Any]) -> None:
    applied = vm(spec=TYPED, status={"resolved": {"cores": 1}})
    applied["metadata"] |= marks
    assert told_of_type(applied, patch_of(applied, Wanted(memory="4Gi"))) == [
        AWAY,
        "kubectl apply of its manifest is refused until that has cpu.cores and memory.size instead of "
        "instanceType: small.",
    ]


LATER = "a guest that runs grows further after a restart"
CEILED = {"cpu": {"cores": 2, "maxCores": 4}, "memory": {"size": "2Gi", "maxSize": "4Gi"}}


@pytest.mark.parametrize(
    ("wanted", "said", "way"),
    [
        (
            Wanted(memory="8Gi"),
            "web-1 can grow to 4GiB (memory.maxSize), and 8GiB is more.",
            f"qx vm set web-1 --memory 8GiB --max-memory 8GiB; {LATER}",
        ),
        (
            Wanted(cpu=8),
            "web-1 can grow to 4 (cpu.maxCores), and 8 is more.",
            f"qx vm set web-1 --cpu 8 --max-cpu 8; {LATER}",
        ),
        (
            Wanted(cpu=8, memory="8Gi"),
            "web-1 can grow to 4 (cpu.maxCores), and 8 is more; "
            "it can grow to 4GiB (memory.maxSize), and 8GiB is more.",
            f"qx vm set web-1 --cpu 8 --max-cpu 8 --memory 8GiB --max-memory 8GiB; {LATER}",
        ),
        (
            Wanted(max_memory="1Gi"),
            "web-1 has 2GiB, and could not grow to more than 1GiB (memory.maxSize).",
            "qx vm set web-1 --max-memory 2GiB",
        ),
    ],
)
def test_more_than_it_can_grow_to_is_refused_with_the_way_out(wanted: Wanted, said: str, way: str) -> None:
    with pytest.raises(CommandError) as refused:
        patch_of(vm(spec=CEILED), wanted)
    assert refused.value.exit_code is Exit.REFUSED
    assert refused.value.message == said
    assert refused.value.hint == way


@pytest.mark.parametrize("wanted", [Wanted(memory="4Gi", cpu=4), Wanted(memory="8Gi", max_memory="8Gi")])
def test_what_it_can_grow_to_is_not_refused(wanted: Wanted) -> None:
    assert patch_of(vm(spec=CEILED), wanted)


def test_a_size_that_goes_for_a_type_is_above_no_ceiling() -> None:
    patch = patch_of(vm(spec=CEILED), Wanted(instance_type="tiny", max_cpu=1, max_memory="1Gi"))
    assert patch["spec"]["cpu"] == {"cores": None, "maxCores": 1}


def test_nothing_to_set_is_wrong_usage() -> None:
    with pytest.raises(CommandError, match="Set what"):
        Wanted()


def test_only_a_change_of_what_the_guest_has_may_have_to_wait_for_a_restart() -> None:
    assert may_wait(vm(), vm(spec={"memory": {"size": "4Gi"}}))
    assert not may_wait(vm(), vm(spec={"gracePeriodSeconds": 5}))


def test_what_waits_for_a_restart_is_told_as_it_is_and_as_it_will_be() -> None:
    change = {"path": "spec.memory.size", "running": "2Gi", "wanted": "4Gi"}
    assert left_for_restart({"status": {"runtime": {"pendingChanges": [change]}}}) == [
        "memory.size 2Gi → 4Gi"
    ]


def test_a_boot_order_names_devices_that_the_vm_has() -> None:
    machine = vm(spec={"disks": [{"name": "root"}], "cdroms": [{"name": "cdrom"}]})
    assert patch_of(machine, Wanted(boot="cdrom,root")) == {"spec": {"boot": {"order": ["cdrom", "root"]}}}
    with pytest.raises(CommandError, match=r"web-1 has no device cd0\. It has: cdrom, root\."):
        patch_of(machine, Wanted(boot="cd0,root"))
