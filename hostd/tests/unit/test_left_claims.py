"""What becomes of a claim that was noted before it was taken for work, decided by what is known of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quantix_hostd.claims import Claim, hold_still, new_claim, release, take
from quantix_hostd.restoring import begin_restore
from quantix_hostd.volume.left_claims import Forget, Free, Keep, SeenNote, plan_note

FREE = replace(new_claim("c1"), floor=4)
LENT = hold_still(FREE, "h1", "v", "c1")
WORK = take(FREE, "h1", 5, "v", "c1")
MOVES = replace(WORK, moving_to="slow")
LEFT = SeenNote("v", "h1", claim=WORK)


@pytest.mark.parametrize("held", [LENT, WORK, MOVES], ids=["lent", "grown or removed", "on its way"])
def test_a_claim_of_a_volume_that_left_this_host_is_freed_and_its_floor_never_falls(held: Claim) -> None:
    plan = plan_note(replace(LEFT, claim=held))
    assert held.holder is not None
    assert plan == Free(held, release(held, "h1", held.holder.epoch))
    assert isinstance(plan, Free)
    assert plan.freed.floor >= held.floor
    assert plan.freed.moving_to == held.moving_to, "whoever goes on finds the copy by it"


def test_what_is_this_hosts_own_is_left_to_its_look() -> None:
    assert plan_note(replace(LEFT, mine=True)) == Keep()


@pytest.mark.parametrize(
    "claim",
    [
        None,
        FREE,
        take(FREE, "h2", 5, "v", "c1"),
        take(FREE, "h1", 5, "a-vm", "c1"),
        begin_restore(FREE, "h1", "a-restore", "c1", epoch=None),
    ],
    ids=["no claim", "free", "another host has it", "a VM has it", "a restore has it"],
)
@pytest.mark.parametrize("mine", [False, True])
def test_a_claim_that_is_not_held_for_work_is_nobodys_to_free(claim: Claim | None, mine: bool) -> None:
    assert plan_note(replace(LEFT, claim=claim, mine=mine)) == Forget()


def test_what_this_process_works_on_and_what_cannot_be_read_is_left_alone() -> None:
    assert plan_note(replace(LEFT, busy=True, pool_gone=True)) == Keep()
    assert plan_note(replace(LEFT, claim=None, away=True)) == Keep()


def test_the_note_of_a_pool_that_is_no_more_goes() -> None:
    assert plan_note(replace(LEFT, claim=None, pool_gone=True)) == Forget()
