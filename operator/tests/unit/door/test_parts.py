"""Amounts that change all the time wake nobody who waits for something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from quantix_client.reflector import Change
from quantix_operator.dispatch import OnChangeOf, own_key
from quantix_operator.parts import (
    host_but_amounts,
    migration_but_progress,
    pool_but_what_is_in_it,
    vm_as_load,
    vm_as_neighbour,
    volume_but_its_making,
)

Part = Callable[[dict[str, Any]], Any]


def obj(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x", "uid": "x"}, "spec": {}, "status": status}


def host(state: str, available: str, **more: Any) -> dict[str, Any]:
    return obj(pools=[{"name": "local", "state": state, "available": available}], **more)


CASES: dict[str, tuple[Part, dict[str, Any], dict[str, Any], bool]] = {
    "a pool that promised more": (
        pool_but_what_is_in_it,
        obj(allocated="1Gi", capacity="9Gi"),
        obj(allocated="2Gi", capacity="9Gi"),
        False,
    ),
    "a pool that grew": (pool_but_what_is_in_it, obj(capacity="9Gi"), obj(capacity="19Gi"), True),
    "a pool that nobody reaches any more": (
        pool_but_what_is_in_it,
        obj(conditions=[{"type": "Ready", "status": "True"}]),
        obj(conditions=[{"type": "Ready", "status": "False"}]),
        True,
    ),
    "a host whose pool fills": (host_but_amounts, host("Reachable", "5Gi"), host("Reachable", "4Gi"), False),
    "a host that got an image": (host_but_amounts, obj(), obj(images=[{"uid": "u"}]), False),
    "a host that got a VM": (
        host_but_amounts,
        obj(allocated={"cpus": 1}, virtualMachines=1),
        obj(allocated={"cpus": 2}, virtualMachines=2),
        False,
    ),
    "a host that lost a pool": (host_but_amounts, host("Reachable", "5Gi"), host("Unreachable", "5Gi"), True),
    "a host that was told to be lost": (
        host_but_amounts,
        obj(conditions=[{"type": "Ready", "reason": "Healthy"}]),
        obj(conditions=[{"type": "Ready", "reason": "Suspect"}]),
        True,
    ),
    "a host that is cordoned": (
        host_but_amounts,
        obj(),
        {**obj(), "spec": {"unschedulable": True}},
        True,
    ),
    "a VM whose guest came up": (vm_as_load, obj(phase="Starting"), obj(phase="Running"), False),
    "a VM that its host was given": (vm_as_load, obj(), obj(assignment={"host": "h1"}), True),
    "a VM that got more memory": (
        vm_as_load,
        obj(resolved={"memory": "1Gi"}),
        obj(resolved={"memory": "2Gi"}),
        True,
    ),
    "a VM that is on its way to it": (vm_as_load, obj(), obj(migration={"targetHost": "h1"}), True),
    "a migration that comes further": (migration_but_progress, obj(), obj(progress={"percent": 3}), False),
    "a migration that is handed over": (
        migration_but_progress,
        obj(source={"mode": "PreCopy"}),
        obj(source={"mode": "PreCopy", "outcome": "HandedOver"}),
        True,
    ),
    "a VM whose neighbour comes up": (vm_as_neighbour, obj(phase="Starting"), obj(phase="Running"), False),
    "a VM whose neighbour comes near": (vm_as_neighbour, obj(), obj(assignment={"host": "h1"}), True),
    "a volume that is copied": (volume_but_its_making, obj(), obj(progress={"percent": 3}), False),
    "a volume that a host took": (volume_but_its_making, obj(), obj(host="h1"), True),
    "a volume of another VM": (
        volume_but_its_making,
        obj(),
        {**obj(), "metadata": {"name": "x", "uid": "x", "labels": {"quantix.io/virtual-machine-uid": "v"}}},
        True,
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_who_depends_on_it_is_woken_by(case: str) -> None:
    part, before, after, woken = CASES[case]
    watch = OnChangeOf(part, own_key)
    assert watch.concerns(Change("MODIFIED", "x", after, before)) is woken
    assert watch.concerns(Change("ADDED", "x", after, None))
    assert watch.concerns(Change("DELETED", "x", after, before))
