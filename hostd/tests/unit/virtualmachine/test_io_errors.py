"""A guest whose disk cannot be written: paused by QEMU, resumed by hostd, and never told too early."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quantix_api import VirtualMachine
from quantix_hostd.claims import VolumePlace
from quantix_hostd.facts.domain import DomainState, EventKind
from quantix_hostd.virtualmachine.actions import Action, Resume
from quantix_hostd.virtualmachine.io_error_plan import plan_io_error
from quantix_hostd.virtualmachine.observed import DiskClaim, Observed
from quantix_hostd.virtualmachine.record import Record, SeenEvent
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle

PLACE = VolumePlace(Path("/srv/local"), "v1")
OTHER = VolumePlace(Path("/srv/other"), "v2")


def resumes(actions: tuple[Action, ...]) -> bool:
    return any(isinstance(action, Resume) for action in actions)


def seen(running: VmHandle, record: Record, *, events: tuple[SeenEvent, ...] = ()) -> Observed:
    """A VM with disks in two places, of which the first is full, 1,000 s after the boot."""
    vm = VirtualMachine.model_validate(running.world.api.objects[running.uid])
    claims = (DiskClaim(PLACE, None), DiskClaim(OTHER, None))
    facts = running.world.facts
    return Observed(
        running.uid,
        vm,
        facts,
        1000.0,
        1767225600.0,
        record,
        claims=claims,
        events=events,
        unwritable=(PLACE,),
    )


async def test_a_resumed_guest_is_called_running_only_when_it_has_stayed_so_for_2_s(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.disk_says = "enospc"
    hypervisor.pause_by_io_error(running.domain, "enospc")
    await running.reconcile()
    assert (running.status["phase"], running.condition("Ready")["reason"]) == ("Paused", "PoolFull")
    hypervisor.disk_says = ""
    assert await running.look_after(10) == pytest.approx(2.0, abs=0.5)
    assert hypervisor.found[running.domain].state is DomainState.RUNNING
    assert (running.status["phase"], running.condition("Ready")["reason"]) == ("Paused", "PoolFull")
    await running.look_after(2.1)
    assert (running.status["phase"], running.condition("Ready")["reason"]) == ("Running", "Running")
    assert running.world.events.reasons == ["Started", "StorageIOError", "Resumed"]


async def test_tries_that_do_not_help_come_every_10_s_and_are_neither_written_nor_told(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.disk_says = "eio"
    hypervisor.pause_by_io_error(running.domain, "eio")
    await running.reconcile()
    written = len(running.world.api.writes)
    for _ in range(20):
        await running.look_after(3.4)
    assert hypervisor.calls.count("resume") == 1 + 6
    assert len(running.world.api.writes) == written
    assert running.world.events.reasons == ["Started", "StorageIOError"]


async def test_a_guest_that_is_to_be_paused_is_not_resumed_for_its_disks_sake(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "powerState", value="Paused")
    hypervisor.pause_by_io_error(running.domain, "enospc")
    await running.reconcile()
    await running.look_after(30)
    assert hypervisor.calls == []
    assert (running.condition("Ready")["status"], running.condition("Ready")["reason"]) == ("True", "Paused")
    running.change("spec", "powerState", value="Running")
    await running.look_after(1)
    await running.look_after(2.1)
    assert hypervisor.calls == ["resume"]
    assert running.status["phase"] == "Running"


@pytest.mark.parametrize("what", ["stop", "delete"])
async def test_a_guest_whose_disk_is_full_ends_at_once_when_it_shall_end(
    running: VmHandle, hypervisor: FakeHypervisor, what: str
) -> None:
    hypervisor.disk_says = "enospc"
    hypervisor.pause_by_io_error(running.domain, "enospc")
    await running.reconcile()
    hypervisor.calls.clear()
    if what == "stop":
        running.change("spec", "powerState", value="Stopped")
    else:
        running.delete()
    await running.look_after(1)
    assert "resume" not in hypervisor.calls
    assert running.status["runtime"]["domain"] == "Absent"
    assert running.root_claim.holder is None


async def test_a_full_pool_is_told_by_its_room_where_hostd_was_away_when_it_happened(
    running: VmHandle,
) -> None:
    plan = plan_io_error(seen(running, Record()), Record())
    assert plan.wait is not None
    assert plan.wait.reason == "PoolFull"
    assert not resumes(plan.actions)


async def test_while_a_disk_that_failed_has_no_room_nobody_resumes(running: VmHandle) -> None:
    events = (SeenEvent(EventKind.IO_ERROR, "ua-root enospc"),)
    full = seen(running, Record(resumed_s=10.0), events=events)
    assert not resumes(plan_io_error(full, full.record).actions)
    room = replace(full, unwritable=())
    assert resumes(plan_io_error(room, room.record).actions)
    tried = replace(room, record=Record(resumed_s=995.0))
    waits = plan_io_error(tried, tried.record)
    assert (resumes(waits.actions), waits.requeue_after_s) == (False, 5.0)
