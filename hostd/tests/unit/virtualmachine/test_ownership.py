"""Only positive evidence ends a guest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import HOSTS, VIRTUAL_MACHINES
from quantix_client.reflector import Change
from quantix_hostd.virtualmachine.directories import LOG_KEPT_S
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import HOST, VmHandle


async def test_a_deleted_vm_is_shut_down_and_reported_absent(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.delete()
    await running.reconcile()
    assert hypervisor.found == {}
    assert running.status["runtime"]["domain"] == "Absent"
    assert running.status["runtime"]["observedEpoch"] == 1


async def test_a_vm_deleted_before_its_first_start_is_absent_at_once(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    vm.delete()
    await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.status["runtime"]["domain"] == "Absent"


async def test_a_vm_missing_in_the_api_runs_on(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.world.stores[VIRTUAL_MACHINES].clear()
    await running.world.reconciler.reconcile(running.uid)
    assert hypervisor.calls == []
    assert len(await running.world.reconciler.guests_left()) == 1


async def test_an_api_that_is_away_stops_nothing(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.world.api.failure = TransientError("APIUnreachable", "The API refused the connection.")
    running.change("metadata", "labels", value={"a": "b"})
    await running.reconcile()
    assert hypervisor.calls == []


async def test_the_end_of_the_host_shuts_guests_down_as_host_shutdown(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.world.reconciler.shut_down_guests()
    assert running.uid in running.world.woken
    await running.reconcile()
    assert running.status["runtime"]["lastExit"]["reason"] == "HostShutdown"
    ready = running.condition("Ready")
    assert (running.status["phase"], ready["reason"]) == ("Stopped", "ShuttingDown")
    assert ready["message"].startswith(f"It is off because Quantix is being stopped on {HOST}. Try: qx up")
    assert await running.world.reconciler.guests_left() == ()


@pytest.mark.parametrize(
    ("policy", "phase"), [("Stop", "Stopped"), ("Migrate", "Running"), ("Block", "Running")]
)
async def test_maintenance_shuts_down_whom_its_policy_tells(
    running: VmHandle, hypervisor: FakeHypervisor, policy: str, phase: str
) -> None:
    running.change("spec", "migration", value={"onMaintenance": policy})
    before = {"metadata": {"name": HOST}, "spec": {}}
    emptied = running.world.put(HOSTS, HOST, spec={"maintenance": True})
    change = Change("MODIFIED", HOST, emptied, before)
    assert tuple(running.world.reconciler.keys_of(HOSTS, change)) == (running.uid,)
    assert tuple(running.world.reconciler.keys_of(HOSTS, replace(change, previous=emptied))) == ()
    await running.reconcile()
    assert running.status["phase"] == phase
    if policy == "Stop":
        assert running.status["runtime"]["lastExit"]["reason"] == "HostShutdown"
        assert running.condition("Ready")["message"].startswith(f"It was shut down because {HOST} is in")


async def test_a_released_vm_that_left_is_forgotten_with_all_its_files(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.delete()
    await running.reconcile()
    running.world.stores[VIRTUAL_MACHINES].clear()
    await running.world.reconciler.reconcile(running.uid)
    layout = running.world.layout
    assert not layout.vm_data(running.uid).exists()
    assert not layout.vm_run(running.uid).exists()


async def test_a_vm_that_left_while_it_runs_is_remembered(running: VmHandle) -> None:
    running.world.stores[VIRTUAL_MACHINES].clear()
    await running.world.reconciler.reconcile(running.uid)
    assert running.world.records.load(running.uid).started


async def test_logs_of_guests_that_are_long_off_go(running: VmHandle) -> None:
    world = running.world
    old = world.layout.vm_log("old-vm")
    old.mkdir(parents=True)
    (old / "console.log").write_text("bye")
    world.jumped_s = 10 * LOG_KEPT_S
    world.skipped_s = LOG_KEPT_S - 60
    await world.sweeps.logs()
    assert old.exists(), "by no clock that somebody may set"
    world.reconciler = world.new_reconciler()
    world.skipped_s += 3500
    await world.sweeps.logs()
    assert old.exists(), "not looked at in every round"
    world.skipped_s += 200
    await world.sweeps.logs()
    assert not old.exists()
    assert world.layout.vm_log(running.uid).exists()
