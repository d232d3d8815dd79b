"""Memory that a host takes of its guests and gives back: what is looked at, done and told."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_hostd.facts.load import MachineLoad
from quantix_hostd.virtualmachine.balloon import Balloons
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle, VmWorld

_MIB = 1024**2
_GIB = 1024 * _MIB
ROOM, SHORT = 8 * _GIB, 0


class Host:
    """Its memory as a test says, and what its balloons do about it."""

    def __init__(self, world: VmWorld, hypervisor: FakeHypervisor) -> None:
        self.world, self.hypervisor = world, hypervisor
        self.available, self.stalled_s = ROOM, 0.0
        self.balloons = self.restarted()

    def restarted(self) -> Balloons:
        self.balloons = Balloons(self.world.tools, self._load)
        return self.balloons

    def _load(self) -> MachineLoad:
        memory = {"MemTotal": 10 * _GIB, "MemAvailable": self.available}
        return MachineLoad(memory_bytes=memory, pressure_s={("memory", "some"): self.stalled_s})

    async def steps(self, count: int = 1) -> list[str]:
        """The balloon's calls in so many steps."""
        self.hypervisor.calls.clear()
        for _ in range(count):
            self.world.skipped_s += 5
            await self.balloons.step()
        return [call for call in self.hypervisor.calls if call.startswith("balloon")]


@pytest.fixture
def host(world: VmWorld, hypervisor: FakeHypervisor) -> Host:
    return Host(world, hypervisor)


async def start(world: VmWorld, **memory: Any) -> VmHandle:
    spec = {"memory": {"size": "128Mi", **memory}}
    vm = world.add_vm("web-1", disks={"root": world.add_volume("web-1-root")}, **spec)
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    return vm


async def test_memory_is_taken_down_to_the_least_and_given_back_and_told_once_each(
    world: VmWorld, host: Host
) -> None:
    await start(world, minSize="96Mi")
    world.events.reasons.clear()
    host.available = SHORT
    assert await host.steps(3) == [f"balloon {96 * _MIB}"]
    host.available = ROOM
    assert await host.steps(3) == [f"balloon {128 * _MIB}"]
    assert world.events.reasons == ["MemoryTaken", "MemoryGivenBack"]
    assert world.events.texts[-2].startswith(
        "Host h1 runs short of memory and takes some of the guest's, down to 96Mi"
    )


@pytest.mark.parametrize(
    "memory", [{}, {"minSize": "96Mi", "hugepages": "2Mi"}], ids=["no word", "huge pages"]
)
async def test_nothing_is_taken_of_a_guest_that_did_not_allow_it(
    world: VmWorld, host: Host, memory: dict[str, str]
) -> None:
    await start(world, **memory)
    host.available = SHORT
    assert await host.steps(2) == []


async def test_the_least_changes_while_the_guest_runs(world: VmWorld, host: Host) -> None:
    vm = await start(world, minSize="96Mi")
    host.available = SHORT
    await host.steps()
    vm.change("spec", "memory", "minSize", value="112Mi")
    assert await host.steps() == [f"balloon {112 * _MIB}"]
    vm.change("spec", "memory", value={"size": "128Mi"})
    assert await host.steps(2) == [f"balloon {128 * _MIB}"]
    assert world.events.reasons[-1] == "MemoryGivenBack"


async def test_a_change_of_the_least_waits_for_no_restart(world: VmWorld) -> None:
    vm = await start(world)
    vm.change("spec", "memory", "minSize", value="96Mi")
    await vm.reconcile()
    assert "pendingChanges" not in vm.status["runtime"]


async def test_hostd_that_comes_back_gives_back_what_was_taken_before(world: VmWorld, host: Host) -> None:
    await start(world, minSize="96Mi")
    host.available = SHORT
    await host.steps()
    host.available = ROOM
    host.restarted()
    assert await host.steps() == [f"balloon {128 * _MIB}"]


async def test_a_host_with_room_whose_guests_have_all_asks_libvirt_nothing(
    world: VmWorld, host: Host, hypervisor: FakeHypervisor
) -> None:
    await start(world, minSize="96Mi")
    await host.steps()
    hypervisor.connected = False
    await host.steps()


async def test_a_kernel_that_tells_nothing_takes_nothing(world: VmWorld, hypervisor: FakeHypervisor) -> None:
    await start(world, minSize="96Mi")
    hypervisor.calls.clear()
    await Balloons(world.tools, MachineLoad).step()
    assert hypervisor.calls == []


async def test_programs_that_wait_for_memory_count_before_it_is_all_gone(world: VmWorld, host: Host) -> None:
    await start(world, minSize="96Mi")
    host.available = 700 * _MIB
    await host.steps()
    assert await host.steps() == []
    host.stalled_s = 2.0
    assert await host.steps() == [f"balloon {96 * _MIB}"]
