"""A volume that no guest has goes to another pool: the steps, what goes wrong, and every death on the way."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_api.resources import STORAGE_POOLS, VOLUMES
from quantix_hostd.claims import Claim, VolumeMissingError, VolumePlace, take
from quantix_hostd.clients.command import run
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_hostd.clients.used_pools import UsedPools
from quantix_hostd.copy_bounds import CopyBounds
from quantix_hostd.moves import copy_of, leave
from quantix_hostd.transfer import transfers
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.held_copies import HeldCopies
from quantix_lab.mortality import HostdKilledError, Mortality
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle, VmWorld
from quantix_lab.volumes_part import VolumesPart
from quantix_lab.waiting import eventually_async

KEY = "default/data"


@pytest.fixture
def volume(world: VmWorld) -> dict[str, Any]:
    """A volume of nobody; there are two pools."""
    world.add_pool("fast")
    return world.add_volume("data")


def places(world: VmWorld) -> tuple[VolumePlace, VolumePlace]:
    handle = world.stores[VOLUMES][KEY]["metadata"]["uid"]
    return VolumePlace(world.pool, handle), VolumePlace(world.layout.data / "pools/fast", handle)


def want(world: VmWorld, pool: str, granted: str) -> None:
    volume = world.stores[VOLUMES][KEY]
    volume["spec"]["pool"] = pool
    volume["status"]["movingTo"] = granted


def claim(world: VmWorld, place: VolumePlace) -> Claim | None:
    try:
        return world.claims.read(place)
    except VolumeMissingError:
        return None


async def settled(part: VolumesPart, pool: str) -> dict[str, Any]:
    """The status of the volume once it is in that pool and nothing is left to do."""
    status: dict[str, Any] = {}

    async def arrived() -> bool:
        nonlocal status
        status = await part.look(KEY)
        left = [claim(part.world, place) for place in places(part.world)]
        at_rest = [found for found in left if found is not None and found == _plain(found)]
        return status.get("pool") == pool and len(at_rest) == 1 and left.count(None) == 1

    await eventually_async(f"it is in {pool}", arrived, timeout_s=10)
    return status


def _plain(found: Claim) -> Claim:
    return Claim(found.floor, None, found.vm_uid, CLUSTER, has_state=found.has_state, written=found.written)


async def test_a_volume_goes_with_all_that_lies_beside_it(world: VmWorld, volume: dict[str, Any]) -> None:
    old, new = places(world)
    old.data.with_name("state").write_bytes(b"what a TPM remembers")
    want(world, "fast", "fast")
    status = await settled(VolumesPart(world), "fast")
    assert new.data.with_name("state").read_bytes() == b"what a TPM remembers"
    assert (status["data"], status["phase"]) == ("Present", "Available")
    assert not old.data.parent.exists()
    moved = claim(world, new)
    assert moved is not None
    assert moved.floor == 1, "what is released of the old one counts for the new one"
    assert world.events.reasons == ["Moved"]


async def test_a_volume_that_a_restored_api_has_where_it_was_before_is_found_where_it_is_asked_for(
    world: VmWorld, volume: dict[str, Any]
) -> None:
    part = VolumesPart(world)
    want(world, "fast", "fast")
    await settled(part, "fast")
    _, new = places(world)
    content = new.data.read_bytes()
    restored = world.stores[VOLUMES][KEY]
    restored["status"]["pool"] = "local"
    want(world, "local", "")
    status = await part.look(KEY)
    assert (status["pool"], status["conditions"][0]["reason"]) == ("local", "DataMissing")
    want(world, "fast", "fast")
    status = await part.look(KEY)
    assert (status["pool"], status["phase"], status["data"]) == ("fast", "Available", "Present")
    assert new.data.read_bytes() == content


async def test_nothing_goes_before_the_operator_has_promised_room(
    world: VmWorld, volume: dict[str, Any]
) -> None:
    want(world, "fast", "")
    status = await VolumesPart(world).look(KEY)
    assert (status["pool"], status["phase"]) == ("local", "Available")
    assert not places(world)[1].data.parent.exists()


async def test_of_two_pools_that_are_one_directory_a_move_leaves_the_volume(
    world: VmWorld, volume: dict[str, Any]
) -> None:
    world.add_pool("twin")
    twin = world.stores[STORAGE_POOLS]["twin"]
    twin["spec"]["dir"]["path"] = str(world.pool)
    # an older hostd took both: what keeps data already is not refused for its place
    for pool in (world.stores[STORAGE_POOLS]["local"], twin):
        UsedPools(world.layout.data / "used-pools.json").note(pool["metadata"]["uid"], world.pool)
    old, _ = places(world)
    content, part = old.data.read_bytes(), VolumesPart(world)
    want(world, "twin", "twin")
    for _ in range(3):
        status = await part.look(KEY)
    assert old.data.read_bytes() == content
    said = status["conditions"][0]
    assert (said["reason"], status["data"]) == ("Moving", "Present")
    assert "is there already, and is no copy of it" in said["message"]
    want(world, "local", "")
    assert (await part.look(KEY))["phase"] == "Available"


async def test_a_wish_that_is_taken_back_leaves_no_copy(world: VmWorld, volume: dict[str, Any]) -> None:
    part = VolumesPart(world, HeldCopies())
    want(world, "fast", "fast")
    status = await part.look(KEY)
    assert (status["phase"], status["data"]) == ("Moving", "Present")
    assert status["conditions"][0]["reason"] == "Moving"
    want(world, "local", "fast")
    status = await settled(part, "local")
    assert status["phase"] == "Available"
    assert not list((world.layout.data / "pools/fast/volumes").iterdir())


async def test_a_wish_that_is_taken_back_as_its_work_ends_comes_too_late_and_is_done_again(
    world: VmWorld, volume: dict[str, Any]
) -> None:
    part = VolumesPart(world)
    want(world, "fast", "fast")
    _, new = places(world)

    async def handed_on() -> bool:
        await part.look(KEY)
        return bool(world.stores[VOLUMES][KEY]["status"]["pool"] == "fast")

    await eventually_async("it is in fast", handed_on)
    want(world, "local", "local")
    await settled(part, "local")
    assert not new.data.parent.exists()


async def test_a_vm_that_is_started_waits_for_the_copy(world: VmWorld, volume: dict[str, Any]) -> None:
    slow = HeldCopies()
    part = VolumesPart(world, slow)
    want(world, "fast", "fast")
    await part.look(KEY)
    vm = world.add_vm("web-1", disks={"root": world.stores[VOLUMES][KEY]})
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    await vm.reconcile()
    assert vm.condition("Ready")["reason"] == "Moving"
    slow.may_copy.set()
    await settled(part, "fast")
    await _next_assignment(vm)
    assert vm.status["phase"] == "Running"
    await world.consoles.close()


async def _next_assignment(vm: VmHandle) -> None:
    """The scheduler places it anew: work on its volume has spent the first epoch."""
    await vm.reconcile()
    vm.change("status", "assignment", value={"host": "h1", "epoch": 2})
    await vm.reconcile()


async def test_hostd_killed_before_any_effect_of_a_move_loses_nothing(tmp_path: Path) -> None:
    step = 0
    while await _survives(step, tmp_path / str(step)):
        step += 1
    assert step >= 6


async def _survives(step: int, root: Path) -> bool:
    """Kill hostd before its effect number `step` of a move, and go on with a new one; False: it had fewer."""
    hypervisor = FakeHypervisor()
    world = VmWorld(Layout(root), hypervisor, hypervisor)
    world.add_pool("fast")
    world.add_volume("data")
    want(world, "fast", "fast")
    old, new = places(world)
    content = old.data.read_bytes()
    killed = False
    first = VolumesPart(world, mortal=Mortality(step))
    try:
        await settled(first, "fast")
    except HostdKilledError:
        killed = True
        await first.controller.stop()
    await settled(VolumesPart(world), "fast")
    assert len(new.data.read_bytes()) == len(content)
    assert not old.data.parent.exists(), step
    return killed


async def test_a_claim_that_a_kill_left_without_its_disk_makes_no_copy_the_volume(
    world: VmWorld, volume: dict[str, Any]
) -> None:
    """In Ceph it comes first, and the disk by a name of its own."""
    old, new = places(world)
    content, found = old.data.read_bytes(), world.claims.read(old)
    assert found is not None
    held = take(found, HOST, found.floor + 1, old.handle, CLUSTER)
    world.claims.compare_and_set(old, found, leave(held, "fast"))
    new.data.parent.mkdir(parents=True)
    world.claims.create(new, copy_of(held, "local", None, ""))
    want(world, "fast", "fast")
    await settled(VolumesPart(world), "fast")
    assert len(new.data.read_bytes()) == len(content)
    assert not old.data.parent.exists()


async def test_hostd_killed_while_a_volume_moves_and_is_cloned_loses_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "_FIRST_RETRY_S", 0.02)
    step = 0
    while await _both_survive(step, tmp_path / str(step)):
        step += 1
    assert step >= 6


async def _both_survive(step: int, root: Path) -> bool:
    """As `_survives`, with a clone that is to be made of the volume."""
    hypervisor = FakeHypervisor()
    world = VmWorld(Layout(root), hypervisor, hypervisor)
    world.add_pool("fast")
    world.add_volume("data")
    old, new = places(world)
    await run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", str(old.data), timeout_s=10)
    before = root / "before"
    shutil.copy(old.data, before)
    spec = {"source": {"volume": "data"}, "pool": "local"}
    clone = world.put(VOLUMES, "copy", "default", spec=spec, status={"host": "h1"})
    want(world, "fast", "fast")
    killed = False
    mortality = Mortality(step)
    first = VolumesPart(world, mortal=mortality)
    try:
        await _both_settled(first, mortality)
    except HostdKilledError:
        killed = True
        await first.controller.stop()
    await _both_settled(VolumesPart(world))
    for disk in (new.data, VolumePlace(world.pool, clone["metadata"]["uid"]).data):
        await run("qemu-img", "compare", "-q", str(before), str(disk), timeout_s=10)
    assert not old.data.parent.exists(), step
    return killed


async def _both_settled(part: VolumesPart, mortality: Mortality | None = None) -> None:
    async def cloned() -> bool:
        # the clone first: the hard order
        status = await part.look("default/copy")
        await part.look(KEY)
        if mortality is not None and mortality.struck:
            raise HostdKilledError
        return bool(status.get("data") == "Present")

    await eventually_async("the clone is made", cloned, timeout_s=10)
    await settled(part, "fast")


async def test_a_pool_that_fills_up_is_told_and_the_volume_serves_on(
    world: VmWorld, volume: dict[str, Any]
) -> None:
    class Full(QemuImg):
        async def copy(self, source: Disk, target: Disk, bounds: CopyBounds) -> None:
            raise TransientError("PoolFull", "There is no room for this disk.")

    part = VolumesPart(world, Full(OpenSandbox()))
    want(world, "fast", "fast")

    async def told() -> bool:
        status = await part.look(KEY)
        return bool(status["conditions"][0]["reason"] == "PoolFull" and status["phase"] == "Available")

    await eventually_async("it says so", told)
    old, new = places(world)
    await part.look(KEY)
    found = claim(world, old)
    assert found is not None
    assert found.holder is None, "a VM may have it meanwhile"
    assert not new.data.parent.exists()
