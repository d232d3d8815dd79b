"""What an instance type says beyond its size: given at the start, changed live or told as pending."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle, VmWorld, with_facts


@pytest.fixture
async def typed(world: VmWorld) -> VmHandle:
    """A VM that runs; its type says more than a size, and it says one thing itself."""
    with_facts(world, cpu_controller=True)
    own = {"cpu": {"cores": 2, "weight": 20}}
    vm = world.add_vm("typed", disks={"root": world.add_volume("typed-root")}, **own)
    vm.change("spec", "cpu", value={"weight": 20})
    vm.change("spec", "memory", value={})
    vm.change("spec", "instanceType", value="fast")
    says(vm, cpu={"sockets": 2, "weight": 7, "limit": "500m"}, memory={"minSize": "64Mi"})
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    return vm


def says(vm: VmHandle, **sizes: Any) -> None:
    """The type that the VM names now, as the operator keeps it."""
    vm.change("status", "resolved", "ofType", value=sizes)
    vm.grant()


def pending(vm: VmHandle) -> list[tuple[str, str, str]]:
    found = vm.status["runtime"].get("pendingChanges", [])
    return [(item["path"], item.get("running", ""), item.get("wanted", "")) for item in found]


async def test_the_guest_gets_what_its_type_says_and_what_the_vm_says_itself(
    typed: VmHandle, hypervisor: FakeHypervisor
) -> None:
    with hypervisor.live(typed.domain) as root:
        topology = root.find("cpu/topology")
        assert topology is not None
        assert topology.get("sockets") == "2"
        assert root.findtext("cputune/shares") == "40"
        assert root.findtext("cputune/global_quota") == "50000"
    assert pending(typed) == []


async def test_another_type_counts_at_once_or_waits_as_the_vms_own_word_would(
    typed: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.calls.clear()
    says(typed, cpu={"sockets": 1, "limit": "1"}, memory={"hugepages": "2Mi"})
    await typed.reconcile()
    assert hypervisor.calls == ["cpu 40 100000"]
    assert pending(typed) == [("spec.cpu.sockets", "2", "1"), ("spec.memory.hugepages", "", "2Mi")]


async def test_a_type_gives_cpus_of_the_guests_own(world: VmWorld, hypervisor: FakeHypervisor) -> None:
    vm = world.add_vm("own", disks={"root": world.add_volume("own-root")}, instanceType="fast")
    says(vm, cpu={"dedicated": True}, memory={})
    await vm.reconcile()
    with hypervisor.live(vm.domain) as root:
        assert len(root.findall("cputune/vcpupin")) == 1
