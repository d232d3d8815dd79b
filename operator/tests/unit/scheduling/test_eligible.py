"""Whose a UUID is, and which specs cannot be run yet."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from quantix_api import InstanceType, VirtualMachine
from quantix_api.messages import render
from quantix_operator.scheduling.eligible import Identities, barrier

CHOSEN = "4c4c4544-0042-3010-8052-b4c04f4d5331"
OTHER = "4c4c4544-0042-3010-8052-b4c04f4d5332"


def vm(
    name: str, *, day: int, uuid: str | None = None, resolved: str | None = None, **how: Any
) -> VirtualMachine:
    metadata = {
        "name": name,
        "namespace": how.pop("namespace", "default"),
        "uid": how.pop("uid", f"uid-{name}"),
        "creationTimestamp": f"2026-01-{day:02d}T00:00:00Z",
    }
    spec = {"identity": {"uuid": uuid}} if uuid else {}
    status = {"resolved": {"uuid": resolved}} if resolved else {}
    return VirtualMachine.parse({"metadata": metadata, "spec": spec | how, "status": status})


OWNERS: dict[str, tuple[list[VirtualMachine], str]] = {
    "the elder of those that chose it": ([vm("a", day=1, uuid=CHOSEN), vm("b", day=2, uuid=CHOSEN)], "a"),
    "of the same second the smaller UID": (
        [vm("a", day=1, uuid=CHOSEN, uid="2"), vm("b", day=1, uuid=CHOSEN, uid="1")],
        "b",
    ),
    "whoever did not choose it, however young": (
        [vm("a", day=1, uuid=CHOSEN, resolved=CHOSEN), vm("b", day=9, uid=CHOSEN)],
        "b",
    ),
    "whoever was given it already": (
        [vm("a", day=1, uuid=CHOSEN), vm("b", day=2, uuid=CHOSEN, resolved=CHOSEN)],
        "b",
    ),
    "a UUID that was given before spec chose another counts for nothing": (
        [vm("a", day=1, uuid=CHOSEN), vm("b", day=2, uuid=CHOSEN, resolved=OTHER)],
        "a",
    ),
}


@pytest.mark.parametrize("case", OWNERS, ids=str)
def test_a_uuid_belongs_to(case: str) -> None:
    vms, owner = OWNERS[case]
    for order in permutations(vms):
        identities = Identities(order)
        assert {identities.owner(item).metadata.name for item in order} == {owner}
        assert [item.metadata.name for item in vms if barrier(item, identities, None) is None] == [owner]


def test_a_vm_of_the_same_namespace_is_named_and_one_of_another_is_not() -> None:
    elder = vm("payroll", day=1, uuid=CHOSEN)
    for namespace, told in (("default", "VM default/payroll"), ("curious", "a VM of another namespace")):
        younger = vm("b", day=2, uuid=CHOSEN, namespace=namespace)
        obstacle = barrier(younger, Identities([elder, younger]), None)
        assert obstacle is not None
        assert (obstacle.reason, dict(obstacle.fields)) == (
            "IdentityConflict",
            {"uuid": CHOSEN, "other": told},
        )


def test_when_the_elder_goes_the_younger_has_it() -> None:
    younger = vm("b", day=2, uuid=CHOSEN)
    assert barrier(younger, Identities([younger]), None) is None


def test_a_disk_that_is_made_from_a_snapshot_bars_nothing() -> None:
    asking = vm("a", day=1, disks=[{"name": "root", "snapshot": "old", "snapshotDisk": "data"}])
    assert barrier(asking, Identities([asking]), None) is None


def test_cores_that_cannot_be_laid_out_as_a_vm_and_its_type_say_together_are_told() -> None:
    using = vm("a", day=1, instanceType="fast", cpu={"sockets": 3})
    fast = InstanceType.parse(
        {"metadata": {"name": "fast"}, "spec": {"cpu": {"cores": 4}, "memory": {"size": "1Gi"}}}
    )
    obstacle = barrier(using, Identities([using]), fast)
    assert obstacle is not None
    assert render(obstacle.reason, **obstacle.fields).sentence == (
        "Its 4 cores are no multiple of 3 sockets × 1 thread, half of which its instance type says."
    )
    fitting = vm("a", day=1, instanceType="fast", cpu={"sockets": 2})
    assert barrier(fitting, Identities([fitting]), fast) is None
