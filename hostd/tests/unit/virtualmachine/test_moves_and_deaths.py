"""hostd and QEMU are killed before every effect of a move: one file holds all that the guest wrote."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_hostd.facts.domain import DomainState
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.mortality import HostdKilledError, Mortality
from quantix_lab.moved_disks import claim_if_there, want_pool
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle, VmWorld
from quantix_lab.volumes_part import VolumesPart


async def test_hostd_killed_before_any_effect_of_a_move_ends_on_one_file(tmp_path: Path) -> None:
    step = 0
    while await _survives(step, tmp_path / str(step), qemu_dies=False):
        step += 1
    assert step >= 10


async def test_hostd_and_qemu_killed_before_any_effect_of_a_move_lose_no_write(tmp_path: Path) -> None:
    step = 0
    while await _survives(step, tmp_path / str(step), qemu_dies=True):
        step += 1
    assert step >= 10


async def _survives(step: int, root: Path, *, qemu_dies: bool) -> bool:
    """Kill hostd before its effect number `step` of a move, and QEMU too; False: it had fewer.

    The guest writes whenever it runs, and finds its newest write again wherever it is.
    """
    hypervisor = FakeHypervisor()
    world = VmWorld(Layout(root), hypervisor, hypervisor)
    hypervisor.on_event = lambda event: world.reconciler.on_libvirt_event(event)
    vm = world.add_vm("web-1", disks={"root": world.add_volume("web-1-root")})
    await vm.reconcile()
    world.add_pool("fast")
    old, new = vm.root_place, want_pool(vm, "fast")
    world.reconciler = world.new_reconciler(mortal=Mortality(step))
    killed = False
    try:
        await vm.reconcile()
    except HostdKilledError:
        killed = True
    if killed:
        _guest_writes(vm, hypervisor, (old, new))
    if qemu_dies and hypervisor.found[vm.domain].live_xml is not None:
        hypervisor.kill(vm.domain)
    world.reconciler, volumes = world.new_reconciler(), VolumesPart(world)
    for _ in range(5):
        with suppress(TransientError):
            # a start waits until the volume's part has completed what it finds
            await vm.look_after(11)
        status = await volumes.look("default/web-1-root")
    domain = hypervisor.found[vm.domain]
    assert domain.state is DomainState.RUNNING, step
    assert str(new.data) in (domain.live_xml or ""), step
    assert claim_if_there(vm, new) == Claim(0, Holder(HOST, 1), vm.uid, CLUSTER), step
    assert claim_if_there(vm, old) is None, "the old data is gone once the API names the new pool"
    assert (status["pool"], status["data"]) == ("fast", "Present")
    if killed:
        assert new.data.read_bytes().endswith(b"written") == _wrote(vm), step
    await world.consoles.close()
    return killed


_WROTE: dict[str, bool] = {}


def _wrote(vm: VmHandle) -> bool:
    return _WROTE.get(vm.uid, False)


def _guest_writes(vm: VmHandle, hypervisor: FakeHypervisor, places: tuple[VolumePlace, ...]) -> None:
    """A guest that runs writes to the file that it has; one that stands still does not."""
    domain = hypervisor.found[vm.domain]
    if domain.state is not DomainState.RUNNING or domain.live_xml is None:
        return
    disk = domain.live_xml.partition("<disk")[2]
    has = next(place for place in places if f'source file="{place.data}"' in disk.partition("<mirror")[0])
    with has.data.open("ab") as file:
        file.write(b"written")
    _WROTE[vm.uid] = True
