"""VMs and volumes that are deleted while they are set back: nothing waits for longer than it has to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from quantix_api.errors import TransientError, WaitingError
from quantix_api.resources import VIRTUAL_MACHINE_RESTORES, VOLUMES
from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.restoring import is_half
from quantix_hostd.snapshot import restores
from quantix_hostd.snapshot.restores import RestoreController
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_hostd.snapshot_place import SnapshotPlace
from quantix_hostd.transfer import transfers
from quantix_lab.mortality import DeathAfter, Mortality
from quantix_lab.set_back_disks import claims, condition_of, held, kept_and_changed, places, ready
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle
from quantix_lab.volumes_part import VolumesPart
from quantix_lab.waiting import eventually_async


@dataclass(frozen=True)
class NoRoom(SnapshotStorage):
    """Copies the first disk only."""

    def put_back(
        self, pool: Pool, disk: SnapshotPlace, volume: VolumePlace, goes_on: Callable[[], bool]
    ) -> None:
        if "-data" in disk.handle:
            raise WaitingError("PoolFull", "Pool local is full.", retry_after_s=300)
        super().put_back(pool, disk, volume, goes_on)


@dataclass(frozen=True)
class Stuck(SnapshotStorage):
    """Copies all, and does not let the copies be the disks."""

    def switch_back(self, pool: Pool, volume: VolumePlace) -> None:
        raise TransientError("CommandFailed", "The rename broke.")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "_FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(restores, "_VM_LOOK_S", 0.1)


async def fails(part: SnapshotsPart, restore: str, said: str) -> None:
    """It tries, and says what keeps it."""

    async def told() -> bool:
        return said in condition_of(await part.look(restore))["message"]

    await eventually_async("it to say what keeps it", told)


def with_storage(part: SnapshotsPart, kind: type[SnapshotStorage]) -> None:
    storage = kind(part.storage.layout, part.storage.qemu_img, part.storage.states)
    part.restores = RestoreController(replace(part.tools, storage=storage), part.world.woken.append)


def owns(vm: VmHandle, *, protected: bool = False) -> None:
    """The volumes go with the VM."""
    for disk in ("root", "data"):
        volume = vm.world.stores[VOLUMES][f"default/web-1-{disk}"]
        owner = {"apiVersion": "quantix.io/v1", "kind": "VirtualMachine", "name": "web-1", "uid": vm.uid}
        volume["metadata"]["ownerReferences"] = [owner]
        volume["spec"]["deletionProtection"] = protected
        vm.world.api.put(volume)


async def test_a_vm_that_is_deleted_waits_for_no_room_and_its_disks_are_what_they_were(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    key = await kept_and_changed(vm, part)
    with_storage(part, NoRoom)
    restore = part.add_restore("back", key, vm)
    await fails(part, restore, "is full")
    assert all(claim.restoring for claim in claims(vm))
    vm.delete()
    status = await part.until(restore, "Failed")
    assert ready(status) == ("False", "VirtualMachineNotFound")
    assert "VM web-1 was deleted before its disks were set back." in condition_of(status)["message"]
    assert [(claim.holder, claim.restoring) for claim in claims(vm)] == [(None, "")] * 2
    assert held(vm) == [False, False]
    assert [path.name for place in places(vm) for path in place.data.parent.glob(".restored")] == []


async def half_set_back(vm: VmHandle, part: SnapshotsPart) -> str:
    """Its disks may be anything now; the key of the restore."""
    key = await kept_and_changed(vm, part)
    with_storage(part, Stuck)
    restore = part.add_restore("back", key, vm)
    await fails(part, restore, "rename broke")
    assert all(is_half(claim) for claim in claims(vm))
    vm.delete()
    return restore


@pytest.mark.parametrize("protected", [False, True])
async def test_disks_that_stay_without_their_vm_are_not_left_half_set_back(
    vm: VmHandle, part: SnapshotsPart, protected: bool
) -> None:
    if protected:
        owns(vm, protected=True)
    restore = await half_set_back(vm, part)
    await part.look(restore)
    part = SnapshotsPart(part.world)
    await part.until(restore, "Restored")
    assert held(vm) == [True, True]
    assert [(claim.holder, claim.restoring) for claim in claims(vm)] == [(None, "")] * 2


async def test_disks_that_go_with_their_vm_keep_it_no_longer(vm: VmHandle, part: SnapshotsPart) -> None:
    owns(vm)
    restore = await half_set_back(vm, part)
    await part.until(restore, "Failed")
    assert all(is_half(claim) for claim in claims(vm)), "nobody is to use them"
    place = places(vm)[0]
    vm.world.stores[VOLUMES]["default/web-1-root"]["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    await VolumesPart(part.world).look("default/web-1-root")
    assert not place.data.exists()


async def test_what_a_killed_hostd_had_all_set_back_is_told_as_it_is(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    key = await kept_and_changed(vm, part)
    mortality = DeathAfter("switch_back")
    dying = SnapshotsPart(part.world, mortality)
    restore = part.add_restore("back", key, vm)
    await dying.look_until_dead(restore, mortality)
    await dying.restores.stop()
    vm.delete()
    await part.until(restore, "Restored")
    assert held(vm) == [True, True]


async def half_done(vm: VmHandle, part: SnapshotsPart) -> str:
    """A restore whose hostd was killed once it had begun; its key."""
    key = await kept_and_changed(vm, part)
    mortality = Mortality(4)
    dying = SnapshotsPart(part.world, mortality)
    restore = part.add_restore("back", key, vm)
    await dying.look_until_dead(restore, mortality)
    await dying.restores.stop()
    assert claims(vm)[0].restoring
    return restore


async def test_a_restore_whose_vm_is_gone_comes_to_its_end(vm: VmHandle, part: SnapshotsPart) -> None:
    restore, places_then = await half_done(vm, part), places(vm)
    del part.world.api.objects[vm.uid]
    await part.until(restore, "Failed", timeout_s=5)
    found = [part.world.claims.read(place) for place in places_then]
    assert [claim.restoring for claim in found if claim is not None] == ["", ""]


async def test_a_volume_that_is_deleted_is_removed_once_no_restore_is_at_it(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    restore = await half_done(vm, part)
    place, volumes = places(vm)[0], VolumesPart(part.world)
    part.world.stores[VOLUMES]["default/web-1-root"]["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    await volumes.look("default/web-1-root")
    assert place.data.exists(), "it is being set back"
    del part.world.stores[VIRTUAL_MACHINE_RESTORES][restore]
    await volumes.look("default/web-1-root")
    assert not place.data.exists()
