"""What is decided of a guest's disk that goes into Ceph or out of it; contract tests have real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_api.resources import VOLUMES
from quantix_hostd.claims import CephPool, Claim, Holder, VolumePlace
from quantix_hostd.domainxml.ceph import CephSource
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.domainxml.view import view
from quantix_hostd.facts.domain import DomainSnapshot, DomainState
from quantix_hostd.migration.leaving import Leaving
from quantix_hostd.virtualmachine.desired import HostFacts
from quantix_hostd.virtualmachine.disk_move import DiskMove
from quantix_hostd.virtualmachine.leaving_actions import SendGuest
from quantix_hostd.virtualmachine.leaving_plan import plan_leaving
from quantix_hostd.virtualmachine.move_actions import CopyDisk, DropCopy, MakeCopy
from quantix_hostd.virtualmachine.move_plan import MovePlan, plan_moves
from quantix_hostd.virtualmachine.observed import DiskClaim, Observed
from quantix_hostd.virtualmachine.record import Record
from quantix_lab.assigned_vm import assigned_vm
from quantix_lab.domain_samples import samples
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.moved_disks import changed, want_pool
from quantix_lab.vm_world import HOST, VmHandle

UID = "0b0e6dc5-0000-4000-8000-000000000001"
LOCAL, CEPH = VolumePlace(Path("/pool"), "v"), VolumePlace(CephPool("fast"), "v")
HELD = Claim(0, Holder("h1", 1), UID, "c")
AT = CephSource("fast", "quantix/v", (("10.1.0.1", "6789"),), "quantix")
INTO = DiskMove(
    disk="root",
    volume="data",
    uid="v",
    key="default/data",
    source=LOCAL,
    source_pool="local",
    size_bytes=1 << 30,
    dev="vda",
    path=LOCAL.shown,
    pool="fast",
    target=CEPH,
    target_ceph=AT,
    wanted=True,
    claim=HELD,
    free_bytes=2 << 30,
    stored_bytes=1 << 30,
)
OUT = replace(
    INTO, source=CEPH, source_pool="fast", path=CEPH.shown, pool="local", target=LOCAL, target_ceph=None
)


def seen(move: DiskMove, **more: Any) -> Observed:
    vm = VirtualMachine.parse(assigned_vm("web-1", UID, {}, "h1", {}))
    facts = HostFacts("h1", "c", "this boot", False, True, "pc-q35-7.2")
    domain = DomainSnapshot(f"qx-{UID}", UID, DomainState.RUNNING, 1, "", "")
    return Observed(UID, vm, facts, 9.0, 9.0, Record(), domain=domain, moves=(move,), **more)


def planned(move: DiskMove, **more: Any) -> MovePlan:
    return plan_moves(seen(move, **more), Record())


def test_qemu_gets_the_key_of_the_pool_that_it_copies_into_and_the_image_is_made_before() -> None:
    *_, made, copy = planned(INTO).actions
    assert made == MakeCopy(LOCAL, "local", "fast", 1 << 30, 1)
    assert isinstance(copy, CopyDisk)
    assert copy.pools == ("fast",)
    assert '<source protocol="rbd" name="quantix/v">' in copy.xml
    assert '<driver type="raw"' in copy.xml


def test_out_of_ceph_it_goes_into_a_file_and_no_key_is_needed() -> None:
    *_, made, copy = planned(OUT).actions
    assert made == MakeCopy(CEPH, "fast", "local", 1 << 30, 1)
    assert isinstance(copy, CopyDisk)
    assert copy.pools == ()
    assert '<source file="/pool/volumes/v/data">' in copy.xml


@pytest.mark.parametrize(("free_bytes", "begins"), [(None, True), (1 << 30, True), ((1 << 30) - 1, False)])
def test_a_pool_whose_room_nobody_tells_refuses_nothing(free_bytes: int | None, begins: bool) -> None:
    plan = planned(replace(INTO, free_bytes=free_bytes))
    assert any(isinstance(action, CopyDisk) for action in plan.actions) == begins
    assert begins or (plan.wait is not None and plan.wait.reason == "PoolFull")


def test_a_copy_in_ceph_goes_on_while_nobody_tells_the_room_there() -> None:
    under_way = replace(INTO, copy_path=CEPH.shown, target_claim=HELD, target_there=True, free_bytes=None)
    assert not any(isinstance(action, DropCopy) for action in planned(under_way).actions)
    full = planned(replace(under_way, free_bytes=-1))
    assert any(isinstance(action, DropCopy) for action in full.actions)


def test_a_disk_of_a_vm_that_is_about_to_leave_begins_no_move() -> None:
    plan = planned(INTO, leaving=Leaving("m1", "h2"))
    assert plan.actions == ()
    assert plan.wait is not None
    assert plan.wait.reason == "Moving"


AT_REST = replace(INTO, wanted=False)


@pytest.mark.parametrize(
    ("place", "claim", "move", "leaves"),
    [
        (LOCAL, HELD, AT_REST, True),
        (LOCAL, HELD, INTO, True),
        (LOCAL, HELD, replace(AT_REST, target_there=True), False),
        (LOCAL, replace(HELD, moved_from="fast"), AT_REST, False),
        (CEPH, HELD, replace(OUT, wanted=False), True),
        (CEPH, replace(HELD, moved_from="local"), replace(OUT, wanted=False), False),
        (CEPH, replace(HELD, moving_to="local"), replace(OUT, wanted=False), False),
    ],
)
def test_a_guest_leaves_its_host_once_nothing_is_left_that_only_that_clears_up(
    place: VolumePlace, claim: Claim, move: DiskMove, leaves: bool
) -> None:
    assert sends(about_to_leave(move, place, claim)) == leaves


def about_to_leave(move: DiskMove, place: VolumePlace, claim: Claim) -> Observed:
    """A guest whose other host is prepared."""
    sample = samples(Path("/q"))["minimal"]
    ceph = AT if place is CEPH else None
    disk, identity = replace(sample.disks[0], path=place.shown, ceph=ceph), replace(sample.identity, epoch=1)
    live = view(render_domain(replace(sample, disks=(disk,), identity=identity)))
    leaving, claims = Leaving("m1", "h2", prepared=True), (DiskClaim(place, claim),)
    return seen(move, leaving=leaving, claims=claims, live=live)


def sends(observed: Observed) -> bool:
    plan = plan_leaving(observed, Record(), None)
    return plan is not None and any(isinstance(action, SendGuest) for action in plan.actions)


LEFT = replace(HELD, partial=True)


@pytest.mark.parametrize(
    ("move", "leaves"),
    [
        (INTO, True),
        (replace(INTO, claim=replace(HELD, moving_to="fast")), False),
        (replace(INTO, target_there=True, target_claim=LEFT), False),
        (replace(INTO, target_there=True, target_claim=HELD, copy_path=CEPH.shown, ready=True), False),
        (replace(INTO, target_there=True, target_claim=HELD, path=CEPH.shown), False),
    ],
)
def test_of_a_migration_and_a_disk_that_moves_one_goes_on_and_the_other_waits(
    move: DiskMove, leaves: bool
) -> None:
    observed = about_to_leave(move, LOCAL, move.claim or HELD)
    moves = bool(plan_moves(observed, Record()).actions)
    assert (sends(observed), moves) == (leaves, not leaves)


def test_a_disk_that_was_begun_holds_up_no_migration_behind_one_that_was_not() -> None:
    begun = replace(
        INTO, disk="more", uid="w", volume="more", dev="vdb", target_there=True, target_claim=LEFT
    )
    observed = about_to_leave(INTO, LOCAL, HELD)
    both = replace(observed, moves=(INTO, begun))
    assert not sends(both)
    *_, copy = plan_moves(both, Record()).actions
    assert isinstance(copy, CopyDisk)
    assert copy.target == "vdb"


async def test_a_host_that_does_not_act_on_a_volume_brings_it_nowhere(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.world.add_pool("fast")
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    want_pool(running, "fast")
    changed(running.world)["status"]["host"] = "h2"
    await running.reconcile()
    assert hypervisor.calls == []
    changed(running.world)["status"]["host"] = HOST
    await running.reconcile()
    assert "copy vda" in hypervisor.calls
    assert running.world.stores[VOLUMES]["default/web-1-root"]["status"]["host"] == HOST
