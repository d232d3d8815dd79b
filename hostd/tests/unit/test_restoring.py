"""The claims of disks that are set back: whom they admit, and who may have written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quantix_hostd.claims import (
    ClaimRefusedError,
    Holder,
    hold_still,
    new_claim,
    put_down,
    release,
    take,
    take_for_work,
)
from quantix_hostd.clients.claim_text import parse_claim, render_claim
from quantix_hostd.moves import complete, copy_of
from quantix_hostd.restoring import (
    begin_restore,
    end_restore,
    give_up_restore,
    is_half,
    touch,
    written_under,
)


def test_a_disk_that_is_set_back_admits_nobody_until_the_restore_is_over() -> None:
    held = begin_restore(new_claim("c1"), "h1", "r", "c1", epoch=None)
    assert (held.holder, held.restoring) == (Holder("h1", 0), "r")
    # whatever becomes of the host
    for left in (held, release(held, "h1", 0)):
        with pytest.raises(ClaimRefusedError):
            take(left, "h2", 9, "vm", "c1")
        with pytest.raises(ClaimRefusedError):
            hold_still(left, "h1", "v", "c1")
        assert begin_restore(left, "h1", "r", "c1", epoch=None) == held
    assert begin_restore(release(held, "h1", 0), "h2", "r", "c1", epoch=None).holder == Holder("h2", 0)
    over = end_restore(held, "r")
    assert (over.holder, over.restoring, over.restored, over.floor) == (None, "", "r", 0)
    assert take(over, "h2", 1, "vm", "c1").held_by("h2", 1)
    assert end_restore(over, "other") == over


def test_no_restore_takes_a_disk_from_who_has_it() -> None:
    for claim in (
        take(new_claim("c1"), "h1", 1, "vm", "c1"),
        hold_still(new_claim("c1"), "h1", "v", "c1"),
        replace(new_claim("c1"), moving_to="fast"),
        replace(new_claim("c1"), partial=True),
        new_claim("c2"),
        begin_restore(new_claim("c1"), "h2", "r", "c1", epoch=None),
    ):
        with pytest.raises(ClaimRefusedError):
            begin_restore(claim, "h1", "r", "c1", epoch=None)


def test_what_only_work_had_counts_as_written_no_later_than_by_the_last_guest() -> None:
    free = release(take(new_claim("c1"), "h1", 3, "vm", "c1"), "h1", 3)
    for host in ("h1", "h2"):
        held = take_for_work(free, host, "v", "c1")
        assert held.held_by(host, free.floor + 1)
        free = parse_claim(render_claim(release(held, host, free.floor + 1)).encode(), "v")
    assert (free.floor, written_under(free)) == (5, 3)
    copied = complete(copy_of(free, "fast", None, ""), free)
    assert written_under(copied) == 3
    guests = take(free, "h1", 6, "vm", "c1")
    assert written_under(release(guests, "h1", 6)) == 6


def test_no_restore_takes_a_disk_that_a_guest_had_under_a_later_epoch_than_it_knows() -> None:
    free = release(take(new_claim("c1"), "h1", 3, "vm", "c1"), "h1", 3)
    begun = begin_restore(free, "h1", "r", "c1", epoch=3)
    for written in (free, begin_restore(free, "h1", "one that is no more", "c1", epoch=None)):
        with pytest.raises(ClaimRefusedError) as refused:
            begin_restore(written, "h1", "r", "c1", epoch=2)
        assert refused.value.reason == "ClaimStale"
    # nothing of what the guest wrote is lost by these
    assert begin_restore(begun, "h1", "r", "c1", epoch=2) == begun
    half = touch(
        begin_restore(free, "h1", "one that is no more", "c1", epoch=None), "h1", "one that is no more"
    )
    assert is_half(begin_restore(half, "h1", "r", "c1", epoch=2))


def test_no_restore_takes_a_disk_that_a_guest_wrote_before_it_went_on_without_it() -> None:
    """Its claim's floor is as before: the guest's epoch is not spent."""
    unplugged = put_down(take(replace(new_claim("c1"), floor=1), "h1", 3, "vm", "c1"), "h1", 3)
    assert unplugged.floor == 1
    for known in (1, 2):
        with pytest.raises(ClaimRefusedError) as refused:
            begin_restore(unplugged, "h1", "r", "c1", epoch=known)
        assert refused.value.reason == "ClaimStale"
    assert begin_restore(unplugged, "h1", "r", "c1", epoch=3).restoring == "r"


def test_no_disk_is_changed_for_a_restore_that_does_not_have_it_any_more() -> None:
    begun = begin_restore(new_claim("c1"), "h1", "r", "c1", epoch=None)
    for lost in (
        give_up_restore(begun, "h1"),
        release(begun, "h1", 0),
        begin_restore(begun, "h1", "another", "c1", epoch=None),
        take(give_up_restore(begun, "h1"), "h2", 1, "vm", "c1"),
    ):
        with pytest.raises(ClaimRefusedError):
            touch(lost, "h1", "r")


def test_a_restore_is_given_up_as_if_it_never_was_until_it_has_touched_the_disk() -> None:
    free = release(take(new_claim("c1"), "h1", 3, "vm", "c1"), "h1", 3)
    begun = begin_restore(free, "h1", "r", "c1", epoch=None)
    assert not is_half(begin_restore(begun, "h1", "r", "c1", epoch=None))
    assert give_up_restore(begun, "h1") == replace(free, vm_uid="")
    half = touch(begun, "h1", "r")
    assert is_half(half)
    assert is_half(begin_restore(release(half, "h1", 0), "h2", "another", "c1", epoch=None)), "it stays so"
    assert not is_half(end_restore(half, "r"))
    assert parse_claim(render_claim(begun).encode(), "v") == begun
