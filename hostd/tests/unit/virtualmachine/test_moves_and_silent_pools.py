"""The pool that a disk is moved from does not answer: what was begun stays as it is until it does."""

from __future__ import annotations

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import Holder
from quantix_hostd.facts.domain import DomainState
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.moved_disks import want_pool
from quantix_lab.silent_pools import Hang
from quantix_lab.vm_world import HOST, VmHandle
from quantix_lab.volumes_part import VolumesPart


async def test_a_copy_goes_on_while_the_pool_that_it_is_made_from_does_not_answer(
    running: VmHandle, hypervisor: FakeHypervisor, hang: Hang, told: None
) -> None:
    running.world.add_pool("fast")
    want_pool(running, "fast")
    hypervisor.copies_at_once = False
    await running.reconcile()
    assert hypervisor.calls == ["copy vda"]
    hang.begin(running.world.pool)
    for _ in range(2):
        await running.reconcile()
    assert hypervisor.calls == ["copy vda"]
    assert running.condition("Ready")["reason"] == "PoolUnreachable"
    move = running.world.live_moves.seen(running.root_place.handle)
    assert move is not None
    assert (move.copying, move.pool) == (True, "fast")
    await hang.end()
    hypervisor.copy_is_whole(running.domain, "vda")
    await running.reconcile()
    assert hypervisor.calls == ["copy vda", "suspend", "switch vda", "resume"]


async def test_a_guest_that_is_on_the_copy_stands_still_until_the_claims_say_so(
    running: VmHandle, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    running.world.add_pool("fast")
    new = want_pool(running, "fast")
    hypervisor.copies_at_once = False
    await running.reconcile()
    hypervisor.copy_is_whole(running.domain, "vda")
    hang.begin(running.world.pool, "compare_and_set")
    with pytest.raises(TransientError):
        await running.reconcile()
    running.world.pull()
    for _ in range(2):
        await running.reconcile()
    assert hypervisor.calls == ["copy vda", "suspend", "switch vda"]
    assert hypervisor.found[running.domain].state is DomainState.PAUSED
    await hang.end()
    await running.reconcile()
    assert hypervisor.calls == ["copy vda", "suspend", "switch vda", "resume"]
    old = running.root_claim
    assert (old.moved, old.moving_to) == (True, "fast"), "or the guest writes where nobody would look"
    await VolumesPart(running.world).look("default/web-1-root")
    claim = running.world.claims.read(new)
    assert claim is not None
    assert (claim.partial, claim.holder) == (False, Holder(HOST, 1))
