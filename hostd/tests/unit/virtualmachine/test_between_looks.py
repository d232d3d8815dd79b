"""What hostd keeps of a VM in memory goes with the VM."""

from __future__ import annotations

import asyncio

from quantix_api.resources import VIRTUAL_MACHINES
from quantix_hostd.virtualmachine.between_looks import Memory
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle


async def test_a_deleted_vm_is_forgotten(running: VmHandle) -> None:
    reconciler = running.world.reconciler
    assert reconciler.remembered() == {running.uid}
    running.delete()
    await running.reconcile()
    assert reconciler.remembered() == {running.uid}, "its release was reported, and is still in the API"
    running.world.stores[VIRTUAL_MACHINES].clear()
    await reconciler.reconcile(running.uid)
    assert reconciler.remembered() == frozenset()


async def test_a_vm_that_is_gone_is_remembered_until_its_guest_is(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    world, reconciler = running.world, running.world.reconciler
    hypervisor.guest_obeys = False
    world.remove_by_force(running)
    await reconciler.end_orphan(running.uid)
    await reconciler.reconcile(running.uid)
    assert reconciler.remembered() == {running.uid}
    world.skipped_s += 61
    await reconciler.reconcile(running.uid)
    assert reconciler.remembered() == frozenset()


async def test_nobody_gets_a_second_lock_while_one_waits_for_the_first() -> None:
    memory, inside, most = Memory(), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with memory.hold("a"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
        memory.forget("a")

    await asyncio.gather(*(work() for _ in range(5)))
    assert most == 1
    assert memory.uids() == frozenset()
