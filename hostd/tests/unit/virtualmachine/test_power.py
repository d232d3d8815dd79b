"""Stop, pause, restart, reset."""

from __future__ import annotations

import pytest

from quantix_api.errors import TransientError
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import HOST, VmHandle


async def test_a_stop_asks_the_guest_and_releases_everything(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    assert hypervisor.calls == ["shutdown", "undefine"]
    assert running.root_claim.holder is None
    assert running.root_claim.floor == 1
    assert running.status["phase"] == "Stopped"
    assert running.condition("Ready")["status"] == "True"
    assert running.status["runtime"]["lastExit"]["reason"] == "Requested"
    assert not running.world.layout.vm_run(running.uid).exists()


async def test_what_was_released_never_starts_again_under_that_epoch(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    hypervisor.calls.clear()
    running.change("spec", "powerState", value="Running")
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.condition("Ready")["status"] == "False"
    running.change("status", "assignment", value={"host": HOST, "epoch": 3})
    await running.reconcile()
    assert running.status["phase"] == "Running"
    assert running.root_claim.held_by(HOST, 3)


async def test_a_deaf_guest_is_asked_again_then_ended_softly_then_hard(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.guest_obeys = False
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    await running.look_after(5)
    assert hypervisor.calls == ["shutdown"]
    await running.look_after(6)
    assert hypervisor.calls == ["shutdown", "shutdown"]
    await running.look_after(55)
    assert hypervisor.calls[2:] == ["destroy", "undefine"]
    assert running.status["phase"] == "Stopped"


async def test_grace_period_zero_pulls_the_plug(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.change("spec", "gracePeriodSeconds", value=0)
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    assert hypervisor.calls == ["destroy", "undefine"]


async def test_a_stop_taken_back_ends_in_a_running_guest(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.guest_obeys = False
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    running.change("spec", "powerState", value="Running")
    hypervisor.power_off(running.domain)
    await running.reconcile()
    assert running.status["phase"] == "Running"
    assert running.root_claim.held_by(HOST, 1)


async def test_pause_and_resume(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.change("spec", "powerState", value="Paused")
    await running.reconcile()
    assert running.status["phase"] == "Paused"
    assert running.condition("Ready")["status"] == "True"
    running.change("spec", "powerState", value="Running")
    await running.reconcile()
    assert hypervisor.calls == ["suspend", "resume"]
    await running.reconcile()
    assert running.world.events.reasons == ["Started", "Paused", "Resumed"]


async def test_a_paused_guest_is_woken_to_hear_that_it_should_stop(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "powerState", value="Paused")
    await running.reconcile()
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    assert hypervisor.calls == ["suspend", "resume", "shutdown", "undefine"]


async def test_a_restart_is_done_once_under_the_same_epoch(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    at = running.ask_restart()
    await running.reconcile()
    assert hypervisor.calls == ["shutdown", "define", "create", "resume"]
    assert running.status["runtime"]["handledRestartAt"] == at
    assert running.status["runtime"]["restarts"] == 0
    await running.reconcile()
    assert len(hypervisor.calls) == 4


async def test_a_restart_in_the_future_waits_for_its_time(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.ask_restart(in_s=30)
    again = await running.reconcile()
    assert again is not None
    assert 25 < again <= 31
    assert hypervisor.calls == []
    await running.look_after(31)
    assert hypervisor.calls == ["shutdown", "define", "create", "resume"]


async def test_a_guest_that_takes_its_time_to_end_for_a_restart_is_told(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.world.reconciler = running.world.new_reconciler(quiet_s=0)
    hypervisor.guest_obeys = False
    running.ask_restart()
    await running.reconcile()
    assert running.status["phase"] == "Stopping"
    assert running.condition("Ready")["reason"] == "Restarting"


async def test_a_qemu_that_hangs_in_the_kernel_is_told_and_keeps_its_volumes(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.guest_obeys, hypervisor.process_state = False, "D"
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    with pytest.raises(TransientError):
        await running.look_after(100)
    assert running.status["phase"] == "Stopping"
    assert running.condition("Ready")["reason"] == "StuckInIO"
    assert "pool local" in running.condition("Ready")["message"]
    assert running.root_claim.holder is not None
    hypervisor.process_state = "S"
    await running.look_after(1)
    assert running.status["phase"] == "Stopped"


async def test_a_forced_restart_asks_nobody(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.ask_restart("Force")
    await running.reconcile()
    assert hypervisor.calls == ["destroy", "define", "create", "resume"]


async def test_a_reset_keeps_qemu_and_is_done_once(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.ask_restart("Reset")
    await running.reconcile()
    await running.reconcile()
    assert hypervisor.calls == ["reset", "set_metadata"]
