"""A guest that is to leave, and what it waits for: said, and for no longer than a migration may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from quantix_api.resources import VIRTUAL_MACHINES
from quantix_api.times import render_epoch_time
from quantix_hostd.claims import Holder
from quantix_hostd.facts.process import QemuProcess
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.fake_target import MigrationHandle
from quantix_lab.leaving_guest import OTHER_HOST, look, sender, short_world
from quantix_lab.vm_world import VmHandle, VmWorld


@pytest.fixture
def world(hypervisor: FakeHypervisor) -> Iterator[VmWorld]:
    with short_world(hypervisor) as world:
        yield world


@pytest.fixture
def migration(running: VmHandle) -> MigrationHandle:
    """The VM names it; its hosts were chosen just now."""
    world = running.world
    world.api.put(OTHER_HOST)
    running.change("spec", "migration", value={"timeoutSeconds": 30})
    made = MigrationHandle(running)
    made.change("status", startedAt=render_epoch_time(world.wall_s()))
    named = {"uid": made.uid, "name": "move", "sourceHost": "h1", "targetHost": "h2"}
    running.change("status", "migration", value=named)
    return made


def without_certificate(vm: VmHandle, *, ends: bool = False) -> None:
    departures = vm.world.tools.departures
    assert departures is not None
    departures.ready = lambda: ends


def with_snapshot(vm: VmHandle, *, ends: bool = False) -> None:
    vm.world.kept.under_way = lambda vm_uid: not ends  # type: ignore[method-assign]
    vm.world.reconciler = vm.world.new_reconciler()


def between_pools(vm: VmHandle, *, ends: bool = False) -> None:
    claim = vm.root_claim
    moved = replace(claim, moved_from="" if ends else "other")
    vm.world.claims.compare_and_set(vm.root_place, claim, moved)


HINDRANCES = [
    (without_certificate, "QEMU of h1 has no certificate yet."),
    (with_snapshot, "A snapshot of web-1 is being taken."),
    (between_pools, "A disk of web-1 is on its way to another pool."),
]
each_hindrance = pytest.mark.parametrize(
    ("hindered", "said"), HINDRANCES, ids=[hindered.__name__ for hindered, _ in HINDRANCES]
)


@each_hindrance
async def test_the_source_says_why_it_does_not_begin(
    running: VmHandle, migration: MigrationHandle, hindered: Callable[..., None], said: str
) -> None:
    hindered(running)
    await look(running, migration)
    assert migration.source == {}, "the target is not ready either"
    migration.change("target", prepared=True)
    await look(running, migration)
    assert migration.source == {"reason": "Preparing", "message": said}
    assert sender(running).sendings == {}
    hindered(running, ends=True)
    await look(running, migration)
    await asyncio.wait_for(sender(running).sends.wait(), 5.0)
    assert migration.source["mode"] == "PreCopy"
    assert "message" not in migration.source


@each_hindrance
async def test_what_does_not_begin_in_time_is_given_up_and_says_why(
    running: VmHandle, migration: MigrationHandle, hindered: Callable[..., None], said: str
) -> None:
    migration.change("target", prepared=True)
    hindered(running)
    for _ in range(2):
        await running.look_after(14)
        migration.pull()
    assert "outcome" not in migration.source
    await running.look_after(3)
    assert migration.source == {
        "outcome": "GaveUp",
        "reason": "TimedOut",
        "message": f"web-1 was not begun to be moved within 30 s: {said}",
    }
    assert running.root_claim.holder == Holder("h1", 1)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({}, "h2 has not said that it is ready."),
        ({"reason": "LibvirtDown", "message": "libvirtd does not answer."}, "libvirtd does not answer."),
    ],
)
async def test_a_target_that_is_never_ready_is_not_waited_for_for_ever(
    running: VmHandle, migration: MigrationHandle, target: dict[str, str], said: str
) -> None:
    migration.change("target", **target)
    await running.look_after(29)
    assert migration.source == {}
    await running.look_after(2)
    assert (migration.source["outcome"], migration.source["reason"]) == ("GaveUp", "TimedOut")
    assert migration.source["message"] == f"web-1 was not begun to be moved within 30 s: {said}"


async def test_what_begins_late_has_all_of_its_time(running: VmHandle, migration: MigrationHandle) -> None:
    await running.look_after(29)
    migration.change("target", prepared=True)
    await look(running, migration)
    await asyncio.wait_for(sender(running).sends.wait(), 5.0)
    await running.look_after(25)
    migration.pull()
    assert "outcome" not in migration.source
    assert "stop sending" not in sender(running).calls


async def test_nothing_is_said_of_one_that_the_vm_does_not_name(
    running: VmHandle, migration: MigrationHandle
) -> None:
    running.change("status", "migration", value=None)
    migration.change("target", prepared=True)
    without_certificate(running)
    await look(running, migration)
    assert migration.source == {}


async def test_it_looks_again_while_it_waits(running: VmHandle, migration: MigrationHandle) -> None:
    assert (await running.reconcile() or 60.0) <= 2.0
    assert migration.source == {}


async def begin(vm: VmHandle, migration: MigrationHandle) -> None:
    migration.change("target", prepared=True)
    await look(vm, migration)
    await asyncio.wait_for(sender(vm).sends.wait(), 5.0)


async def test_a_qemu_that_does_not_end_once_all_was_sent_is_told_and_looked_at_less_often(
    running: VmHandle, migration: MigrationHandle
) -> None:
    await begin(running, migration)
    domain = sender(running).found[running.domain]
    process = QemuProcess(domain.pid, domain.uuid, domain.name, "D")
    await sender(running).arrive(running.domain)
    sender(running).orphans.append(process)
    assert await running.reconcile() == 0.2
    migration.pull()
    assert "message" not in migration.source
    assert await running.look_after(5.1) == 5.0
    migration.pull()
    assert migration.source == {
        "mode": "PreCopy",
        "reason": "Copying",
        "message": "All of web-1 was sent, and its QEMU on h1 does not end.",
    }
    assert running.root_claim.holder == Holder("h1", 1)
    sender(running).orphans.remove(process)
    await look(running, migration)
    assert migration.source["outcome"] == "HandedOver"
    assert "message" not in migration.source


async def test_the_api_is_asked_for_the_vm_no_more_often_than_the_target(
    running: VmHandle, migration: MigrationHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(running, migration)
    await sender(running).arrive(running.domain)
    await look(running, migration)
    get, asked = running.world.api.get, 0

    async def counted(resource: object, *args: object) -> object:
        nonlocal asked
        asked += resource is VIRTUAL_MACHINES
        return await get(resource, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(running.world.api, "get", counted)
    for _ in range(20):
        await running.look_after(1)
    assert 2 <= asked <= 5
