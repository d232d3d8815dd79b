"""What follows when a guest no longer feeds its watchdog."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quantix_client.clock import SystemClock
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle, VmWorld


@pytest.fixture
async def watched(world: VmWorld, hypervisor: FakeHypervisor) -> VmHandle:
    disks = {"root": world.add_volume("watched-root")}
    vm = world.add_vm("watched", disks=disks, watchdog={"action": "Reset"})
    await vm.reconcile()
    assert '<watchdog model="i6300esb" action="none">' in hypervisor.found[vm.domain].xml
    hypervisor.calls.clear()
    world.events.reasons.clear()
    return vm


async def bites(vm: VmHandle, hypervisor: FakeHypervisor) -> float | None:
    hypervisor.bite(vm.domain)
    return await vm.reconcile()


async def test_a_guest_is_reset_at_once_and_told_once(watched: VmHandle, hypervisor: FakeHypervisor) -> None:
    await bites(watched, hypervisor)
    await watched.reconcile()
    assert hypervisor.calls == ["reset"]
    assert watched.world.events.reasons == ["WatchdogFired"]
    assert "whose action is Reset" in watched.world.events.texts[-1]
    assert watched.condition("Ready")["reason"] == "Running"


async def test_one_that_fires_again_and_again_is_reset_after_a_backoff_which_ten_minutes_forgive(
    watched: VmHandle, hypervisor: FakeHypervisor
) -> None:
    for times, wait_s in ((1, 0), (2, 5), (3, 10), (4, 20)):
        hypervisor.calls.clear()
        await bites(watched, hypervisor)
        if wait_s:
            await watched.look_after(3)
            ready = watched.condition("Ready")
            assert (ready["reason"], hypervisor.calls) == ("WatchdogFired", [])
            assert f"fired {times} times in a row" in ready["message"]
            await watched.look_after(wait_s)
        assert hypervisor.calls == ["reset"]
        assert watched.condition("Ready")["reason"] == "Running"
    await watched.look_after(601)
    hypervisor.calls.clear()
    await bites(watched, hypervisor)
    assert hypervisor.calls == ["reset"]


async def test_what_fired_before_the_host_was_rebooted_does_not_count(
    watched: VmHandle, hypervisor: FakeHypervisor
) -> None:
    for _ in range(2):
        await bites(watched, hypervisor)
        await watched.look_after(10)
    world = watched.world
    world.facts = replace(world.facts, boot_id="the next boot")
    hypervisor.kill(watched.domain)
    world.skipped_s = 60 - SystemClock().monotonic()
    await watched.reconcile()
    hypervisor.calls.clear()
    await bites(watched, hypervisor)
    assert hypervisor.calls == ["reset"]


async def test_a_restart_of_hostd_neither_forgets_the_reset_that_is_due_nor_does_it_twice(
    watched: VmHandle, hypervisor: FakeHypervisor
) -> None:
    for _ in range(2):
        await bites(watched, hypervisor)
    watched.world.reconciler = watched.world.new_reconciler()
    await watched.look_after(6)
    await watched.look_after(6)
    assert hypervisor.calls == ["reset", "reset"]


async def test_it_is_paused_until_a_user_lets_it_go_on(watched: VmHandle, hypervisor: FakeHypervisor) -> None:
    watched.change("spec", "watchdog", value={"action": "Pause"})
    await bites(watched, hypervisor)
    await watched.look_after(60)
    assert hypervisor.calls == ["suspend"]
    assert (watched.status["phase"], watched.condition("Ready")["reason"]) == ("Paused", "WatchdogFired")
    watched.change("spec", "powerState", value="Paused")
    await watched.reconcile()
    assert watched.condition("Ready")["reason"] == "Paused"
    watched.change("spec", "powerState", value="Running")
    await watched.reconcile()
    assert hypervisor.calls == ["suspend", "resume"]
    assert watched.condition("Ready")["reason"] == "Running"


@pytest.mark.parametrize(("mode", "done"), [("Reset", ["suspend", "reset", "resume"]), ("Force", None)])
async def test_a_restart_ends_the_pause_too(
    watched: VmHandle, hypervisor: FakeHypervisor, mode: str, done: list[str] | None
) -> None:
    watched.change("spec", "watchdog", value={"action": "Pause"})
    await bites(watched, hypervisor)
    watched.ask_restart(mode)
    await watched.look_after(1)
    assert watched.status["phase"] == "Running"
    assert [
        call for call in hypervisor.calls if call != "set_metadata"
    ] == done or "create" in hypervisor.calls


async def test_one_that_is_powered_off_stays_off(watched: VmHandle, hypervisor: FakeHypervisor) -> None:
    watched.change("spec", "watchdog", value={"action": "PowerOff"})
    await bites(watched, hypervisor)
    assert hypervisor.found == {}
    assert watched.status["runtime"]["lastExit"]["reason"] == "GuestShutdown"
    assert watched.status["runtime"]["domain"] == "Absent"
    assert watched.world.events.reasons[0] == "WatchdogFired"


async def test_one_that_is_powered_off_and_always_restarted_is_started_with_a_backoff(
    watched: VmHandle, hypervisor: FakeHypervisor
) -> None:
    watched.change("spec", "watchdog", value={"action": "PowerOff"})
    watched.change("spec", "ha", value={"restart": "Always"})
    await bites(watched, hypervisor)
    assert watched.status["phase"] == "Running"
    again = await bites(watched, hypervisor)
    assert again is not None
    assert 0 < again <= 5
    assert watched.condition("Ready")["reason"] == "WatchdogFired"
    await watched.look_after(6)
    assert watched.status["phase"] == "Running"


@pytest.mark.parametrize("watchdog", [{"action": "None"}, None])
async def test_nothing_is_done_where_nothing_is_asked_for(
    watched: VmHandle, hypervisor: FakeHypervisor, watchdog: dict[str, str] | None
) -> None:
    watched.change("spec", "watchdog", value=watchdog)
    await bites(watched, hypervisor)
    await watched.look_after(60)
    assert hypervisor.calls == []
    assert watched.world.events.reasons[0] == "WatchdogFired"
    assert watched.condition("Ready")["status"] == "True"
    pending = [change["path"] for change in watched.status["runtime"].get("pendingChanges", [])]
    assert pending == ([] if watchdog else ["spec.watchdog"])
