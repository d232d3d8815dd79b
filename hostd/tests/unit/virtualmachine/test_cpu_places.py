"""Which CPUs a guest has to itself, and what that means for the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quantix_hostd.domainxml.spec import NumaNode
from quantix_hostd.facts.domain import DomainSummary
from quantix_hostd.virtualmachine.cpu_book import CpuBook
from quantix_hostd.virtualmachine.cpu_entries import CpuEntries, pick_cpus
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle, VmWorld

NODES = (NumaNode(0, (0, 1, 2, 3)), NumaNode(1, (4, 5, 6, 7)))


@pytest.mark.parametrize(
    ("count", "free", "picked"),
    [
        (1, {1, 2, 3, 4, 5}, (4,)),
        (2, {1, 2, 3, 4, 5}, (4, 5)),
        (3, {1, 2, 3, 4, 5}, (1, 2, 3)),
        (4, {1, 2, 3, 4, 5}, (1, 2, 3, 4)),
        (6, {1, 2, 3, 4, 5}, None),
        (1, set(), None),
    ],
)
def test_cpus_come_from_the_fullest_node_that_has_room_then_from_few(
    count: int, free: set[int], picked: tuple[int, ...] | None
) -> None:
    assert pick_cpus(count, NODES, free) == picked


def add(world: VmWorld, name: str, cores: int = 1, **cpu: Any) -> VmHandle:
    disks = {"root": world.add_volume(f"{name}-root")}
    return world.add_vm(name, disks=disks, cpu={"cores": cores, **cpu})


def pinned(hypervisor: FakeHypervisor, vm: VmHandle) -> list[str]:
    with hypervisor.live(vm.domain) as root:
        return [pin.get("cpuset", "") for pin in root.iterfind("cputune/vcpupin")]


async def test_no_two_guests_have_one_cpu_and_one_that_finds_none_waits(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    first, second, third = (
        add(world, name, cores, dedicated=True) for name, cores in (("a", 2), ("b", 1), ("c", 1))
    )
    for vm in (first, second):
        await vm.reconcile()
    assert (pinned(hypervisor, first), pinned(hypervisor, second)) == (["2", "3"], ["1"])
    await third.reconcile()
    assert third.domain not in hypervisor.found
    assert "wants 1 CPU of h1 to itself, which has 0 free" in str(third.status.get("conditions"))
    second.change("spec", "powerState", value="Stopped")
    for _ in range(3):
        await second.reconcile()
    await third.look_after(5)
    assert pinned(hypervisor, third) == ["1"]


async def test_two_guests_that_start_at_once_get_other_cpus(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    vms = [add(world, name, dedicated=True) for name in ("a", "b", "c")]
    await asyncio.gather(*(vm.reconcile() for vm in vms))
    assert sorted(pin for vm in vms for pin in pinned(hypervisor, vm)) == ["1", "2", "3"]


class SlowHypervisor(FakeHypervisor):
    """Others come to their turn before it tells which domains there are; `looks` counts how often it does."""

    looks = 0

    async def domains(self) -> tuple[DomainSummary, ...]:
        self.looks += 1
        await asyncio.sleep(0)
        return await super().domains()


async def test_who_looks_first_reads_the_guests_and_the_others_wait_for_it() -> None:
    book, hypervisor = CpuBook(NODES), SlowHypervisor()
    await asyncio.gather(book.load(hypervisor), book.load(hypervisor))
    assert hypervisor.looks == 1


def test_to_choose_cpus_takes_none() -> None:
    entries = CpuEntries(NODES, {"a": (4, 5)})
    assert [entries.choose(uid, 2, "h1") for uid in ("b", "c")] == [(6, 7), (6, 7)]
    assert entries.choose("a", 2, "h1") == (4, 5)
    assert entries.own == {"a": (4, 5)}


async def test_the_others_leave_a_cpu_that_one_has_to_itself_and_come_back(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    common, own = add(world, "common", 2), add(world, "own", dedicated=True)
    await common.reconcile()
    assert pinned(hypervisor, common) == []
    await own.reconcile()
    assert "all" in world.woken
    await common.reconcile()
    assert hypervisor.calls[-1] == "pin 0,2,3 0,2,3 rest 0,2,3"
    later = add(world, "later")
    await later.reconcile()
    assert pinned(hypervisor, later) == ["0,2,3"]
    own.delete()
    for _ in range(3):
        await own.reconcile()
    await common.reconcile()
    assert hypervisor.calls[-1] == "pin 0,1,2,3 0,1,2,3 rest 0,1,2,3"
    hypervisor.calls.clear()
    await common.reconcile()
    assert hypervisor.calls == []


async def test_a_restart_of_hostd_keeps_who_has_which_cpu(world: VmWorld, hypervisor: FakeHypervisor) -> None:
    first = add(world, "a", 2, dedicated=True)
    await first.reconcile()
    world.reconciler = world.new_reconciler()
    second = add(world, "b", dedicated=True)
    await second.reconcile()
    assert pinned(hypervisor, second) == ["1"]
    hypervisor.calls.clear()
    await first.reconcile()
    assert hypervisor.calls == ["pin 2 3 rest 0"], "only what it shares is less"
    hypervisor.calls.clear()
    await first.reconcile()
    assert (pinned(hypervisor, first), hypervisor.calls) == (["2", "3"], [])


async def test_dedicated_numa_and_pages_wait_for_the_next_start(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    vm = add(world, "a")
    await vm.reconcile()
    vm.change("spec", "cpu", value={"cores": 1, "dedicated": True})
    vm.change("spec", "memory", value={"size": "128Mi", "hugepages": "2Mi"})
    vm.grant()
    await vm.reconcile()
    pending = {change["path"]: change for change in vm.status["runtime"]["pendingChanges"]}
    assert set(pending) == {"spec.cpu.dedicated", "spec.memory.hugepages"}
    assert (pending["spec.cpu.dedicated"]["running"], pending["spec.cpu.dedicated"]["wanted"]) == (
        "false",
        "true",
    )
    vm.ask_restart("Force")
    await vm.look_after(1)
    assert not vm.status["runtime"].get("pendingChanges")
    vm.change("spec", "cpu", value={"cores": 1, "dedicated": True, "numa": "Strict"})
    vm.grant()
    await vm.reconcile()
    assert [change["path"] for change in vm.status["runtime"]["pendingChanges"]] == ["spec.cpu.numa"]


REFUSED = {
    "type": "SizeGranted", "status": "False", "reason": "NotEnoughCPU", "message": "h1 has no such room.",
}  # fmt: skip


async def test_a_start_waits_until_it_is_decided_what_the_guest_has_to_itself(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    vm = add(world, "a")
    await vm.reconcile()
    vm.change("spec", "cpu", value={"cores": 1, "dedicated": True})
    vm.change("spec", "memory", value={"size": "128Mi", "hugepages": "2Mi"})
    vm.ask_restart("Force")
    for _ in range(3):
        await vm.look_after(1)
    assert hypervisor.calls[-1] == "destroy"
    ready = vm.condition("Ready")
    assert (ready["reason"], "cpu.dedicated, memory.hugepages" in ready["message"]) == ("Starting", True)
    vm.grant()
    await vm.look_after(5)
    assert len(pinned(hypervisor, vm)) == 1


async def test_a_vm_that_is_refused_more_to_itself_starts_with_what_it_was_granted(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    vm = add(world, "a")
    await vm.reconcile()
    vm.change("spec", "cpu", value={"cores": 1, "dedicated": True, "numa": "Strict"})
    vm.change("status", "conditions", value=[*vm.status["conditions"], REFUSED])
    vm.ask_restart("Force")
    for _ in range(3):
        await vm.look_after(1)
    assert (vm.domain in hypervisor.found, pinned(hypervisor, vm)) == (True, [])
    assert not vm.status["runtime"].get("pendingChanges"), "no start would change it"
    ready = vm.condition("Ready")
    assert (vm.status["phase"], ready["reason"]) == ("Running", "NotEnoughCPU")


@pytest.fixture
def unequal(world: VmWorld) -> None:
    """The second node, of which CPUs come first, has less memory."""
    world.nodes = (NumaNode(0, (0, 1, 4, 5), 512 << 20), NumaNode(1, (2, 3), 100 << 20))
    world.reconciler = world.new_reconciler(quiet_s=0.0)


@pytest.mark.usefixtures("unequal")
async def test_a_guest_that_mirrors_nodes_gets_cpus_where_its_memory_is(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    plain, strict = add(world, "plain", dedicated=True), add(world, "strict", dedicated=True, numa="Strict")
    for vm in (plain, strict):
        await vm.reconcile()
    assert (pinned(hypervisor, plain), pinned(hypervisor, strict)) == (["2"], ["1"])


@pytest.mark.usefixtures("unequal")
async def test_memory_that_no_node_has_beside_free_cpus_is_waited_for(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    large = {"memory": {"size": "300Mi"}, "cpu": {"cores": 1, "dedicated": True, "numa": "Strict"}}
    first, second = (
        world.add_vm(name, disks={"root": world.add_volume(f"{name}-root")}, **large) for name in ("a", "b")
    )
    await first.reconcile()
    # as after a restart of hostd: what the first has is seen from its domain
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    await second.reconcile()
    assert second.domain not in hypervisor.found
    ready = second.condition("Ready")
    assert (ready["reason"], ready["message"].partition(" Try")[0]) == (
        "NotEnoughMemory",
        "It wants 300 MiB of h1 beside CPUs of its own, and no NUMA node with such CPUs has that.",
    )
    first.change("spec", "powerState", value="Stopped")
    for _ in range(3):
        await first.reconcile()
    await second.look_after(5)
    assert pinned(hypervisor, second) == ["1"]


async def test_a_size_that_is_no_whole_number_of_pages_is_refused_in_words(world: VmWorld) -> None:
    vm = world.add_vm(
        "odd", disks={"root": world.add_volume("odd-root")}, memory={"size": "129Mi", "hugepages": "2Mi"}
    )
    await vm.reconcile()
    ready = vm.condition("Ready")
    assert (ready["reason"], "129Mi is no whole number" in ready["message"]) == ("ConfigRefused", True)
