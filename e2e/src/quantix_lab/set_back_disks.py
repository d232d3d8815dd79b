"""The disks of a VM that is set back to a snapshot, in the world of a host's VMs: what they hold, and what
their claims and the restore say.
"""

from __future__ import annotations

from typing import Any

from quantix_hostd.claims import Claim, VolumePlace
from quantix_lab.snapshot_files import disk_file, holds, write
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle


def places(vm: VmHandle) -> list[VolumePlace]:
    """Of its disks."""
    disks = vm.world.api.objects[vm.uid]["status"]["resolved"]["disks"]
    return [VolumePlace(vm.world.pool, disk["volumeUID"]) for disk in disks]


def claims(vm: VmHandle) -> list[Claim]:
    """Of its disks."""
    found = [vm.world.claims.read(place) for place in places(vm)]
    return [claim for claim in found if claim is not None]


async def kept_and_changed(vm: VmHandle, part: SnapshotsPart) -> str:
    """A snapshot of disks that hold sevens; then they hold nines."""
    for disk in ("root", "data"):
        write(disk_file(vm, disk), 7)
    key = part.add("first", vm)
    await part.until(key, "Ready")
    for disk in ("root", "data"):
        write(disk_file(vm, disk), 9)
    return key


def held(vm: VmHandle) -> list[bool]:
    """Of each disk whether it holds the sevens."""
    return [holds(disk_file(vm, disk), 7) for disk in ("root", "data")]


def condition_of(status: dict[str, Any]) -> dict[str, str]:
    """Ready."""
    return next(item for item in status["conditions"] if item["type"] == "Ready")


def ready(status: dict[str, Any]) -> tuple[str, str]:
    """Ready, and why."""
    found = condition_of(status)
    return found["status"], found["reason"]
