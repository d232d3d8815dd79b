"""Somebody sets the machine's clock: nothing starts twice, nothing waits for ever, nothing ends early."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quantix_hostd.facts.guest import GuestReport
from quantix_hostd.virtualmachine.agent_state import SILENT_AFTER_S
from quantix_hostd.virtualmachine.boot_time import of_this_boot
from quantix_hostd.virtualmachine.record import Cable, Record, StopReason, StopRequest, Unplug
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle

HOUR_S, TEN_YEARS_S = 3600.0, 10 * 365 * 86400.0
JUMPS = pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S, TEN_YEARS_S, -TEN_YEARS_S])


@JUMPS
async def test_a_start_after_a_crash_waits_as_long_as_it_would_have(
    running: VmHandle, hypervisor: FakeHypervisor, jump_s: float
) -> None:
    for _ in range(2):
        hypervisor.kill(running.domain)
        await running.reconcile()
    message = running.condition("Ready")["message"]
    running.world.jumped_s = jump_s
    again_s = await running.look_after(1)
    assert again_s == pytest.approx(4.0, abs=0.5)
    assert running.condition("Ready")["message"] == message
    await running.look_after(5)
    assert running.status["phase"] == "Running"
    assert hypervisor.calls.count("create") == 2


@JUMPS
async def test_failures_are_forgiven_after_ten_minutes_of_running_and_not_by_a_jump(
    running: VmHandle, hypervisor: FakeHypervisor, jump_s: float
) -> None:
    hypervisor.kill(running.domain)
    await running.reconcile()
    running.world.jumped_s = jump_s
    hypervisor.kill(running.domain)
    await running.reconcile()
    assert running.world.records.load(running.uid).failures == 2
    await running.look_after(6)
    running.world.jumped_s = 0
    hypervisor.kill(running.domain)
    await running.look_after(601)
    assert running.world.records.load(running.uid).failures == 1


@JUMPS
async def test_a_guest_that_is_asked_to_shut_down_has_its_whole_grace_period(
    running: VmHandle, hypervisor: FakeHypervisor, jump_s: float
) -> None:
    hypervisor.guest_obeys = False
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    running.world.jumped_s = jump_s
    await running.look_after(11)
    assert hypervisor.calls == ["shutdown", "shutdown"]
    await running.look_after(50)
    assert "destroy" in hypervisor.calls


@JUMPS
async def test_a_guest_on_a_full_pool_is_tried_again_after_10_s(
    running: VmHandle, hypervisor: FakeHypervisor, jump_s: float
) -> None:
    hypervisor.disk_says = "enospc"
    hypervisor.pause_by_io_error(running.domain, "enospc")
    await running.reconcile()
    running.world.jumped_s = jump_s
    await running.look_after(5)
    assert hypervisor.calls == ["resume"]
    await running.look_after(5.1)
    assert hypervisor.calls == ["resume", "resume"]


@JUMPS
async def test_an_agent_is_not_called_silent_because_of_a_jump(
    running: VmHandle, hypervisor: FakeHypervisor, jump_s: float
) -> None:
    hypervisor.open_agent_channel(running.domain)
    hypervisor.agent_says = GuestReport(hostname="web-1")
    await running.reconcile()
    guests, guest = running.world.guests, running.world.guests._guests[running.uid]
    await guests.ask(running.uid, guest)
    hypervisor.open_agent_channel(running.domain, open=False)
    guest.open = False
    running.world.jumped_s = jump_s
    await guests.ask(running.uid, guest)
    assert not guests.state(running.uid).silent
    running.world.skipped_s += SILENT_AFTER_S
    await guests.ask(running.uid, guest)
    assert guests.state(running.uid).silent


async def test_a_restart_asked_for_later_comes_once_however_the_clock_jumps(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.ask_restart("Force", in_s=HOUR_S)
    await running.reconcile()
    assert hypervisor.calls == []
    running.world.jumped_s = TEN_YEARS_S
    await running.reconcile()
    assert hypervisor.calls.count("create") == 1
    for jump_s in (0.0, HOUR_S, -TEN_YEARS_S, TEN_YEARS_S):
        running.world.jumped_s = jump_s
        await running.look_after(1)
    assert hypervisor.calls.count("create") == 1


async def test_a_jump_alone_is_no_write(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    for jump_s in (HOUR_S, -HOUR_S, TEN_YEARS_S, -TEN_YEARS_S):
        running.world.jumped_s = jump_s
        await running.reconcile()
    assert running.world.api.writes == []
    assert hypervisor.calls == []


def test_times_of_another_boot_are_over() -> None:
    record = Record(
        boot_id="before",
        started_s=900.0,
        next_start_s=1200.0,
        resumed_s=950.0,
        failures=5,
        unplugs=(Unplug("data", 900.0, 2),),
        cables=(Cable("eth0", "lan", 1002.0),),
        stop=StopRequest(StopReason.REQUESTED, 900.0, 950.0),
    )
    seen = of_this_boot(record, "now", 1000.0)
    assert (seen.started_s, seen.next_start_s, seen.resumed_s) == (0.0, 0.0, 0.0)
    assert seen.unplugs == (Unplug("data", 0.0, 2),)
    assert seen.cables == (Cable("eth0", "lan"),)
    assert seen.stop == StopRequest(StopReason.REQUESTED, 0.0)
    assert (seen.failures, seen.boot_id) == (5, "before")
    assert of_this_boot(replace(record, boot_id="now"), "now", 1000.0) == replace(record, boot_id="now")


def test_times_that_are_still_to_come_are_those_of_another_clock() -> None:
    record = Record(
        next_start_s=1.7e9,
        resumed_s=1.7e9,
        stop=StopRequest(StopReason.REQUESTED, 1.7e9, 1.7e9),
        unplugs=(Unplug("data", 1.7e9, 1),),
    )
    seen = of_this_boot(record, "now", 1000.0)
    assert (seen.next_start_s, seen.resumed_s) == (0.0, 0.0)
    assert seen.stop == StopRequest(StopReason.REQUESTED, 0.0)
    assert seen.unplugs == (Unplug("data", 0.0, 1),)
