"""How many disks of running guests are copied at once, and what those say and do that wait for their turn."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace

import pytest

from quantix_api import Volume
from quantix_api.host_spec import HostSpec
from quantix_api.resources import VOLUMES
from quantix_hostd.facts.copies import LiveMove, OtherCopies
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.virtualmachine.reconciler import VirtualMachineReconciler
from quantix_hostd.volume.live_moves import LiveMoves
from quantix_hostd.volume.passphrases import Passphrases
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle, VmWorld
from quantix_lab.volumes_part import VolumesPart

WAITS = (
    "web-2-root waits for its turn to go to pool fast: "
    "2 disks of running VMs are copied at once on a host, 1 for a namespace."
)


class LookedAtTogether(Passphrases):
    """The last that is looked at before a copy begins: so many looks meet here."""

    def __init__(self, secrets: SecretValues, looks: int) -> None:
        super().__init__(secrets)
        self._met = asyncio.Barrier(looks)

    async def of(self, volume: Volume) -> str:
        async with asyncio.timeout(10):
            await self._met.wait()
        return await super().of(volume)


@pytest.fixture
async def other(running: VmHandle, hypervisor: FakeHypervisor) -> VmHandle:
    """A second VM of the namespace; the disks of both are to go to another pool, which takes its time."""
    world = running.world
    second = world.add_vm("web-2", disks={"root": world.add_volume("web-2-root")})
    await second.reconcile()
    world.add_pool("fast")
    for key in ("default/web-1-root", "default/web-2-root"):
        # a new object, as the watch would bring it
        volume = copy.deepcopy(world.stores[VOLUMES][key])
        volume["spec"]["pool"] = volume["status"]["movingTo"] = "fast"
        world.stores[VOLUMES][key] = volume
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    hypervisor.copies_at_once = False
    hypervisor.calls.clear()
    world.woken.clear()
    return second


def copies(hypervisor: FakeHypervisor) -> int:
    return hypervisor.calls.count("copy vda")


def said(vm: VmHandle) -> tuple[str, str]:
    ready = vm.condition("Ready")
    return ready["reason"], ready["message"].partition(" Try:")[0]


def copying_for(world: VmWorld, *keys: str) -> None:
    """QEMUs of other VMs copy the volumes of these keys."""
    for key in keys:
        world.live_moves.tell(f"vm-of-{key}", {f"uid-of-{key}": LiveMove(key, "fast", copying=True)})


async def test_a_disk_waits_while_another_of_its_namespace_is_copied_and_then_goes_by_itself(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.reconcile()
    assert await other.reconcile() == pytest.approx(10.0)
    assert (copies(hypervisor), said(other)) == (1, ("Moving", WAITS))
    hypervisor.copy_is_whole(running.domain, "vda")
    await running.look_after(1)
    await other.look_after(10)
    assert copies(hypervisor) == 2
    assert said(other) == ("Moving", "web-2-root is on its way to pool fast.")


async def test_who_waits_has_not_tried_and_loses_no_time(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.reconcile()
    for _ in range(5):
        await other.look_after(10)
    assert other.world.records.load(other.uid).move is None
    hypervisor.kill(running.domain)
    await running.reconcile()
    await other.reconcile()
    assert copies(hypervisor) == 2


async def test_the_volume_says_that_it_waits_and_that_it_does_no_more(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.reconcile()
    await other.reconcile()
    volumes = VolumesPart(other.world)
    status = await volumes.look("default/web-2-root")
    assert (status["phase"], WAITS in str(status["conditions"])) == ("Moving", True)
    hypervisor.copy_is_whole(running.domain, "vda")
    await running.reconcile()
    other.world.woken.clear()
    await other.reconcile()
    assert "default/web-2-root" in other.world.woken
    assert WAITS not in str((await volumes.look("default/web-2-root"))["conditions"])


async def test_two_on_a_host_leave_no_turn_to_a_third_namespace(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    copying_for(other.world, "a/one")
    assert other.world.live_moves.others("", "a") == OtherCopies(on_host=1, of_namespace=1)
    copying_for(other.world, "b/one")
    await other.reconcile()
    assert (copies(hypervisor), said(other)) == (0, ("Moving", WAITS))
    other.world.live_moves.tell("vm-of-a/one", {})
    await other.reconcile()
    assert copies(hypervisor) == 1


async def test_of_two_that_look_at_the_same_moment_one_begins(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    world = running.world
    tools = replace(world.tools, passphrases=LookedAtTogether(SecretValues(world.api), 2))
    world.reconciler = VirtualMachineReconciler(tools, world.woken.append, quiet_s=0.0)
    await asyncio.gather(running.reconcile(), other.reconcile())
    assert copies(hypervisor) == 1
    begun = [vm for vm in (running, other) if world.records.load(vm.uid).move is not None]
    assert len(begun) == 1


async def test_a_copy_that_is_under_way_goes_on_after_a_restart_of_hostd_and_counts(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.reconcile()
    world = running.world
    world.live_moves = LiveMoves(world.pools, world.disks, world.woken.append, lambda: world.host, world)
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    copying_for(world, "a/one", "b/one")
    hypervisor.calls.clear()
    await running.reconcile()
    assert said(running) == ("Moving", "web-1-root is on its way to pool fast.")
    for key in ("a/one", "b/one"):
        world.live_moves.tell(f"vm-of-{key}", {})
    await other.reconcile()
    assert (hypervisor.calls, said(other)) == ([], ("Moving", WAITS))


async def one_more(world: VmWorld) -> VmHandle:
    """Of the same namespace, with a disk that is to go to the other pool, too."""
    third = world.add_vm("web-3", disks={"root": world.add_volume("web-3-root")})
    await third.reconcile()
    volume = copy.deepcopy(world.stores[VOLUMES]["default/web-3-root"])
    volume["spec"]["pool"] = volume["status"]["movingTo"] = "fast"
    world.stores[VOLUMES]["default/web-3-root"] = volume
    return third


async def test_who_waits_is_served_in_the_order_of_arrival(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.reconcile()
    await other.reconcile()
    third = await one_more(running.world)
    await third.reconcile()
    hypervisor.copy_is_whole(running.domain, "vda")
    await running.look_after(1)
    await third.look_after(1)
    assert copies(hypervisor) == 1, "the other has waited for longer"
    await other.look_after(10)
    assert copies(hypervisor) == 2
    hypervisor.copy_is_whole(other.domain, "vda")
    await other.look_after(1)
    await third.look_after(10)
    assert copies(hypervisor) == 3


@pytest.mark.parametrize("why", ["it is not heard", "its guest is paused", "it stops", "it is gone"])
async def test_who_could_not_begin_keeps_nobody_waiting(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor, why: str
) -> None:
    await running.reconcile()
    await other.reconcile()
    third = await one_more(running.world)
    await third.reconcile()
    hypervisor.copy_is_whole(running.domain, "vda")
    await running.look_after(1)
    if why == "it is not heard":
        third.world.skipped_s += 60
    elif why == "its guest is paused":
        hypervisor.disk_says = "eio"
        hypervisor.pause_by_io_error(other.domain, "eio")
        await other.reconcile()
    elif why == "it stops":
        hypervisor.guest_obeys = False
        other.change("spec", "powerState", value="Stopped")
        await other.reconcile()
    else:
        other.world.remove_by_force(other)
        hypervisor.kill(other.domain)
        await other.world.reconciler.reconcile(other.uid)
    await third.look_after(10)
    assert copies(hypervisor) == 2


async def test_a_copy_that_stands_still_gives_its_turn_back_and_ends_with_a_reason(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.reconcile()
    await running.look_after(1)
    await running.look_after(50)
    await other.reconcile()
    assert copies(hypervisor) == 1
    hypervisor.copied_bytes += 1
    await running.look_after(10)
    await running.look_after(60)
    await other.look_after(10)
    assert copies(hypervisor) == 2
    hypervisor.calls.clear()
    await running.look_after(600)
    assert hypervisor.calls == ["drop vda"]
    assert "Said: the copy came no further for 10 min." in running.condition("Ready")["message"]
    await running.look_after(5)
    assert copies(hypervisor) == 0, "it is tried again later, behind the other"


async def test_a_whole_copy_of_a_guest_that_an_io_error_paused_keeps_nobody_waiting(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.reconcile()
    hypervisor.disk_says = "eio"
    hypervisor.pause_by_io_error(running.domain, "eio")
    await running.reconcile()
    await other.reconcile()
    assert copies(hypervisor) == 1, "it is still copied"
    hypervisor.copy_is_whole(running.domain, "vda")
    await running.reconcile()
    await other.look_after(10)
    assert copies(hypervisor) == 2


async def test_a_copy_is_as_fast_as_its_host_allows(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.reconcile()
    hypervisor.copy_is_whole(running.domain, "vda")
    await running.look_after(1)
    running.world.host = HostSpec.model_validate({"diskCopies": {"bytesPerSecond": "20Mi"}})
    await other.look_after(10)
    assert hypervisor.copy_speeds == [128 << 20, 20 << 20]


async def test_a_vm_that_is_gone_gives_its_turn_back(
    running: VmHandle, other: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.reconcile()
    running.world.remove_by_force(running)
    hypervisor.kill(running.domain)
    await running.world.reconciler.reconcile(running.uid)
    await other.look_after(10)
    assert copies(hypervisor) == 2
