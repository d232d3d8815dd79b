"""A migration from its wish to its end, by the words of its hosts (docs/adr/0044)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_api.vm_status import MAX_CLAIM_EPOCH

from .moving_world import UNHEARD, KilledError, MovingWorld

HANDED = {"mode": "PreCopy", "outcome": "HandedOver", "epoch": 2}
RUNNING = {"prepared": True, "outcome": "Running", "epoch": 2}


@pytest.fixture
def world() -> MovingWorld:
    made = MovingWorld()
    made.vm("web")
    return made


async def test_a_migration_chooses_its_hosts_and_then_says_so_in_the_vm(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    status = world.live("move")["status"]
    assert (status["sourceHost"], status["targetHost"]) == ("h1", "h2")
    assert status["virtualMachineUID"] == "uid-web"
    assert status["startedAt"]
    assert world.moving() == {"uid": "uid-move", "name": "move", "sourceHost": "h1", "targetHost": "h2"}
    assert world.assignment() == {"epoch": 1, "host": "h1"}
    assert world.told("move")[:2] == ("Preparing", "Preparing")
    assert condition_of(world.live("move"), "Reconciling")["status"] == "True"
    assert world.events.reasons == ["MigrationStarted"]


async def test_it_tells_that_memory_is_copied_once_the_source_says_so(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    world.says("move", source={"mode": "PreCopy"}, target={"prepared": True})
    await world.look()
    assert world.told("move") == (
        "Copying",
        "Copying",
        "web is copied from h1 to h2. Try: nothing; it goes on by itself.",
    )


async def test_the_cut_over_is_one_write_after_both_hosts_said_the_same_epoch(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    world.says("move", source=HANDED)
    await world.look()
    assert world.told("move")[:2] == ("CuttingOver", "CuttingOver")
    assert world.moving() is not None
    before = len(world.api.writes)
    world.says("move", target=RUNNING)
    await world.look()
    assert world.assignment() == {"epoch": 2, "host": "h2"}
    assert world.moving() is None
    volume = world.live("web-root")["status"]
    assert (volume["host"], volume["confirmedHost"]) == ("h2", "h2")
    assert world.told("move")[:2] == ("Succeeded", "Succeeded")
    assert world.live("move")["status"]["finishedAt"]
    kinds = [sorted(status) for _, status in world.api.writes[before:]]
    assert kinds[:2] == [["confirmedHost", "host"], ["assignment", "conditions"]]
    assert world.events.reasons == ["MigrationStarted", "Migrated"]


async def test_while_memory_follows_it_is_told_that_the_vm_runs_there(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    world.says("move", source=HANDED | {"mode": "PostCopy"}, target={"prepared": True})
    await world.look()
    phase, reason, message = world.told("move")
    assert (phase, reason) == ("CuttingOver", "CuttingOver")
    assert message.startswith("web runs on h2, and the rest of its memory follows from h1.")
    assert world.assignment() == {"epoch": 1, "host": "h1"}


async def test_a_vm_whose_memory_was_lost_on_the_way_is_the_targets_and_the_migration_failed(
    world: MovingWorld,
) -> None:
    world.ask("move")
    await world.look()
    world.says("move", source=HANDED | {"mode": "PostCopy"}, target=RUNNING | {"outcome": "Lost"})
    await world.look()
    assert world.assignment() == {"epoch": 2, "host": "h2"}
    assert world.moving() is None
    phase, reason, message = world.told("move")
    assert (phase, reason) == ("Failed", "PostCopyFailed")
    assert "it starts anew from its disks on h2" in message
    assert world.events.reasons == ["MigrationStarted", "MigrationFailed"]


async def test_a_vm_whose_memory_was_lost_before_it_was_handed_over_stays(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    said = "A part of the memory of web was lost on the way; it starts anew from its disks on h1."
    gave_up = {"mode": "PostCopy", "outcome": "GaveUp", "reason": "PostCopyFailed", "message": said}
    world.says("move", source=gave_up, target={"prepared": True})
    await world.look()
    assert world.assignment() == {"epoch": 1, "host": "h1"}
    assert world.told("move")[:2] == ("Failed", "PostCopyFailed")


@pytest.mark.parametrize(
    ("source", "target"),
    [(2, 3), (1, 1), (3, 2)],
    ids=["they differ", "not above the assignment's", "they differ the other way"],
)
async def test_epochs_that_do_not_fit_cut_nothing_over(world: MovingWorld, source: int, target: int) -> None:
    world.ask("move")
    await world.look()
    world.says("move", source={**HANDED, "epoch": source}, target={**RUNNING, "epoch": target})
    await world.look()
    assert world.assignment() == {"epoch": 1, "host": "h1"}
    assert world.moving() is not None
    assert "differ, or come too late" in world.told("move")[2]


async def test_no_host_brings_epochs_to_their_end(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    beyond = MAX_CLAIM_EPOCH + 1
    world.says("move", source={**HANDED, "epoch": beyond}, target={**RUNNING, "epoch": beyond})
    await world.look()
    # the schema bounds it; what got in all the same is bounded by whoever reads
    assert world.assignment()["epoch"] <= MAX_CLAIM_EPOCH


async def test_what_the_source_gave_up_is_taken_off_the_vm_first(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    gave_up = {"outcome": "GaveUp", "reason": "TimedOut", "message": "web took too long. Try: no."}
    world.says("move", source=gave_up)
    await world.look()
    assert world.moving() is None
    assert world.assignment() == {"epoch": 1, "host": "h1"}
    phase, reason, message = world.told("move")
    assert (phase, reason) == ("Failed", "TimedOut")
    assert message.startswith("h1 gave it up: web took too long.")
    assert condition_of(world.live("move"), "Stalled")["reason"] == "TimedOut"
    assert world.events.reasons == ["MigrationStarted", "MigrationFailed"]


async def test_a_target_that_is_silent_is_why_the_source_gave_it_up(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    world.host("h2", conditions=[UNHEARD])
    world.says("move", source={"outcome": "GaveUp", "reason": "SourceFailed", "message": "libvirt says: no."})
    await world.look()
    assert world.told("move")[:2] == ("Failed", "TargetFailed")
    said = "h2 has been silent since 12:00:00 UTC, and h1 gave it up: libvirt says: no."
    assert world.told("move")[2].startswith(said)


@pytest.mark.parametrize("word", ["TimedOut", "NotRunning", "PostCopyFailed"])
async def test_a_host_says_in_its_own_words_why_it_gave_up(world: MovingWorld, word: str) -> None:
    world.ask("move")
    await world.look()
    world.says("move", source={"outcome": "GaveUp", "reason": word, "message": "so it is."})
    await world.look()
    advice = "qx status shows how both hosts are; then make a new migration"
    assert world.told("move")[1:] == (word, f"h1 gave it up: so it is. Try: {advice}.")


@pytest.mark.parametrize("word", ["Succeeded", "Queued", "SnapshotRunning", "Bogus", ""])
async def test_a_host_says_no_reason_that_is_not_its_to_say(world: MovingWorld, word: str) -> None:
    world.ask("move")
    await world.look()
    world.says("move", source={"outcome": "GaveUp", "reason": word or None})
    await world.look()
    phase, reason, message = world.told("move")
    assert (phase, reason) == ("Failed", "SourceFailed")
    assert message.startswith("h1 gave it up: it did not say why.")


async def test_a_target_that_refuses_is_a_wish_until_the_source_gives_up(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    refused = {"outcome": "Refused", "reason": "TargetFailed", "message": "it does not know pool fast"}
    world.says("move", target=refused)
    await world.look()
    assert world.moving() is not None
    assert world.told("move")[2].startswith("h2 refuses it, and it waits for h1")
    world.says("move", source={"outcome": "GaveUp", "reason": "TargetFailed"})
    await world.look()
    phase, reason, message = world.told("move")
    assert (phase, reason) == ("Failed", "TargetFailed")
    assert message.startswith("h2 could not receive it: it does not know pool fast.")


def _cancel(world: MovingWorld) -> None:
    world.wants("move", cancel=True)


def _delete(world: MovingWorld) -> None:
    world.goes("move")


def _stop(world: MovingWorld) -> None:
    world.wants("web", powerState="Stopped")


def _delete_vm(world: MovingWorld) -> None:
    world.goes("web")


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (_cancel, "It is to be cancelled"),
        (_delete, "It is to be cancelled"),
        (_stop, "web is to be off"),
        (_delete_vm, "web is being deleted"),
    ],
)
async def test_a_wish_waits_for_the_source(
    world: MovingWorld, wish: Callable[[MovingWorld], None], said: str
) -> None:
    world.ask("move")
    await world.look()
    wish(world)
    await world.look()
    assert world.moving() is not None
    assert world.told("move")[2].startswith(f"{said}, and it waits for h1")
    world.host("h1", conditions=[UNHEARD])
    await world.look()
    assert world.moving() is not None
    assert world.told("move")[2].startswith(
        f"{said}, but only h1 can give it up, which has been silent since 12:00:00 UTC."
    )


async def test_a_cancelled_migration_ends_by_the_sources_word(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    _cancel(world)
    world.says("move", source={"outcome": "GaveUp", "reason": "Cancelled"})
    await world.look()
    assert world.told("move")[:2] == ("Cancelled", "Cancelled")
    assert world.moving() is None
    assert world.events.reasons == ["MigrationStarted", "MigrationCancelled"]


async def test_a_hand_over_that_came_before_the_cancel_goes_through(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    _cancel(world)
    world.says("move", source=HANDED, target=RUNNING)
    await world.look()
    assert world.told("move")[0] == "Succeeded"


async def test_a_silent_host_is_named(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    world.host("h2", conditions=[UNHEARD])
    await world.look()
    assert world.told("move")[2].startswith("It waits for h2, which has been silent since 12:00:00 UTC.")
    world.says("move", source=HANDED)
    await world.look()
    assert world.told("move")[:2] == ("CuttingOver", "CuttingOver")
    assert world.told("move")[2].startswith("It waits for h2, which has been silent since 12:00:00 UTC.")


async def test_a_finished_migration_is_deleted_when_its_time_is_over(world: MovingWorld) -> None:
    world.ask("move", cancel=True, ttlSecondsAfterFinished=3600)
    await world.look()
    assert world.told("move")[0] == "Cancelled"
    assert world.live("move")["metadata"].get("deletionTimestamp") is None
    world.says("move", finishedAt="2026-01-01T00:00:00Z")
    await world.look()
    assert "uid-move" not in world.api.objects


async def test_a_deleted_migration_that_never_began_goes_at_once(world: MovingWorld) -> None:
    world.ask("move")
    world.goes("move")
    await world.look()
    assert "uid-move" not in world.api.objects
    assert world.moving() is None


async def test_a_name_that_a_former_leader_wrote_late_is_taken_off_by_the_sources_word(
    world: MovingWorld,
) -> None:
    world.ask("move", cancel=True)
    await world.look()
    assert world.told("move")[0] == "Cancelled"
    world.says("web", migration={"uid": "uid-move", "name": "move", "sourceHost": "h1", "targetHost": "h2"})
    await world.look()
    assert world.moving() is not None
    world.says("move", source={"outcome": "GaveUp", "reason": "Cancelled"})
    await world.look()
    assert world.told("move")[0] == "Cancelled"


async def test_a_restored_migration_that_was_over_before_it_began_stays_so(world: MovingWorld) -> None:
    """Its VM names it, and says where to; that it was cancelled was told."""
    world.ask("move", cancel=True)
    await world.look()
    world.says("web", migration={"uid": "uid-move", "name": "move", "sourceHost": "h1", "targetHost": "h2"})
    await world.look()
    status = world.live("move")["status"]
    assert (status["phase"], status["sourceHost"], status["targetHost"]) == ("Cancelled", "h1", "h2")
    version = world.live("move")["metadata"]["resourceVersion"]
    await world.look()
    assert world.live("move")["metadata"]["resourceVersion"] == version


async def test_a_vm_that_is_gone_ends_its_migration(world: MovingWorld) -> None:
    world.ask("move")
    await world.look()
    del world.api.objects["uid-web"]
    await world.look()
    assert world.told("move")[:2] == ("Failed", "SourceFailed")


ENDS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "handed over": (HANDED, RUNNING, "Succeeded"),
    "given up": ({"outcome": "GaveUp", "reason": "SourceFailed"}, {"outcome": "Gone"}, "Failed"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("lives", range(5))
async def test_a_leader_that_ends_after_any_write_leaves_what_the_next_one_finishes(
    world: MovingWorld, end: str, lives: int
) -> None:
    """Once before the hosts speak, and once after."""
    source, target, phase = ENDS[end]
    world.ask("move")
    for words in ({}, {"source": source, "target": target}):
        if words:
            world.says("move", **words)
        world.api.lives = lives
        try:
            await world.look()
        except KilledError:
            world.restart()
        world.restart()
        await world.look()
    assert world.told("move")[0] == phase
    assert world.moving() is None
    at_target = phase == "Succeeded"
    assert world.assignment()["host"] == ("h2" if at_target else "h1")
    assert world.live("web-root")["status"]["host"] == ("h2" if at_target else "h1")
    version = world.live("move")["metadata"]["resourceVersion"]
    await world.look()
    assert world.live("move")["metadata"]["resourceVersion"] == version, "planning again yields nothing"
