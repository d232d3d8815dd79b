"""What keeps a VM off another host beside the filters: room for its data, its CPU, its machine type."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from quantix_api import Host, VirtualMachine
from quantix_operator.migration.model import Prospect
from quantix_operator.migration.prospects import local_volumes, pool_room, prospect_of

from .moving_world import MovingWorld

GIB = 1 << 30


@pytest.fixture
def world() -> MovingWorld:
    made = MovingWorld(("h1", "h2"))
    made.vm("web")
    return made


def found(world: MovingWorld, **coming_gib: int) -> Prospect | None:
    """Of web, a disk of 10 GiB in pool local, while so many GiB are on their way to these hosts."""
    world.learn()
    vm = world.objects.get(VirtualMachine, "a/web")
    assert vm is not None
    coming = Counter({(host, "local"): size * GIB for host, size in coming_gib.items()})
    return prospect_of(world.objects, vm, local_volumes(world.objects, vm), coming)


def lacks(prospect: Prospect | None) -> list[tuple[str, str]]:
    assert prospect is not None
    return [(item.lack.value, item.what) for item in prospect.refused_by["h2"]]


@pytest.mark.parametrize(
    ("available", "coming", "expected"),
    [
        ("10Gi", 0, []),
        ("9Gi", 0, [("PoolRoom", "local")]),
        ("20Gi", 10, []),
        ("20Gi", 11, [("PoolRoom", "local")]),
        (None, 11, []),
    ],
)
def test_data_goes_where_there_is_room_beside_what_is_on_its_way(
    world: MovingWorld, available: str | None, coming: int, expected: list[tuple[str, str]]
) -> None:
    pool = {"name": "local", "state": "Reachable", **({"available": available} if available else {})}
    world.host("h2", pools=[pool])
    assert lacks(found(world, h2=coming)) == expected


def test_the_room_of_pools_that_nobody_tells_of_is_not_known() -> None:
    pools: list[dict[str, Any]] = [{"name": "local", "available": "5Gi"}, {"name": "new"}]
    host = Host.parse({"metadata": {"name": "h2"}, "spec": {}, "status": {"pools": pools}})
    assert pool_room(host, Counter({("h2", "local"): 6 * GIB, ("h1", "local"): GIB})) == {"local": -GIB}


def test_a_guest_keeps_its_machine_type_and_its_kvm(world: MovingWorld) -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Healthy"}
    kvm = {"type": "KVMAvailable", "status": "True", "reason": "Works"}
    world.host("h2", versions={"machineType": "pc-q35-6.0"}, conditions=[ready, kvm])
    assert lacks(found(world)) == [("CPUModel", "qemu64"), ("MachineType", "pc-q35-7.2")]


def test_without_its_host_nothing_is_known(world: MovingWorld) -> None:
    assert found(world) is not None
    del world.api.objects["uid-h1"]
    assert found(world) is None
