"""A host that goes on with a restore after everybody gave it up: the claims decide, each in one write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from quantix_hostd.claims import VolumePlace, release, take
from quantix_hostd.clients.pool import Pool
from quantix_hostd.restoring import begin_restore
from quantix_hostd.snapshot.restores import RestoreController
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_lab.set_back_disks import claims, held, kept_and_changed, places, ready
from quantix_lab.snapshot_files import disk_file, holds, write
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle


@dataclass(frozen=True)
class Frozen(SnapshotStorage):
    """A host that stands still right before it changes its first claim, while others act."""

    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    def is_there(self, pool: Pool, uid: str, disk: str, volume_uid: str) -> bool:
        while self.meanwhile:
            self.meanwhile.pop()()
        return super().is_there(pool, uid, disk, volume_uid)


def run_elsewhere(vm: VmHandle, place: VolumePlace) -> None:
    """The VM has the disk on another host under epoch 2, and lets go of it."""
    store, free = vm.world.claims, vm.world.claims.read(place)
    assert free is not None
    taken = take(free, "h9", 2, vm.uid, CLUSTER)
    store.compare_and_set(place, free, taken)
    store.compare_and_set(place, taken, release(taken, "h9", 2))


async def test_a_host_that_thaws_undoes_nothing_that_the_vm_wrote_elsewhere(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    key = await kept_and_changed(vm, part)
    frozen = Frozen(part.storage.layout, part.storage.qemu_img, part.storage.states)
    part.restores = RestoreController(replace(part.tools, storage=frozen), part.world.woken.append)
    restore = part.add_restore("back", key, vm)

    def elsewhere() -> None:
        for disk, place in zip(("root", "data"), places(vm), strict=True):
            run_elsewhere(vm, place)
            write(disk_file(vm, disk), 5)

    frozen.meanwhile.append(elsewhere)
    status = await part.until(restore, "Failed")
    assert ready(status) == ("False", "ClaimStale")
    assert [holds(disk_file(vm, disk), 5) for disk in ("root", "data")] == [True, True]
    assert [(claim.holder, claim.restoring) for claim in claims(vm)] == [(None, "")] * 2


async def test_where_one_disk_was_written_since_all_others_are_let_go_of_as_they_were(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    key = await kept_and_changed(vm, part)
    restore = part.add_restore("back", key, vm)
    # it was killed once it had the first
    place, claim = places(vm)[0], claims(vm)[0]
    begun = begin_restore(claim, HOST, part.uid_of_restore(restore), CLUSTER, epoch=1)
    part.world.claims.compare_and_set(place, claim, begun)
    run_elsewhere(vm, places(vm)[1])
    status = await part.until(restore, "Failed")
    assert ready(status) == ("False", "ClaimStale")
    assert held(vm) == [False, False]
    assert [(claim.holder, claim.restoring, claim.untouched) for claim in claims(vm)] == [
        (None, "", False)
    ] * 2
