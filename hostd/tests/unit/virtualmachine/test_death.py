"""Why a QEMU is gone, and what follows."""

from __future__ import annotations

import pytest

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import HOST, VmHandle, with_facts


async def test_a_killed_qemu_starts_again_at_once_under_the_same_epoch(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.kill(running.domain)
    await running.reconcile()
    assert hypervisor.calls == ["define", "create", "resume"]
    assert running.root_claim.held_by(HOST, 1)
    assert running.status["runtime"]["restarts"] == 1
    assert running.status["runtime"]["lastExit"]["reason"] == "Crashed"


async def test_starts_and_ends_are_told_as_events_and_only_once(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    told = running.world.events.reasons
    assert told == ["Started"]
    hypervisor.kill(running.domain)
    await running.look_after(5)
    assert told[1:] == ["QEMUCrashed", "Restarted"]
    await running.reconcile()
    hypervisor.power_off(running.domain)
    await running.look_after(5)
    await running.reconcile()
    assert told[3:] == ["Stopped"]


async def test_a_start_that_libvirt_refuses_is_told_as_that_and_not_as_a_crash(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.refusal = TransientError("InternalError", "qemu-system-x86_64: no room for the socket.")
    told = vm.world.events
    for _ in range(3):
        with pytest.raises(TransientError):
            await vm.reconcile()
    assert told.reasons == ["StartRefused"], "once, and no end of a guest that never was"
    assert "h1 could not start it; it is tried again. Said: qemu-system-x86_64: no room" in told.texts[0]
    assert "lastExit" not in vm.status["runtime"]
    assert "startedAt" not in vm.status["runtime"]
    hypervisor.refusal = None
    await vm.reconcile()
    assert told.reasons[1:] == ["Started"]
    assert vm.status["runtime"]["restarts"] == 0


async def test_a_start_that_a_limit_of_the_kernel_keeps_off_says_so_and_is_no_defect(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.refusal = as_error(TransientError, "KernelLimit", most=65536, wanted=4096000)
    with pytest.raises(TransientError):
        await vm.reconcile()
    assert vm.condition("Ready")["reason"] == "KernelLimit"


async def test_a_refused_start_after_a_crash_leaves_what_is_known_of_the_crash(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.kill(running.domain)
    hypervisor.refusal = TransientError("InternalError", "no room")
    for _ in range(2):
        with pytest.raises(TransientError):
            await running.reconcile()
    runtime = running.status["runtime"]
    assert (runtime["lastExit"]["reason"], runtime["restarts"]) == ("Crashed", 0)
    assert running.world.events.reasons == ["Started", "QEMUCrashed", "StartRefused"]
    hypervisor.refusal = None
    await running.reconcile()
    assert running.status["runtime"]["restarts"] == 1


async def test_later_failures_wait_and_say_when_it_goes_on(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.kill(running.domain)
    await running.reconcile()
    hypervisor.kill(running.domain)
    again = await running.reconcile()
    assert again is not None
    assert 4.0 < again <= 5.0
    assert running.status["phase"] == "Failed"
    assert running.condition("Ready")["reason"] == "QEMUCrashed"
    assert "2 times in a row" in running.condition("Ready")["message"]
    await running.look_after(6)
    assert running.status["phase"] == "Running"


async def test_ten_minutes_of_running_forgive_earlier_failures(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    for _ in range(3):
        hypervisor.kill(running.domain)
        await running.look_after(601)
    assert running.status["phase"] == "Running"
    assert running.world.records.load(running.uid).failures == 1


async def test_a_guest_that_powers_itself_off_is_released_and_held(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.power_off(running.domain)
    await running.reconcile()
    assert hypervisor.found == {}
    assert running.root_claim.floor == 1
    assert running.root_claim.holder is None
    assert running.status["runtime"]["domain"] == "Absent"
    assert running.status["runtime"]["lastExit"]["reason"] == "GuestShutdown"
    assert running.condition("Ready")["reason"] == "GuestShutdown"
    assert running.condition("Stalled")["status"] == "True"


async def test_with_restart_always_a_power_off_is_a_restart(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "ha", value={"restart": "Always"})
    hypervisor.power_off(running.domain)
    await running.reconcile()
    assert running.status["phase"] == "Running"


async def test_with_restart_never_a_crash_is_the_end(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.change("spec", "ha", value={"restart": "Never"})
    hypervisor.kill(running.domain)
    await running.reconcile()
    assert hypervisor.found == {}
    assert running.status["phase"] == "Failed"
    assert running.condition("Ready")["reason"] == "QEMUCrashed"


async def test_sigterm_to_qemu_is_a_failure_and_no_wish_of_the_guest(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.terminate(running.domain)
    await running.reconcile()
    assert running.status["phase"] == "Running"
    assert running.status["runtime"]["lastExit"]["reason"] == "Killed"


async def test_a_panicked_guest_is_ended_started_again_and_told_as_one(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.panic(running.domain)
    await running.look_after(5)
    assert hypervisor.calls == ["destroy", "define", "create", "resume"]
    assert running.status["runtime"]["restarts"] == 1
    assert running.world.events.reasons == ["Started", "GuestPanicked", "Restarted"]
    assert "web-1 shows its last words" in running.world.events.texts[1]


async def test_a_qemu_that_the_kernel_had_no_memory_for_is_told_as_that_and_starts_again(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.kill_for_memory(running.domain)
    await running.reconcile()
    assert running.status["phase"] == "Running"
    assert running.status["runtime"]["lastExit"]["reason"] == "Killed"
    assert running.world.events.texts[1].startswith("The kernel of h1 ended QEMU, since no memory was left")
    hypervisor.kill_for_memory(running.domain)
    await running.reconcile()
    said = running.condition("Ready")["message"]
    assert said.startswith(
        "QEMU ended 2 times in a row, the last time since h1 had no memory left; it starts"
    )
    await running.look_after(6)
    hypervisor.kill(running.domain)
    await running.reconcile()
    assert "memory" not in running.condition("Ready")["message"]


async def test_with_restart_never_the_kernels_want_of_memory_stays_the_reason(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "ha", value={"restart": "Never"})
    hypervisor.kill_for_memory(running.domain)
    await running.reconcile()
    said = "The kernel of h1 ended QEMU, since no memory was left, and ha.restart is Never."
    assert running.condition("Ready")["message"].startswith(said)
    assert running.world.events.texts[-1].startswith(said)


@pytest.mark.parametrize(("priority", "score"), [(0, 300), (50, 150), (100, 0), (1000, 0)])
async def test_qemus_of_low_priority_are_the_first_that_the_kernel_ends(
    vm: VmHandle, hypervisor: FakeHypervisor, priority: int, score: int
) -> None:
    vm.change("spec", "ha", value={"priority": priority})
    await vm.reconcile()
    (process,) = hypervisor.of_domain(vm.uid, vm.domain).own
    assert hypervisor.oom_scores == {process.pid: score}


async def test_a_full_pool_pauses_and_resumes_when_there_is_room(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.pause_by_io_error(running.domain, "enospc")
    await running.reconcile()
    assert hypervisor.calls == ["resume"]
    hypervisor.pause_by_io_error(running.domain, "enospc")
    hypervisor.calls.clear()
    await running.reconcile()
    assert running.condition("Ready")["reason"] == "PoolFull"
    assert hypervisor.calls == []
    await running.reconcile()
    assert running.world.events.reasons == ["Started", "StorageIOError"]


async def test_a_reboot_of_the_machine_starts_what_ran(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    domain = hypervisor.found[running.domain]
    domain.live_xml, domain.state, domain.reason = None, domain.state.SHUTOFF, 0
    with_facts(running.world, boot_id="another boot")
    await running.reconcile()
    assert running.status["phase"] == "Running"
    assert running.world.records.load(running.uid).failures == 0


async def test_a_disk_that_fails_is_named_with_its_pool(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.pause_by_io_error(running.domain, "eio")
    await running.reconcile()
    hypervisor.pause_by_io_error(running.domain, "eio")
    await running.reconcile()
    ready = running.condition("Ready")
    assert ready["reason"] == "StorageIOError"
    assert ready["message"].startswith("Disk root cannot be read or written")
    assert ready["message"].endswith("Said: eio. Try: bring pool local back; it resumes by itself.")


async def test_a_panic_that_is_not_followed_by_a_start_is_called_one(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "ha", value={"restart": "Never"})
    hypervisor.panic(running.domain)
    await running.reconcile()
    ready = running.condition("Ready")
    assert ready["reason"] == "GuestPanicked"
    assert "kernel stopped with a panic" in ready["message"]
