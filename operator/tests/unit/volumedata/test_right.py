"""Whose word on a Volume counts."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.resources import (
    HOSTS,
    NAMESPACES,
    SCHEDULING_POLICIES,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.scheduling.observe import observe
from quantix_operator.virtualmachine.disks import view_of
from quantix_operator.volumedata.right import host_of_owners, is_denied, owners_of

_KINDS = (
    HOSTS,
    NAMESPACES,
    SCHEDULING_POLICIES,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    VIRTUAL_MACHINE_MIGRATIONS,
)
MARKS = {
    "labels": {"quantix.io/virtual-machine-uid": "uid-web-1"},
    "annotations": {"quantix.io/virtual-machine": "web-1"},
}
READY = [{"type": "Ready", "status": "True", "reason": "Available"}]
SAID = {"host": "h1", "data": "Present", "handle": "uid-v", "conditions": READY}
SHARED = {"rbd": {"monitors": ["10.0.0.1"], "pool": "quantix"}}


def world(
    assignment: dict[str, Any] | None,
    status: dict[str, Any],
    *,
    marks: dict[str, Any] | None = None,
    pool: dict[str, Any] | None = None,
    vm: str = "web-1",
) -> tuple[Objects, Volume]:
    cache = Cache(_KINDS)

    def put(resource: Any, name: str, **parts: Any) -> None:
        metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", **parts.pop("metadata", {})}
        cache.put(resource, {"metadata": metadata, **parts})

    put(STORAGE_POOLS, "local", spec={"default": True, **(pool or {"dir": {"path": "/pool"}})})
    disks = [{"name": "root", "size": "1Gi"}]
    spec = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}, "disks": disks}
    vm_status = {"assignment": assignment} if assignment else {}
    put(VIRTUAL_MACHINES, vm, metadata={"namespace": "default"}, spec=spec, status=vm_status)
    place = {"namespace": "default", **(MARKS if marks is None else marks)}
    put(VOLUMES, "web-1-root", metadata=place, spec={"pool": "local", "size": "1Gi"}, status=status)
    objects = Objects(cache)
    volume = objects.get(Volume, "default/web-1-root")
    assert volume is not None
    return objects, volume


ATTACHED = {"attachedTo": [{"uid": "uid-web-1", "name": "web-1"}]}

CASES: dict[str, tuple[tuple[Objects, Volume], bool]] = {
    "no host says anything": (world(None, {}), False),
    "the VM was never given to any host": (world(None, SAID), True),
    "the VM is on that host": (world({"host": "h1", "epoch": 1}, SAID), False),
    "the VM is on another host": (world({"host": "h2", "epoch": 1}, SAID), True),
    "the VM has stopped on that host": (world({"epoch": 2, "lastHost": "h1"}, SAID), False),
    "the VM has stopped on another host": (world({"epoch": 2, "lastHost": "h2"}, SAID), True),
    "a version before lastHost stopped the VM": (world({"epoch": 2}, SAID), False),
    "the scheduler has confirmed the host": (world(None, {**SAID, "confirmedHost": "h1"}), False),
    "the scheduler has confirmed another host": (world(None, {**SAID, "confirmedHost": "h2"}), True),
    "no VM has it": (world(None, SAID, marks={}), False),
    "the VM that it was made for is not known": (world(None, SAID, vm="other"), False),
    "a VM without a host attaches it": (world(None, {**SAID, **ATTACHED}, marks={}), True),
    "a VM on that host attaches it": (
        world({"host": "h1", "epoch": 1}, {**SAID, **ATTACHED}, marks={}),
        False,
    ),
    "every host reaches its pool, and the VM was never given to that one": (
        world(None, SAID, pool=SHARED),
        True,
    ),
    "every host reaches its pool, and the VM has moved on from a confirmed one": (
        world({"host": "h2", "epoch": 3}, {**SAID, "confirmedHost": "h1"}, pool=SHARED),
        False,
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_host_is_denied_only_what_every_vm_disproves(case: str) -> None:
    (objects, volume), denied = CASES[case]
    assert is_denied(objects, volume) is denied


def test_a_namesake_of_the_vm_proves_nothing() -> None:
    objects, volume = world(
        {"host": "h1", "epoch": 1}, {**SAID, "attachedTo": [{"uid": "u", "name": "web-1"}]}
    )
    assert [vm.metadata.uid for vm in owners_of(objects, volume)] == ["uid-web-1"]
    other = world(None, {**SAID, "attachedTo": [{"uid": "u", "name": "web-1"}]}, marks={})
    assert owners_of(*other) == ()


@pytest.mark.parametrize(("assignment", "pinned"), [(None, False), ({"epoch": 2, "lastHost": "h1"}, True)])
def test_only_a_host_with_a_right_draws_a_vm_to_itself(
    assignment: dict[str, Any] | None, pinned: bool
) -> None:
    objects, _ = world(assignment, SAID)
    (candidate,) = observe(objects).candidates
    assert candidate.guest is not None
    assert [pin.host for pin in candidate.guest.pins] == (["h1"] if pinned else [])


def test_data_that_every_host_reaches_binds_no_vm() -> None:
    objects, _ = world({"epoch": 2, "lastHost": "h1"}, SAID, pool=SHARED)
    (candidate,) = observe(objects).candidates
    assert candidate.guest is not None
    assert candidate.guest.pins == ()


def test_what_a_denied_host_says_of_the_data_does_not_count() -> None:
    view = view_of(*world({"host": "h2", "epoch": 1}, SAID))
    assert (view.denied, view.ready, view.reason, view.message) == (True, False, "Pending", "")
    assert view_of(*world({"host": "h1", "epoch": 1}, SAID)).ready


def test_a_volume_goes_to_another_vm_only_with_a_host_that_is_confirmed() -> None:
    assert not view_of(*world(None, SAID, marks={})).settled
    assert view_of(*world(None, {**SAID, "confirmedHost": "h1"}, marks={})).settled
    assert view_of(*world(None, {}, marks={})).settled


def test_the_seat_is_the_host_of_a_vm_that_has_it() -> None:
    assert host_of_owners(owners_of(*world({"host": "h2", "epoch": 1}, SAID))) == "h2"
    assert host_of_owners(owners_of(*world({"epoch": 1, "lastHost": "h2"}, SAID))) == ""
