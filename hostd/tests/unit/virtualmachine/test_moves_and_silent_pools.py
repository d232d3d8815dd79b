"""A pool that a disk is moved from or to does not answer, or with an error: what was begun stays as it is."""

from __future__ import annotations

from contextlib import suppress

import pytest

from quantix_api.errors import QuantixError, TransientError
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.facts.domain import DomainState
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.moved_disks import want_pool
from quantix_lab.plugged_disks import set_disks
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


async def given_up_at_the_hand_over(running: VmHandle, hypervisor: FakeHypervisor, hang: Hang) -> VolumePlace:
    """A move to pool `fast` whose guest is on the copy, while the claim in the old pool is still being
    written; where the copy is.
    """
    running.world.add_pool("fast")
    new = want_pool(running, "fast")
    hypervisor.copies_at_once = False
    await running.reconcile()
    hypervisor.copy_is_whole(running.domain, "vda")
    hang.begin(running.world.pool, "compare_and_set")
    with pytest.raises(TransientError):
        await running.reconcile()
    running.world.pull()
    return new


async def test_a_guest_that_is_on_the_copy_stands_still_until_the_claims_say_so(
    running: VmHandle, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    new = await given_up_at_the_hand_over(running, hypervisor, hang)
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


@pytest.mark.parametrize("how", ["no mount", "an error"])
async def test_nor_does_it_go_on_while_the_old_pool_answers_with_an_error(
    running: VmHandle, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    running.world.add_pool("fast")
    new = want_pool(running, "fast")
    hypervisor.copies_at_once = False
    await running.reconcile()
    hypervisor.copy_is_whole(running.domain, "vda")
    volumes, away = running.world.pool / "volumes", running.world.pool / "away"
    switch, read = hypervisor.switch_to_copy, LocalClaimStore.read

    def stale(self: LocalClaimStore, place: VolumePlace) -> Claim | None:
        if place.pool == running.world.pool:
            raise TransientError("PoolUnreachable", "stale file handle")
        return read(self, place)

    async def then_it_fails(name: str, target: str) -> None:
        await switch(name, target)
        volumes.rename(away)
        if how == "an error":
            monkeypatch.setattr(LocalClaimStore, "read", stale)

    monkeypatch.setattr(hypervisor, "switch_to_copy", then_it_fails)
    for _ in range(3):
        with suppress(QuantixError):
            await running.look_after(2)
    assert hypervisor.calls == ["copy vda", "suspend", "switch vda"]
    assert hypervisor.found[running.domain].state is DomainState.PAUSED
    away.rename(volumes)
    monkeypatch.undo()
    await running.reconcile()
    assert hypervisor.calls == ["copy vda", "suspend", "switch vda", "resume"]
    assert running.root_claim.moved
    claim = running.world.claims.read(new)
    assert claim is not None
    assert not claim.partial


async def test_a_copy_goes_on_while_the_old_pool_answers_with_an_error(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.world.add_pool("fast")
    want_pool(running, "fast")
    hypervisor.copies_at_once = False
    await running.reconcile()
    volumes, away = running.world.pool / "volumes", running.world.pool / "away"
    volumes.rename(away)
    for _ in range(2):
        await running.look_after(2)
    assert hypervisor.calls == ["copy vda"]
    away.rename(volumes)
    hypervisor.copy_is_whole(running.domain, "vda")
    await running.reconcile()
    assert hypervisor.calls == ["copy vda", "suspend", "switch vda", "resume"]


async def copies_into_silence(running: VmHandle, hypervisor: FakeHypervisor, hang: Hang) -> None:
    """Its disk is being copied to a pool that stops answering."""
    running.world.add_pool("fast")
    new = want_pool(running, "fast")
    hypervisor.copies_at_once = False
    await running.reconcile()
    hang.begin(new.directory)


async def test_a_copy_goes_on_while_the_pool_that_it_goes_to_does_not_answer(
    running: VmHandle, hypervisor: FakeHypervisor, hang: Hang, told: None
) -> None:
    await copies_into_silence(running, hypervisor, hang)
    for _ in range(2):
        await running.look_after(1)
    assert hypervisor.calls == ["copy vda"]
    assert running.condition("Ready")["reason"] == "PoolUnreachable"
    await hang.end()
    hypervisor.copy_is_whole(running.domain, "vda")
    await running.reconcile()
    assert hypervisor.calls == ["copy vda", "suspend", "switch vda", "resume"]


async def test_a_copy_that_nobody_wants_is_given_up_although_its_pool_does_not_answer(
    running: VmHandle, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    await copies_into_silence(running, hypervisor, hang)
    want_pool(running, "local", granted=False)
    await running.look_after(1)
    assert hypervisor.calls == ["copy vda", "drop vda"]


async def test_a_guest_whose_moved_disk_cannot_be_looked_at_goes_on(
    running: VmHandle, hypervisor: FakeHypervisor, told: None
) -> None:
    """The claim in the old pool says where it is: there is nothing to wait for."""
    running.world.add_pool("fast")
    new = want_pool(running, "fast")
    await running.reconcile()
    hypervisor.calls.clear()
    volumes = new.directory / "volumes"
    volumes.rename(new.directory / "away")
    for _ in range(2):
        await running.look_after(2)
    assert hypervisor.calls == []
    assert running.condition("Ready")["reason"] == "DataMissing"


async def test_the_record_names_a_copy_that_was_handed_on_too_late(
    running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    world = running.world
    set_disks(running, "root", "data")
    await running.reconcile()
    new = await given_up_at_the_hand_over(running, hypervisor, hang)
    await hang.end()
    await running.reconcile()
    assert running.root_claim.moved
    assert world.records.load(running.uid).places == (new, data), "or nobody gives the copy's claim back"


async def test_what_firmware_remembers_follows_a_copy_that_was_handed_on_too_late(
    running: VmHandle, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    world = running.world
    new = await given_up_at_the_hand_over(running, hypervisor, hang)
    await hang.end()
    await running.reconcile()
    running.change("spec", "firmware", value={"type": "UEFI"})
    world.layout.vm_data(running.uid).mkdir(parents=True, exist_ok=True)
    (world.layout.vm_data(running.uid) / "nvram.fd").write_bytes(b"variables")
    for _ in range(2):
        await world.reconciler.keep_states()
    assert new.data.with_name("state").exists()
