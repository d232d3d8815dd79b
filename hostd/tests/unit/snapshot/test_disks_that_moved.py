"""Disks that left their pool after a snapshot was taken, and VMs that are set back to it."""

from __future__ import annotations

import pytest

from quantix_api.resources import VOLUMES
from quantix_hostd.claims import release, take
from quantix_lab.set_back_disks import claims, condition_of, held, kept_and_changed, places, ready
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import HOST, VmHandle
from quantix_lab.volumes_part import VolumesPart
from quantix_lab.waiting import eventually_async

ROOT = "default/web-1-root"


@pytest.fixture
def volumes(vm: VmHandle) -> VolumesPart:
    vm.world.add_pool("fast")
    return VolumesPart(vm.world)


async def moves(volumes: VolumesPart, pool: str) -> None:
    """The root disk, which no guest has, goes to that pool."""
    volume = volumes.world.stores[VOLUMES][ROOT]
    volume["spec"]["pool"] = volume["status"]["movingTo"] = pool

    async def settled() -> bool:
        status = await volumes.look(ROOT)
        if status["pool"] != pool:
            return False
        claim = volumes.world.claims.read((await volumes.world.pools.pool(pool)).place(status["handle"]))
        return claim is not None and not claim.moved_from

    await eventually_async(f"it is in {pool}", settled, timeout_s=10)


async def test_a_disk_that_left_its_pool_and_came_back_is_set_back(
    vm: VmHandle, part: SnapshotsPart, volumes: VolumesPart
) -> None:
    key = await kept_and_changed(vm, part)
    for pool in ("fast", "local"):
        await moves(volumes, pool)
    assert claims(vm)[0].floor > 1, "each move is under an epoch of its own"
    await part.until(part.add_restore("back", key, vm), "Restored")
    assert held(vm) == [True, True]


async def test_what_a_guest_wrote_between_two_moves_is_not_undone_by_an_old_order(
    vm: VmHandle, part: SnapshotsPart, volumes: VolumesPart
) -> None:
    key = await kept_and_changed(vm, part)
    restore = part.add_restore("back", key, vm)
    await moves(volumes, "fast")
    fast = (await volumes.world.pools.pool("fast")).place(places(vm)[0].handle)
    claim = volumes.world.claims.read(fast)
    assert claim is not None
    written = release(take(claim, HOST, 7, vm.uid, claim.cluster_uid), HOST, 7)
    volumes.world.claims.compare_and_set(fast, claim, written)
    await moves(volumes, "local")
    status = await part.until(restore, "Failed")
    assert ready(status) == ("False", "ClaimStale")
    assert "Disk root was written under epoch 7" in condition_of(status)["message"]
    assert held(vm) == [False, False]


def change(volumes: VolumesPart, **status: str | None) -> None:
    """What the API says of the root disk."""
    volume = volumes.world.stores[VOLUMES][ROOT]
    volume["status"] = {**volume["status"], **status}
    volumes.world.api.put(volume)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"pool": "fast"}, "Disk root is in pool fast now, and snapshot first keeps it in pool local."),
        ({"host": "h9"}, f"Disk root is on h9 now, and snapshot first keeps it on {HOST}."),
    ],
)
async def test_a_disk_that_left_after_the_choice_ends_the_restore_before_anything_changes(
    vm: VmHandle, part: SnapshotsPart, volumes: VolumesPart, status: dict[str, str], said: str
) -> None:
    key = await kept_and_changed(vm, part)
    restore = part.add_restore("back", key, vm)
    change(volumes, **status)
    ended = await part.until(restore, "Failed")
    assert ready(ended) == ("False", "DiskMissing")
    assert said in condition_of(ended)["message"]
    assert held(vm) == [False, False]
    assert not any(claim.restoring for claim in claims(vm))


async def test_a_disk_of_which_a_restored_api_does_not_know_where_it_is_is_waited_for(
    vm: VmHandle, part: SnapshotsPart, volumes: VolumesPart
) -> None:
    key = await kept_and_changed(vm, part)
    restore = part.add_restore("back", key, vm)
    change(volumes, pool=None)

    async def waits() -> bool:
        return ready(await part.look(restore)) == ("False", "DiskMissing")

    await eventually_async("it to wait", waits)
    change(volumes, pool="local")
    await part.until(restore, "Restored")
    assert held(vm) == [True, True]
