"""A snapshot that was about to be taken, and has to wait: nothing is stored, and its host says so."""

from __future__ import annotations

from quantix_lab.snapshot_files import left_of_snapshots
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle

from .test_taking import reason


async def test_what_was_said_to_be_stored_and_is_not_is_taken_back(
    running: VmHandle, part: SnapshotsPart
) -> None:
    key = part.add("first", running)
    assert (await part.look(key))["data"] == "Present"
    running.change("status", "migration", value={"uid": "m", "sourceHost": "h1", "targetHost": "h2"})
    status = await part.look(key)
    assert (status["data"], status["phase"], reason(status)) == ("Absent", "Pending", "MigrationRunning")
    assert left_of_snapshots(part) == []
    assert await part.look(key) == status, "said once"
    del part.world.api.objects[running.uid]["status"]["migration"]
    assert (await part.until(key, "Ready"))["data"] == "Present"
