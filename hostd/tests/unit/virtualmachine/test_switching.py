"""A guest goes on at its target before all its memory is there (docs/adr/0052): the source's part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import Holder
from quantix_hostd.facts.domain import PAUSED_POST_COPY_FAILED, DomainState
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.fake_target import MigrationHandle
from quantix_lab.leaving_guest import OTHER_HOST, kept, look, sender, short_world
from quantix_lab.vm_world import VmHandle, VmWorld

HERE, THERE = Holder("h1", 1), Holder("h2", 2)


@pytest.fixture
def world(hypervisor: FakeHypervisor) -> Iterator[VmWorld]:
    with short_world(hypervisor) as world:
        yield world


@pytest.fixture
async def migration(running: VmHandle) -> MigrationHandle:
    """On its way, as one whose disks lie in a shared pool: it may be switched."""
    running.world.api.put(OTHER_HOST)
    made = MigrationHandle(running)
    made.change("target", prepared=True, postCopy=True)
    await look(running, made)
    await asyncio.wait_for(sender(running).sends.wait(), 5.0)
    record = running.world.records.load(running.uid)
    may = replace(kept(running), post_copy="Possible")
    running.world.records.save(running.uid, replace(record, leaving=may))
    sender(running).calls.clear()
    return made


def begin_anew(vm: VmHandle) -> None:
    """As hostd does that was killed: of what it sent it knows nothing any more."""
    vm.world.reconciler = vm.world.new_reconciler()
    sender(vm).sendings.clear()


async def test_it_is_switched_and_handed_over_once_it_stands_still_for_good(
    running: VmHandle, migration: MigrationHandle
) -> None:
    sender(running).passes = 2
    await look(running, migration)
    assert sender(running).calls == []
    sender(running).passes = 3
    await look(running, migration)
    assert running.world.target.switched == [(migration.uid, 2)]
    assert sender(running).calls == ["switch"]
    assert running.root_claim.holder == THERE
    assert (kept(running).step, kept(running).switched) == ("handed", True)
    assert set(running.world.target.told) == {(migration.uid, 2)}
    assert (migration.source["mode"], migration.source["outcome"]) == ("PostCopy", "HandedOver")
    assert migration.source["postCopy"] == "Possible"


async def test_its_qemu_lives_and_tells_how_far_it_is_until_all_is_there(
    running: VmHandle, migration: MigrationHandle
) -> None:
    sender(running).passes = 3
    await look(running, migration)
    await running.look_after(3)
    migration.pull()
    assert migration.status["progress"]["percent"] == 50
    assert sender(running).found[running.domain].state is DomainState.PAUSED
    assert sender(running).calls == ["switch"]
    await sender(running).arrive(running.domain)
    migration.change("target", outcome="Running", epoch=2)
    running.world.move_away(running)
    await look(running, migration)
    assert running.world.records.load(running.uid).leaving is None
    assert "create" not in sender(running).calls


async def test_how_long_it_stood_still_is_until_it_goes_on_there(
    running: VmHandle, migration: MigrationHandle
) -> None:
    sender(running).passes = 3
    await look(running, migration)
    running.world.skipped_s += 100
    await look(running, migration)
    assert migration.source["downtimeMilliseconds"] < 50_000


async def test_half_the_time_is_enough_also_where_memory_was_not_gone_through(
    running: VmHandle, migration: MigrationHandle
) -> None:
    running.change("spec", "migration", value={"timeoutSeconds": 30})
    await running.look_after(16)
    assert sender(running).calls == ["switch"]


async def test_one_that_may_not_be_switched_is_not(running: VmHandle, migration: MigrationHandle) -> None:
    record = running.world.records.load(running.uid)
    local = replace(kept(running), post_copy="LocalDisks")
    running.world.records.save(running.uid, replace(record, leaving=local))
    sender(running).passes = 9
    await look(running, migration)
    assert sender(running).calls == []


async def test_nothing_is_switched_that_the_target_has_not_heard_of(
    running: VmHandle, migration: MigrationHandle
) -> None:
    running.world.target.deaf = TransientError("TargetFailed", "")
    sender(running).passes = 3
    with pytest.raises(TransientError):
        await look(running, migration)
    assert sender(running).calls == []
    assert (kept(running).step, running.root_claim.holder) == ("switching", HERE)


async def test_one_that_does_not_stop_is_not_handed_over_and_the_target_waits_no_more(
    running: VmHandle, migration: MigrationHandle
) -> None:
    sender(running).passes, sender(running).switches = 3, False
    with pytest.raises(TransientError):
        await look(running, migration)
    assert running.root_claim.holder == HERE
    assert running.world.target.switched == [(migration.uid, 2), (migration.uid, 0)]
    # all of it was there before
    await sender(running).arrive(running.domain)
    await look(running, migration)
    assert running.root_claim.holder == THERE
    assert (migration.source["mode"], kept(running).switched) == ("PreCopy", False)


@pytest.mark.parametrize("restarts", [False, True], ids=["a link that broke", "a hostd that was killed"])
async def test_one_that_was_switched_and_not_handed_over_never_goes_on_and_starts_anew_here(
    running: VmHandle, migration: MigrationHandle, restarts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender(running).passes = 3

    async def killed(name: str) -> bool:
        sender(running).stand_still(name, PAUSED_POST_COPY_FAILED)
        raise TransientError("SourceFailed", "")

    with monkeypatch.context() as patched:
        patched.setattr(sender(running), "switch_sending", killed)
        with pytest.raises(TransientError):
            await look(running, migration)
    sender(running).fail(running.domain, "the connection was reset")
    await asyncio.sleep(0.01)
    if restarts:
        begin_anew(running)
    await look(running, migration)
    assert "resume" not in sender(running).calls[: sender(running).calls.index("destroy")]
    assert (migration.source["outcome"], migration.source["reason"]) == ("GaveUp", "PostCopyFailed")
    assert migration.source["mode"] == "PostCopy"
    assert running.root_claim.holder == HERE
    await look(running, migration)
    assert sender(running).calls.index("create") > sender(running).calls.index("destroy")
    assert sender(running).found[running.domain].state is DomainState.RUNNING


async def test_a_hostd_that_was_killed_while_it_handed_over_goes_on_with_that(
    running: VmHandle, migration: MigrationHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender(running).passes = 3

    def away(*_: object) -> None:
        raise TransientError("PoolUnreachable", "")

    with monkeypatch.context() as patched:
        patched.setattr(running.world.claims, "compare_and_set", away)
        with pytest.raises(TransientError):
            await look(running, migration)
    assert (kept(running).step, running.root_claim.holder) == ("handing", HERE)
    begin_anew(running)
    await look(running, migration)
    assert running.root_claim.holder == THERE
    assert sender(running).calls == ["switch"]


async def test_what_libvirt_keeps_of_one_whose_memory_was_lost_is_ended_once_it_is_the_targets(
    running: VmHandle, migration: MigrationHandle
) -> None:
    sender(running).passes = 3
    await look(running, migration)
    sender(running).stand_still(running.domain, PAUSED_POST_COPY_FAILED)
    await running.look_after(3)
    assert sender(running).calls == ["switch"]
    migration.change("target", outcome="Lost", epoch=2)
    running.world.move_away(running)
    await look(running, migration)
    # libvirt is not done with it yet
    assert sender(running).calls == ["switch"]
    sender(running).fail(running.domain, "failed in post-copy phase")
    await asyncio.sleep(0.01)
    await look(running, migration)
    assert running.domain not in sender(running).found
    assert "create" not in sender(running).calls


async def test_half_a_guest_that_nobody_remembers_is_ended_and_never_resumed(running: VmHandle) -> None:
    sender(running).stand_still(running.domain, PAUSED_POST_COPY_FAILED)
    await running.reconcile()
    calls = sender(running).calls
    assert calls[0] == "destroy"
