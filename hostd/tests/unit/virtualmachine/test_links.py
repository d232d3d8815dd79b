"""Links of a running guest: up and down as spec says, and down for a time after a move to another network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quantix_api.resources import NETWORKS
from quantix_hostd.virtualmachine.link_plan import DOWN_S
from quantix_hostd.virtualmachine.record import Cable
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle, VmWorld

PORT = "0b8f6c1e-9d2a-5e4b-8f3c-1a2b3c4d5e6f"
DOWN, UP = "link ua-eth0 down", "link ua-eth0 up"


@pytest.fixture
async def plugged(world: VmWorld, hypervisor: FakeHypervisor) -> VmHandle:
    """A VM that runs with a NIC in the first of two networks."""
    for name in ("lan", "dmz"):
        world.put(NETWORKS, name, "default", spec={}, status={"mtu": 1442})
    vm = world.add_vm("web-1", disks={"root": world.add_volume("web-1-root")})
    vm.change(
        "status", "resolved", "devices", value=[{"name": "root", "port": 1}, {"name": "eth0", "port": 2}]
    )
    move(vm, "lan")
    await vm.reconcile()
    assert vm.condition("Ready")["reason"] == "Running"
    hypervisor.calls.clear()
    return vm


def move(vm: VmHandle, network: str, link: str = "Up") -> None:
    """Spec names the network, and the operator has moved the port."""
    vm.change("spec", "nics", value=[{"name": "eth0", "network": network, "linkState": link}])
    nic = {"name": "eth0", "network": f"uid-{network}", "port": PORT, "mac": "02:00:00:00:00:01"}
    vm.change("status", "nics", value=[nic])


def cables(vm: VmHandle) -> tuple[Cable, ...]:
    return vm.world.records.load(vm.uid).cables


async def test_after_a_move_the_link_is_down_for_a_time_and_then_up(
    plugged: VmHandle, hypervisor: FakeHypervisor
) -> None:
    plugged.world.reconciler = plugged.world.new_reconciler(quiet_s=0)
    move(plugged, "dmz")
    again_s = await plugged.reconcile()
    assert hypervisor.calls == [DOWN]
    assert again_s is not None
    assert again_s <= DOWN_S
    await plugged.look_after(DOWN_S / 2)
    ready = plugged.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "WaitingForGuest")
    assert "NIC eth0 is in network dmz now" in ready["message"]
    assert plugged.status["phase"] == "Running"
    assert hypervisor.calls == [DOWN]
    await plugged.look_after(DOWN_S / 2)
    assert hypervisor.calls == [DOWN, UP]
    assert plugged.condition("Ready")["reason"] == "Running"
    assert cables(plugged) == (Cable("eth0", "uid-dmz"),)
    await plugged.look_after(60)
    assert hypervisor.calls == [DOWN, UP]


async def test_a_guest_that_stays_where_it_is_keeps_its_link(
    plugged: VmHandle, hypervisor: FakeHypervisor
) -> None:
    move(plugged, "lan")
    await plugged.look_after(60)
    assert hypervisor.calls == []


async def test_spec_pulls_the_cable_and_puts_it_in_again(
    plugged: VmHandle, hypervisor: FakeHypervisor
) -> None:
    move(plugged, "lan", link="Down")
    await plugged.reconcile()
    assert plugged.condition("Ready")["reason"] == "Running"
    move(plugged, "lan", link="Up")
    await plugged.reconcile()
    assert hypervisor.calls == [DOWN, UP]


async def test_a_cable_that_is_out_stays_out_after_a_move(
    plugged: VmHandle, hypervisor: FakeHypervisor
) -> None:
    move(plugged, "dmz", link="Down")
    await plugged.reconcile()
    await plugged.look_after(60)
    assert hypervisor.calls == [DOWN]


async def test_another_hostd_brings_the_link_back(plugged: VmHandle, hypervisor: FakeHypervisor) -> None:
    move(plugged, "dmz")
    await plugged.reconcile()
    plugged.world.reconciler = plugged.world.new_reconciler()
    await plugged.look_after(DOWN_S)
    assert hypervisor.calls == [DOWN, UP]


async def test_a_time_of_another_clock_keeps_no_link_down(
    plugged: VmHandle, hypervisor: FakeHypervisor
) -> None:
    move(plugged, "dmz")
    await plugged.reconcile()
    await plugged.look_after(-3600)
    assert hypervisor.calls == [DOWN, UP]


async def test_a_guest_that_an_older_hostd_started_keeps_its_link(
    plugged: VmHandle, hypervisor: FakeHypervisor
) -> None:
    records = plugged.world.records
    records.save(plugged.uid, replace(records.load(plugged.uid), cables=()))
    await plugged.reconcile()
    assert hypervisor.calls == []
    assert cables(plugged) == (Cable("eth0", "uid-lan"),)


async def test_what_the_network_refuses_a_running_guest_is_told_by_ready(plugged: VmHandle) -> None:
    said = {"type": "NetworkReady", "reason": "AddressOutsideSubnet", "message": "10.1.0.9 is not in dmz."}
    plugged.change("status", "conditions", value=[{**said, "status": "False"}])
    await plugged.reconcile()
    ready = plugged.condition("Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", said["reason"], said["message"])
    assert plugged.status["phase"] == "Running"
    # nobody but a user puts it right, so nobody waits for it
    assert plugged.condition("Stalled")["reason"] == said["reason"]
    plugged.change("status", "conditions", value=[{**said, "status": "False", "reason": "Programming"}])
    await plugged.reconcile()
    assert plugged.condition("Ready")["reason"] == "Running"


async def test_a_move_that_ends_after_its_nic_was_not_resolved_for_a_time_is_noticed(
    plugged: VmHandle, hypervisor: FakeHypervisor
) -> None:
    there = plugged.world.stores[NETWORKS].pop("default/dmz")
    move(plugged, "lan")
    plugged.change("spec", "nics", value=[{"name": "eth0", "network": "dmz", "linkState": "Down"}])
    await plugged.look_after(10)
    assert hypervisor.calls == []
    assert cables(plugged) == (Cable("eth0", "uid-lan"),)
    plugged.world.stores[NETWORKS]["default/dmz"] = there
    move(plugged, "dmz")
    await plugged.reconcile()
    assert hypervisor.calls == [DOWN]
    await plugged.look_after(DOWN_S)
    assert hypervisor.calls == [DOWN, UP]
