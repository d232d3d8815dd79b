"""What a restore says while its disks are set back, and when that is to be tried again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from quantix_api.errors import TransientError
from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.snapshot.restores import RestoreController
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_hostd.snapshot_place import SnapshotPlace
from quantix_lab.set_back_disks import condition_of, kept_and_changed
from quantix_lab.snapshot_files import kept_file
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import HOST, VmHandle
from quantix_lab.waiting import eventually_async


@dataclass(frozen=True)
class Unwilling(SnapshotStorage):
    """Sets nothing back."""

    def put_back(
        self, pool: Pool, disk: SnapshotPlace, volume: VolumePlace, goes_on: Callable[[], bool]
    ) -> None:
        raise TransientError("CommandFailed", "The copy broke.")


async def test_one_that_is_tried_again_says_when_and_asks_nothing_of_anybody(
    vm: VmHandle, part: SnapshotsPart
) -> None:
    storage = Unwilling(part.storage.layout, part.storage.qemu_img, part.storage.states)
    key = await kept_and_changed(vm, part)
    restores = RestoreController(replace(part.tools, storage=storage), part.world.woken.append)
    part.restores = restores
    restore = part.add_restore("back", key, vm)

    async def told() -> bool:
        condition = condition_of(await part.look(restore))
        return (condition["reason"], "The copy broke" in condition["message"]) == ("Restoring", True)

    await eventually_async("it to say what happened", told)
    message = condition_of(await part.look(restore))["message"]
    assert message.startswith(f"{HOST} tries again at 20")
    assert message.endswith("Try: nothing; it goes on by itself.")


@dataclass(frozen=True)
class Slow(SnapshotStorage):
    """Copies no second disk before it may."""

    begun: list[str] = field(default_factory=list)
    may: threading.Event = field(default_factory=threading.Event)

    def put_back(
        self, pool: Pool, disk: SnapshotPlace, volume: VolumePlace, goes_on: Callable[[], bool]
    ) -> None:
        self.begun.append(volume.handle)
        if len(self.begun) > 1:
            self.may.wait(60)
        super().put_back(pool, disk, volume, goes_on)

    def put_back_bytes(self, pool: Pool, volume: VolumePlace) -> int:
        return 4096


async def test_how_far_the_copies_are_is_told_until_they_are_there(vm: VmHandle, part: SnapshotsPart) -> None:
    storage = Slow(part.storage.layout, part.storage.qemu_img, part.storage.states)
    key = await kept_and_changed(vm, part)
    part.restores = RestoreController(replace(part.tools, storage=storage), part.world.woken.append)
    restore = part.add_restore("back", key, vm)
    status: dict[str, Any] = {}

    async def told() -> bool:
        nonlocal status
        status = await part.look(restore)
        return "progress" in status

    await eventually_async("its progress", told)
    storage.may.set()
    stored = sum(kept_file(part, key, disk).stat().st_blocks * 512 for disk in ("root", "data"))
    assert (status["progress"]["doneBytes"], status["progress"]["totalBytes"]) == (4096, stored)
    assert "progress" not in await part.until(restore, "Restored")
