"""What waits while QEMU copies the disks of a snapshot: nothing of the guest moves, stops or begins anew."""

from __future__ import annotations

import pytest

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_api.resources import VOLUMES
from quantix_hostd.facts.moment import CopyStep, DisksCopy
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.fake_target import MigrationHandle
from quantix_lab.set_back_disks import condition_of, ready
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle
from quantix_lab.waiting import eventually_async

from .test_taking import being_kept

OTHER_HOST = {
    "metadata": {"name": "h2", "uid": "h2"},
    "spec": {},
    "status": {"addresses": {"api": "192.0.2.2:9443"}},
}


async def test_a_disk_begins_to_move_once_all_of_it_is_kept(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    key = await being_kept(running, part, hypervisor)
    part.world.add_pool("fast")
    volume = part.world.stores[VOLUMES]["default/web-1-root"]
    volume["spec"]["pool"] = volume["status"]["movingTo"] = "fast"
    await running.reconcile()
    assert [call for call in hypervisor.calls if call.startswith("copy")] == []
    hypervisor.copy_said = DisksCopy(CopyStep.DONE)
    await part.until(key, "Ready")
    await part.look(key)
    for _ in range(3):
        await running.look_after(6)
    assert [call for call in hypervisor.calls if call.startswith("copy")] != []


async def test_a_guest_begins_to_leave_once_all_of_it_is_kept(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor
) -> None:
    key = await being_kept(running, part, hypervisor)
    running.world.api.put(OTHER_HOST)
    migration = MigrationHandle(running)
    migration.change("target", prepared=True)
    await running.reconcile()
    assert running.world.records.load(running.uid).leaving is None
    hypervisor.copy_said = DisksCopy(CopyStep.DONE)
    await part.until(key, "Ready")
    await part.look(key)
    await running.reconcile()
    assert running.world.records.load(running.uid).leaving is not None


@pytest.mark.parametrize("asked", ["suspend", "reset"])
async def test_a_pause_and_a_reset_wait_until_all_of_it_is_kept(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor, asked: str
) -> None:
    key = await being_kept(running, part, hypervisor)
    if asked == "suspend":
        running.change("spec", "powerState", value="Paused")
    else:
        running.ask_restart("Reset")
    await running.reconcile()
    assert hypervisor.calls.count(asked) == 0
    hypervisor.copy_said = DisksCopy(CopyStep.DONE)
    await part.until(key, "Ready")
    await part.look(key)
    await running.reconcile()
    assert hypervisor.calls.count(asked) == 1


async def test_why_nobody_knows_how_far_it_is_is_said_until_somebody_does(
    running: VmHandle, part: SnapshotsPart, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await being_kept(running, part, hypervisor)

    async def away(_: str) -> DisksCopy:
        raise as_error(TransientError, "LibvirtDown", said="Connection refused")

    async def said() -> str:
        status = await part.look(key)
        assert (status["phase"], ready(status)) == ("Taking", ("False", "Taking"))
        return condition_of(status)["message"]

    assert "Connection refused" not in await said()
    with monkeypatch.context() as broken:
        broken.setattr(hypervisor, "disks_copy", away)

        async def is_told() -> bool:
            return "is not told how far" in (why := await said()) and "Connection refused" in why

        await eventually_async("it to say why", is_told)

    async def is_over() -> bool:
        return "Connection refused" not in await said()

    await eventually_async("it to go on", is_over)
