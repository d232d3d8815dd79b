"""What a VM gets of CPU and memory: its own word, its instance type's, or the default, member by member."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from quantix_api import InstanceType, VirtualMachine
from quantix_api.compute import Compute, compute_of
from quantix_api.vm_compute import CPU, Memory

SAID: dict[str, tuple[Any, Any]] = {
    "cores": (4, 8),
    "max_cores": (8, 16),
    "sockets": (2, 1),
    "threads": (2, 1),
    "model": ("Nehalem", "Auto"),
    "features": ([{"name": "vmx"}], [{"name": "aes", "policy": "Disable"}]),
    "dedicated": (True, False),
    "weight": (50, 100),
    "limit": ("1500m", "2"),
    "reservation": ("1", "500m"),
    "size": ("2Gi", "4Gi"),
    "max_size": ("4Gi", "8Gi"),
    "min_size": ("1Gi", "512Mi"),
    "hugepages": ("2Mi", "1Gi"),
}
"""By member: what a type says, and what a VM beside it says, which may be the default."""


def spec_of(member: str, value: Any) -> dict[str, Any]:
    place, model = ("cpu", CPU) if member in CPU.model_fields else ("memory", Memory)
    return {place: {model.model_fields[member].alias or member: value}}


def type_of(spec: dict[str, Any]) -> InstanceType:
    return InstanceType.parse({"metadata": {"name": "small"}, "spec": spec})


def vm_of(spec: dict[str, Any], **status: Any) -> VirtualMachine:
    return VirtualMachine.parse({"metadata": {"name": "a"}, "spec": spec, "status": status})


def found(member: str, compute: Compute) -> Any:
    value = getattr(compute, member)
    return [item.model_dump(exclude_unset=True) for item in value] if member == "features" else value


@pytest.mark.parametrize("member", SAID)
def test_a_member_is_the_types_unless_the_vm_says_it(member: str) -> None:
    of_type, own = SAID[member]
    kind = type_of(spec_of(member, of_type))
    assert found(member, compute_of(vm_of({"instanceType": "small"}), kind.spec)) == of_type
    beside = vm_of({"instanceType": "small", **spec_of(member, own)})
    assert found(member, compute_of(beside, kind.spec)) == own
    assert found(member, compute_of(vm_of(spec_of(member, own)))) == own


def test_every_member_of_cpu_and_memory_is_there() -> None:
    members = {*CPU.model_fields, *Memory.model_fields}
    assert {field.name for field in fields(Compute)} == members
    assert {*SAID, "numa"} == members


def test_without_a_word_the_defaults_of_the_api_count() -> None:
    assert compute_of(vm_of({})) == Compute()


def test_what_was_kept_of_the_type_counts_while_the_vm_names_one() -> None:
    resolved = {"ofType": {"cpu": {"weight": 7}, "memory": {}}}
    assert compute_of(vm_of({"instanceType": "gone"}, resolved=resolved)).weight == 7
    assert compute_of(vm_of({}, resolved=resolved)).weight == 100


def test_a_vm_that_shares_cpus_beside_a_type_that_does_not_mirrors_no_nodes() -> None:
    kind = type_of({"cpu": {"dedicated": True, "numa": "Strict"}})
    assert compute_of(vm_of({"instanceType": "small"}), kind.spec).numa == "Strict"
    beside = vm_of({"instanceType": "small", "cpu": {"dedicated": False}})
    assert compute_of(beside, kind.spec).numa == "Auto"
