"""Disks and NICs that come to a running guest and leave it."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from quantix_api.errors import PermanentError, TransientError
from quantix_api.resources import NETWORKS, VIRTUAL_MACHINES, VOLUMES
from quantix_hostd.claims import Claim, Holder, VolumePlace, put_down, take
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.plugged_disks import PORT, claim_on, opened, set_disks
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle


async def test_a_disk_comes_under_its_claim_and_is_told(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    set_disks(running, "root", "data")
    await running.reconcile()
    assert hypervisor.calls == ["attach ua-data"]
    assert claim_on(running, data).holder == Holder(HOST, 1)
    assert opened(running) == ["root", "data"]
    assert running.condition("RestartRequired") == {}
    assert running.condition("Ready")["reason"] == "Running"
    assert "HotPlugged" in running.world.events.reasons
    hypervisor.calls.clear()
    await running.reconcile()
    assert hypervisor.calls == []


async def test_a_disk_leaves_and_can_come_again_under_the_same_epoch(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    for _ in range(2):
        set_disks(running, "root", "data")
        await running.reconcile()
        assert claim_on(running, data).holder == Holder(HOST, 1)
        set_disks(running, "root")
        await running.reconcile()
        assert claim_on(running, data) == Claim(0, None, running.uid, CLUSTER, written=1)
        assert opened(running) == ["root"]
    assert running.world.records.load(running.uid).places == (running.root_place,)
    assert running.world.events.reasons.count("HotUnplugged") == 2


async def test_a_guest_that_does_not_let_go_is_asked_again_ever_more_rarely(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    set_disks(running, "root", "data")
    await running.reconcile()
    hypervisor.guest_lets_go = False
    hypervisor.calls.clear()
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    set_disks(running, "root")
    again = await running.reconcile()
    assert hypervisor.calls == ["detach ua-data"]
    assert again is not None
    assert again <= 5.0
    await running.look_after(3)
    assert hypervisor.calls == ["detach ua-data"]
    ready = running.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "WaitingForGuest")
    assert "disk data" in ready["message"]
    assert running.condition("RestartRequired") == {}
    assert running.status["phase"] == "Running"
    assert claim_on(running, data).holder == Holder(HOST, 1), "QEMU has it open"
    for seconds, asked in ((3, 2), (6, 2), (6, 3), (21, 4), (41, 5), (61, 6), (61, 7)):
        await running.look_after(seconds)
        assert hypervisor.calls.count("detach ua-data") == asked
    hypervisor.let_go(running.domain, "ua-data")
    await running.reconcile()
    assert running.condition("Ready")["reason"] == "Running"
    assert claim_on(running, data).holder is None


async def test_a_disk_that_is_wanted_again_while_the_guest_keeps_it_just_stays(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    set_disks(running, "root", "data")
    await running.reconcile()
    hypervisor.guest_lets_go = False
    set_disks(running, "root")
    await running.reconcile()
    set_disks(running, "root", "data")
    hypervisor.calls.clear()
    await running.reconcile()
    assert (hypervisor.calls, running.condition("Ready")["reason"]) == ([], "Running")
    assert running.world.records.load(running.uid).unplugs == ()
    # the guest heard the first request after all
    hypervisor.let_go(running.domain, "ua-data")
    await running.reconcile()
    assert hypervisor.calls == ["attach ua-data"]
    assert claim_on(running, data).holder == Holder(HOST, 1)


async def test_another_volume_under_the_same_name_takes_the_place_of_the_first(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    set_disks(running, "root", "data")
    await running.reconcile()
    other = running.world.add_volume("other")
    vm = running.world.api.objects[running.uid]
    disks, resolved = vm["spec"]["disks"], vm["status"]["resolved"]["disks"]
    running.change("spec", "disks", value=[disks[0], {"name": "data", "volume": "other"}])
    named = {"name": "data", "volume": "other", "volumeUID": other["metadata"]["uid"]}
    running.change("status", "resolved", "disks", value=[resolved[0], named])
    hypervisor.calls.clear()
    await running.reconcile()
    assert hypervisor.calls == ["detach ua-data", "attach ua-data"]
    assert claim_on(running, data).holder is None
    assert claim_on(running, VolumePlace(running.world.pool, other["metadata"]["uid"])).holder == Holder(
        HOST, 1
    )


async def test_a_start_waits_for_the_volume_that_spec_names_now_and_not_with_the_one_before(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    set_disks(running, "root", "data")
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    await running.reconcile()
    hypervisor.calls.clear()
    disks = running.world.api.objects[running.uid]["spec"]["disks"]
    running.change("spec", "disks", value=[disks[0], {"name": "data", "volume": "absent"}])
    missing = {"type": "VolumesReady", "status": "False", "reason": "VolumeNotFound", "message": "No absent."}
    running.change("status", "conditions", value=[*running.status["conditions"], missing])
    await running.reconcile()
    ready = running.condition("Ready")
    assert (hypervisor.calls, ready["reason"], ready["message"]) == ([], "VolumeNotFound", "No absent.")
    assert claim_on(running, data).holder == Holder(HOST, 1), "the guest keeps what it has"
    running.ask_restart("Force")
    for _ in range(3):
        await running.look_after(1)
    assert hypervisor.calls == ["destroy"]
    running.change("spec", "disks", value=disks)
    await running.look_after(5)
    assert hypervisor.calls[-1] == "resume"


async def test_a_volume_that_another_vm_holds_is_waited_for(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    free = claim_on(running, data)
    running.world.claims.compare_and_set(data, free, take(free, "h2", 7, "another", CLUSTER))
    set_disks(running, "root", "data")
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    with pytest.raises(TransientError, match="Host h2 has not let go"):
        await running.reconcile()
    running.world.pull()
    assert "attach ua-data" not in hypervisor.calls
    assert running.condition("Ready")["reason"] == "VolumeInUse"
    assert running.status["phase"] == "Running"


async def test_a_machine_without_a_free_slot_waits_for_a_start(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    set_disks(running, "root", "data")
    ports = [{"name": "root", "port": 1}, {"name": "data", "port": 100}]
    running.change("status", "resolved", "devices", value=ports)
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.condition("RestartRequired")["status"] == "True"
    (change,) = running.status["runtime"]["pendingChanges"]
    assert change["why"] == "web-1 was started with no slot left for it"


async def test_what_qemu_refuses_is_said_and_the_guest_runs_on(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    hypervisor.refusal = PermanentError("ConfigRefused", "No more available PCI slots")
    set_disks(running, "root", "data")
    for _ in range(2):
        await running.reconcile()
    assert running.status["phase"] == "Running"
    assert running.condition("Ready")["reason"] == "ConfigRefused"
    assert running.world.events.reasons.count("PlugFailed") == 1
    hypervisor.refusal = None
    set_disks(running, "root")
    await running.reconcile()
    assert claim_on(running, data).holder is None
    assert running.condition("Ready")["reason"] == "Running"


async def test_a_new_disk_whose_volume_is_being_made_is_not_called_done(
    running: VmHandle, data: VolumePlace
) -> None:
    volume = running.world.stores[VOLUMES]["default/data"]
    volume["status"] = {}
    set_disks(running, "root", "data")
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    again = await running.reconcile()
    ready = running.condition("Ready")
    assert (ready["status"], ready["reason"], running.status["phase"]) == ("False", "Creating", "Running")
    assert again is not None
    assert again < 60


async def test_a_nic_comes_with_its_flows_and_leaves(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.world.put(NETWORKS, "default", "quantix-shared", spec={}, status={"mtu": 1442})
    set_disks(running, "root")
    running.change("spec", "nics", value=[{"name": "eth0", "network": "shared/default"}])
    running.change("status", "nics", value=[{"name": "eth0", "port": PORT, "mac": "02:00:00:00:00:01"}])
    await running.reconcile()
    assert hypervisor.calls == ["attach ua-eth0"]
    assert running.world.ports.owners == {PORT: running.uid}
    assert running.condition("RestartRequired") == {}
    running.change("spec", "nics", value=[])
    running.change("status", "nics", value=[])
    await running.reconcile()
    assert hypervisor.calls[1:] == ["detach ua-eth0"]
    assert running.condition("Ready")["reason"] == "Running"


async def test_hostd_that_dies_in_the_middle_ends_what_it_began(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    """Its claim was taken, and then the disk left spec again."""
    set_disks(running, "root", "data")
    hypervisor.refusal = PermanentError("ConfigRefused", "away")
    await running.reconcile()
    assert claim_on(running, data).holder == Holder(HOST, 1)
    running.world.reconciler = running.world.new_reconciler()
    set_disks(running, "root")
    await running.reconcile()
    assert claim_on(running, data).holder is None


async def test_after_a_crash_the_disks_of_spec_come_back_and_the_others_are_free(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    set_disks(running, "root", "data")
    await running.reconcile()
    hypervisor.guest_lets_go = False
    set_disks(running, "root")
    await running.reconcile()
    hypervisor.kill(running.domain)
    for _ in range(3):
        await running.look_after(6)
    assert opened(running) == ["root"]
    assert claim_on(running, data).holder is None
    manifest: dict[str, Any] = running.world.stores[VIRTUAL_MACHINES][running.key]
    assert manifest["status"]["phase"] == "Running"


@pytest.mark.parametrize("left", [("root",), ()], ids=["a data disk", "its only disks"])
async def test_a_vm_ends_though_the_data_of_a_disk_that_was_unplugged_is_gone(
    vm: VmHandle, data: VolumePlace, left: tuple[str, ...]
) -> None:
    """Its definition goes on naming the disk that it began with."""
    set_disks(vm, "root", "data")
    await vm.reconcile()
    gone = (data,) if left else (data, vm.root_place)
    set_disks(vm, *left)
    await vm.reconcile()
    for place in gone:
        shutil.rmtree(place.data.parent)
    vm.change("spec", "powerState", value="Stopped")
    vm.change("spec", "gracePeriodSeconds", value=0)
    for _ in range(4):
        await vm.look_after(6)
    assert (vm.status["phase"], vm.condition("Ready")["reason"]) == ("Stopped", "Stopped")
    assert vm.world.records.load(vm.uid).released


async def test_a_claim_that_is_put_down_late_beside_a_plug_is_taken_again(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach = hypervisor.attach_device

    async def attach_beside_what_comes_late(*device: Any) -> None:
        await attach(*device)
        held = claim_on(running, data)
        running.world.claims.compare_and_set(data, held, put_down(held, HOST, 1))

    monkeypatch.setattr(hypervisor, "attach_device", attach_beside_what_comes_late)
    set_disks(running, "root", "data")
    await running.reconcile()
    assert claim_on(running, data).holder == Holder(HOST, 1)
