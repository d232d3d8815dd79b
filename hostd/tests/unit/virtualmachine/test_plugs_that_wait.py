"""Devices that come or leave while others wait for what they need."""

from __future__ import annotations

from quantix_api.resources import NETWORKS, VOLUMES
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.plugged_disks import PORT, claim_on, opened, set_disks
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle

NO_NETWORK = "There is no network nope here."


def want_nope(vm: VmHandle) -> None:
    """Spec names a NIC in a network that is not there, and the operator says so."""
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0.0)
    vm.change("spec", "nics", value=[{"name": "eth0", "network": "nope"}])
    said = {"type": "NetworkReady", "status": "False", "reason": "NetworkNotFound", "message": NO_NETWORK}
    vm.change("status", "conditions", value=[said])


async def test_a_disk_comes_and_leaves_while_a_nic_waits_for_its_network(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    want_nope(running)
    set_disks(running, "root", "data")
    await running.reconcile()
    assert hypervisor.calls == ["attach ua-data"]
    ready = running.condition("Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "NetworkNotFound", NO_NETWORK)
    assert running.condition("RestartRequired") == {}
    want_nope(running)
    set_disks(running, "root")
    await running.reconcile()
    assert hypervisor.calls[1:] == ["detach ua-data"]
    assert claim_on(running, data).holder is None


async def test_a_nic_comes_while_the_volume_of_a_disk_is_being_made(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    volumes = running.world.stores[VOLUMES]
    there = volumes["default/data"]
    volumes["default/data"] = {**there, "status": {}}
    running.world.put(NETWORKS, "default", "quantix-shared", spec={}, status={"mtu": 1442})
    set_disks(running, "root", "data")
    running.change("spec", "nics", value=[{"name": "eth0", "network": "shared/default"}])
    running.change("status", "nics", value=[{"name": "eth0", "port": PORT, "mac": "02:00:00:00:00:01"}])
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    await running.reconcile()
    assert hypervisor.calls == ["attach ua-eth0"]
    assert running.condition("Ready")["reason"] == "Creating"
    assert running.condition("RestartRequired") == {}
    volumes["default/data"] = there
    await running.reconcile()
    assert hypervisor.calls[1:] == ["attach ua-data"]
    assert running.condition("Ready")["reason"] == "Running"


async def test_a_device_of_the_guest_stays_when_what_it_needs_is_not_resolved_any_more(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    stores = running.world.stores
    running.world.put(NETWORKS, "lan", "default", spec={}, status={"mtu": 1442})
    set_disks(running, "root", "data")
    running.change("spec", "nics", value=[{"name": "eth0", "network": "lan"}])
    running.change("status", "nics", value=[{"name": "eth0", "port": PORT, "mac": "02:00:00:00:00:01"}])
    await running.reconcile()
    hypervisor.calls.clear()
    taken = running.world.records.load(running.uid)
    for kind, key in ((NETWORKS, "default/lan"), (VOLUMES, "default/data")):
        stores[kind][key] = {**stores[kind][key], "status": {}}
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.condition("Ready")["status"] == "False"
    assert running.condition("RestartRequired") == {}
    assert claim_on(running, data).holder == Holder(HOST, 1)
    # nor when the operator takes back what it had resolved
    for path in (("resolved", "disks"), ("resolved", "devices"), ("nics",)):
        running.change("status", *path, value=[])
    await running.reconcile()
    assert (hypervisor.calls, running.condition("RestartRequired")) == ([], {})
    assert running.world.records.load(running.uid) == taken
    assert opened(running) == ["root", "data"]


async def test_a_guest_that_is_to_start_waits_for_all_its_devices(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    want_nope(vm)
    await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.condition("Ready")["reason"] == "NetworkNotFound"


async def test_a_volume_that_was_released_under_a_later_epoch_waits_for_a_start(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor
) -> None:
    free = claim_on(running, data)
    running.world.claims.compare_and_set(data, free, Claim(9, None, "another", CLUSTER))
    set_disks(running, "root", "data")
    await running.reconcile()
    assert hypervisor.calls == []
    why = "its volume was used under turn 9 already, web-1 has turn 1, and a restart gives web-1 a later one"
    change = {"path": "spec.disks[data]", "wanted": "attached", "why": why}
    assert running.status["runtime"]["pendingChanges"] == [change]
    assert running.condition("RestartRequired")["message"] == (
        f"disks[data] none → attached takes effect at the next start: {why}. "
        "Try: qx vm restart web-1, or set it back."
    )
    assert running.condition("Ready")["status"] == "True"
    running.change("spec", "memory", value={"size": "256Mi"})
    running.change("status", "resolved", "memory", value="256Mi")
    await running.reconcile()
    both = running.condition("RestartRequired")["message"]
    assert both.startswith("disks[data] none → attached and 1 more takes effect at the next start. Try: ")
    # a restart asks the scheduler for a later epoch, and takes it then
    running.ask_restart()
    await running.reconcile()
    runtime = running.status["runtime"]
    assert (runtime["domain"], runtime["claimEpoch"]) == ("Absent", 9)
    running.change("status", "assignment", value={"host": HOST, "epoch": 10})
    await running.reconcile()
    assert claim_on(running, data).holder == Holder(HOST, 10)
    assert running.status["runtime"].get("pendingChanges", []) == []
