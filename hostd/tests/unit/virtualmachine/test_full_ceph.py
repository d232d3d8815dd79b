"""A pool in Ceph that is full: which disks wait for room there, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api import VirtualMachine
from quantix_hostd.claims import CephPool, PoolKey, VolumePlace
from quantix_hostd.virtualmachine.desired import VolumeState
from quantix_hostd.virtualmachine.unresolved import waits_for_room

FAST, SLOW, LOCAL = CephPool("fast"), CephPool("slow"), Path("/srv/local")
VM = VirtualMachine.model_validate({"metadata": {"name": "web-1", "namespace": "default"}, "spec": {}})
ROOM = "Try: delete snapshots, volumes or images, raise its quota, or add OSDs; it goes on by itself."


def disk(name: str, pool: PoolKey | None) -> VolumeState:
    return VolumeState(name, f"web-1-{name}", f"uid-{name}", VolumePlace(pool, name) if pool else None)


DISKS = (disk("root", FAST), disk("data", SLOW), disk("scratch", LOCAL), disk("unmade", None))


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        (True, "what web-1 writes there waits, and nothing is lost."),
        (False, "web-1 cannot start from it."),
    ],
)
def test_a_disk_in_a_full_pool_in_ceph_waits_for_room(runs: bool, says: str) -> None:
    full: dict[PoolKey, str] = {FAST: "an OSD is full", LOCAL: "No space left on device"}
    waits = waits_for_room(VM, DISKS, full, runs=runs)
    assert list(waits) == ["root"]
    assert waits["root"].reason == "PoolFull"
    assert waits["root"].message == f"Pool fast takes no writes, since an OSD is full: {says}"
    assert f"Try: {waits['root'].hint}." == ROOM


def test_where_there_is_room_no_disk_waits() -> None:
    assert waits_for_room(VM, DISKS, {}, runs=True) == {}
