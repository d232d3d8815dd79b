"""A pool does not answer: what lies in it is unknown, so nothing follows from it, and a claim step that was
begun there is neither counted as done nor begun once more beside itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import VOLUMES
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.plugged_disks import claim_on, set_disks
from quantix_lab.silent_pools import Hang, in_another_pool
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle, VmWorld


async def test_a_guest_that_runs_is_left_alone_and_says_why(
    running: VmHandle, hypervisor: FakeHypervisor, hang: Hang, told: None
) -> None:
    hang.begin(running.world.pool)
    for _ in range(3):
        await running.reconcile()
    assert hang.begun == ["read"]
    assert hypervisor.calls == []
    ready = running.condition("Ready")
    assert (running.status["phase"], ready["status"], ready["reason"]) == (
        "Running",
        "False",
        "PoolUnreachable",
    )
    assert "cannot use pool local" in ready["message"]
    assert running.world.records.load(running.uid).places == (running.root_place,)
    await hang.end()
    await running.reconcile()
    assert (hypervisor.calls, running.condition("Ready")["status"]) == ([], "True")


@pytest.fixture
async def doubtful(world: VmWorld, hypervisor: FakeHypervisor) -> AsyncIterator[VmHandle]:
    """One that runs under epoch 1 and was assigned anew, whose second disk somebody else has."""
    place = in_another_pool(world, "data")
    data = world.stores[VOLUMES]["default/data"]
    vm = world.add_vm("db-1", disks={"root": world.add_volume("db-1-root"), "data": data})
    await vm.reconcile()
    claim = world.claims.read(place)
    assert claim is not None
    world.claims.compare_and_set(place, claim, Claim(0, Holder("h2", 2), vm.uid, CLUSTER))
    vm.change("status", "assignment", value={"host": HOST, "epoch": 2})
    hypervisor.calls.clear()
    yield vm
    await world.consoles.close()


async def test_no_other_claim_decides_in_the_place_of_one_that_cannot_be_read(
    doubtful: VmHandle, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    hang.begin(doubtful.world.pool)
    await doubtful.reconcile()
    assert hypervisor.calls == []
    await hang.end()


async def test_no_other_claim_decides_in_the_place_of_one_that_is_not_there(
    doubtful: VmHandle, hypervisor: FakeHypervisor
) -> None:
    volumes = doubtful.world.pool / "volumes"
    volumes.rename(volumes.with_name("unmounted"))
    volumes.mkdir()
    await doubtful.reconcile()
    assert hypervisor.calls == []


async def test_a_claim_that_is_taken_late_is_neither_counted_nor_taken_twice(
    vm: VmHandle, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    hang.begin(vm.world.pool, "compare_and_set")
    with pytest.raises(TransientError) as said:
        await vm.reconcile()
    assert said.value.reason == "PoolUnreachable"
    vm.world.pull()
    for _ in range(2):
        await vm.reconcile()
    assert hang.begun == ["compare_and_set"]
    assert hypervisor.calls == []
    await hang.end()
    assert vm.root_claim.held_by(HOST, 1)
    await vm.reconcile()
    assert (vm.status["phase"], vm.root_claim.holder) == ("Running", Holder(HOST, 1))


async def test_a_claim_that_is_taken_late_goes_with_a_stop_that_came_meanwhile(
    vm: VmHandle, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    hang.begin(vm.world.pool, "compare_and_set")
    with pytest.raises(TransientError):
        await vm.reconcile()
    vm.change("spec", "powerState", value="Stopped")
    for _ in range(2):
        with pytest.raises(TransientError):
            await vm.reconcile()
        vm.world.pull()
        assert vm.status.get("runtime", {}).get("domain") != "Absent"
    await hang.end()
    await vm.reconcile()
    assert (vm.status["runtime"]["domain"], vm.root_claim.holder, vm.root_claim.floor) == ("Absent", None, 1)


async def test_a_stop_is_no_release_until_the_claim_is_known_to_be_free(
    running: VmHandle, hang: Hang
) -> None:
    hang.begin(running.world.pool, "compare_and_set")
    running.change("spec", "powerState", value="Stopped")
    for _ in range(3):
        with pytest.raises(TransientError):
            await running.reconcile()
        running.world.pull()
        assert running.status["runtime"].get("domain") != "Absent"
    assert hang.begun == ["compare_and_set"]
    await hang.end()
    await running.look_after(600)
    assert (running.status["runtime"]["domain"], running.root_claim.holder) == ("Absent", None)


async def test_a_disk_whose_claim_is_being_taken_is_remembered_although_spec_wants_it_no_more(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    set_disks(running, "root", "data")
    hang.begin(running.world.pool, "compare_and_set")
    with pytest.raises(TransientError):
        await running.reconcile()
    running.world.pull()
    set_disks(running, "root")
    await running.reconcile()
    assert running.world.records.load(running.uid).places == (running.root_place, data)
    await hang.end()
    assert claim_on(running, data).holder == Holder(HOST, 1)
    await running.reconcile()
    assert claim_on(running, data).holder is None
    assert running.world.records.load(running.uid).places == (running.root_place,)
    assert hypervisor.calls == []


async def test_a_claim_that_is_put_down_late_is_remembered_until_it_is(
    running: VmHandle, data: VolumePlace, hang: Hang
) -> None:
    set_disks(running, "root", "data")
    await running.reconcile()
    set_disks(running, "root")
    hang.begin(running.world.pool, "compare_and_set")
    with pytest.raises(TransientError):
        await running.reconcile()
    running.world.pull()
    assert data in running.world.records.load(running.uid).places
    await hang.end()
    await running.reconcile()
    assert claim_on(running, data).holder is None
    assert running.world.records.load(running.uid).places == (running.root_place,)


async def test_a_start_without_a_disk_remembers_its_claim_until_its_pool_answers(
    running: VmHandle, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    data = in_another_pool(running.world, "data")
    set_disks(running, "root", "data")
    await running.reconcile()
    hypervisor.kill(running.domain)
    set_disks(running, "root")
    hang.begin(data.directory)
    await running.look_after(60)
    await running.look_after(60)
    assert running.status["phase"] == "Running"
    assert running.world.records.load(running.uid).places == (running.root_place, data)
    await hang.end()
    await running.reconcile()
    assert claim_on(running, data).holder is None
    assert running.world.records.load(running.uid).places == (running.root_place,)


async def test_what_firmware_remembers_is_kept_of_those_whose_pool_answers(
    running: VmHandle, hang: Hang
) -> None:
    world = running.world
    place = in_another_pool(world, "other")
    other = world.add_vm("web-2", disks={"root": world.stores[VOLUMES]["default/other"]})
    await other.reconcile()
    for vm in (running, other):
        vm.change("spec", "firmware", value={"type": "UEFI"})
        world.layout.vm_data(vm.uid).mkdir(parents=True, exist_ok=True)
        (world.layout.vm_data(vm.uid) / "nvram.fd").write_bytes(b"variables")
    hang.begin(world.pool)
    await world.reconciler.keep_states()
    with pytest.raises(TransientError):
        await world.reconciler.keep_states()
    assert place.data.with_name("state").exists()
    await hang.end()


async def test_a_pool_that_does_not_answer_is_not_called_full(
    running: VmHandle, hypervisor: FakeHypervisor, hang: Hang, told: None
) -> None:
    hypervisor.pause_by_io_error(running.domain, "eio")
    running.world.records.clear_events(running.uid)
    hang.begin(running.world.pool)
    await running.reconcile()
    assert "resume" not in hypervisor.calls
    assert running.condition("Ready")["reason"] == "StorageIOError"


async def test_what_firmware_remembers_is_kept_while_somebody_works_on_another_vm(running: VmHandle) -> None:
    world = running.world
    other = world.add_vm("web-2", disks={"root": world.add_volume("other")})
    await other.reconcile()
    for vm in (running, other):
        vm.change("spec", "firmware", value={"type": "UEFI"})
        world.layout.vm_data(vm.uid).mkdir(parents=True, exist_ok=True)
        (world.layout.vm_data(vm.uid) / "nvram.fd").write_bytes(b"variables")
    async with asyncio.timeout(5), world.reconciler._memory.hold(running.uid):
        for _ in range(2):
            await world.reconciler.keep_states()
    assert other.root_place.data.with_name("state").exists()
    assert not running.root_place.data.with_name("state").exists()
    await world.reconciler.keep_states()
    assert running.root_place.data.with_name("state").exists()
