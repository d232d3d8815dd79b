"""What a target does about a guest that comes, and the laws that it keeps whatever it knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_hostd.migration.arrival import Arriving, Step, answer_to, plan_arrival
from quantix_hostd.migration.coming import Coming

HALF = Coming("m1", "h1", prepared=True)
HALF_MADE = Coming("m1", "h1")
WITH_DATA = Coming("m1", "h1", (("local", "v1"),), prepared=True)
OURS = Coming("m1", "h1", (), 2, prepared=True)
CASES: list[tuple[str, Arriving, Step]] = [
    ("one that is named is made ready for", Arriving(True, "m1"), "Prepare"),
    ("nothing is done before the API was heard", Arriving(False, "m1"), "Wait"),
    ("of one that nobody names nothing is done", Arriving(True, ""), "Wait"),
    ("one that was given up before is told to be gone", Arriving(True, "m1", gave_up=True), "TellGone"),
    ("one that was handed over without us waits", Arriving(True, "m1", epoch=2), "Wait"),
    ("unless it was not, by the claims", Arriving(True, "m1", epoch=2, claims="NotOurs"), "TellGone"),
    (
        "nothing is kept of one that never came and that the claims do not hand over",
        Arriving(True, "m1", epoch=2, coming=HALF, claims="NotOurs"),
        "ClearUp",
    ),
    (
        "a half that the claims do not hand over is kept",
        Arriving(True, "m1", epoch=2, coming=HALF, domain=True, claims="NotOurs"),
        "TellNotOurs",
    ),
    (
        "but not on a host that goes down",
        Arriving(True, "m1", epoch=2, coming=HALF, domain=True, claims="NotOurs", closing=True),
        "Drop",
    ),
    (
        "a half ends once the source let go of its claims",
        Arriving(True, "m1", epoch=2, coming=HALF, domain=True, claims="Spent"),
        "ClearUp",
    ),
    (
        "what was taken over by the claims stays so",
        Arriving(True, "m1", epoch=2, coming=OURS, claims="NotOurs"),
        "TakeOver",
    ),
    ("what was refused is not made ready for again", Arriving(True, "m1", refused=True), "Wait"),
    (
        "what was made of one that was refused goes",
        Arriving(True, "m1", refused=True, coming=HALF_MADE),
        "ClearUp",
    ),
    ("what was ready was not refused", Arriving(True, "m1", refused=True, coming=HALF), "TellPrepared"),
    ("a VM of this host does not come", Arriving(True, "m1", mine=True), "Wait"),
    ("one that is ready tells so", Arriving(True, "m1", coming=HALF), "TellPrepared"),
    ("what was left half made is made again", Arriving(True, "m1", coming=HALF_MADE), "Prepare"),
    (
        "a half is old once the VM is assigned here",
        Arriving(True, "", coming=HALF, mine=True),
        "ClearUp",
    ),
    ("data is not thrown away for it", Arriving(True, "", coming=WITH_DATA, mine=True), "Wait"),
    ("a VM that is another's since is an orphan as any", Arriving(True, "", coming=OURS), "Forget"),
    ("while it says that it moves here it is not", Arriving(True, "", coming=OURS, named=True), "TakeOver"),
    ("a half has its ports marked", Arriving(True, "m1", coming=HALF, domain=True), "WirePorts"),
    ("a half ends with its host", Arriving(True, "m1", coming=HALF, domain=True, closing=True), "Drop"),
    ("a host that goes down makes nothing ready", Arriving(True, "m1", closing=True), "Wait"),
    ("one that was handed over is taken over", Arriving(True, "m1", epoch=2, coming=HALF), "TakeOver"),
    ("one that was given up is cleared up", Arriving(True, "m1", gave_up=True, coming=HALF), "ClearUp"),
    ("a half that nobody speaks of is kept", Arriving(True, "", coming=HALF, domain=True), "Wait"),
    ("a later attempt ends an earlier one", Arriving(True, "m2", coming=HALF), "ClearUp"),
    ("a word about another attempt ends nothing", Arriving(True, "m2", epoch=2, coming=HALF), "ClearUp"),
    ("one that was taken over tells so", Arriving(True, "m1", coming=OURS), "TakeOver"),
    ("until it is assigned here", Arriving(True, "m1", coming=OURS, mine=True), "Forget"),
    ("whatever is said of it later", Arriving(True, "m1", gave_up=True, coming=OURS), "TakeOver"),
]
ARRIVING = st.builds(
    Arriving,
    known=st.booleans(),
    migration=st.sampled_from(["", "m1", "m2"]),
    gave_up=st.booleans(),
    epoch=st.sampled_from([0, 2]),
    refused=st.booleans(),
    coming=st.none() | st.sampled_from([HALF, HALF_MADE, WITH_DATA, OURS]),
    domain=st.booleans(),
    mine=st.booleans(),
    named=st.booleans(),
    closing=st.booleans(),
    claims=st.sampled_from(["Ours", "NotOurs", "Spent"]),
)


@pytest.mark.parametrize(("seen", "step"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_step(seen: Arriving, step: Step) -> None:
    assert plan_arrival(seen) == step


@given(ARRIVING)
def test_it_is_never_taken_over_without_the_hand_over_of_this_very_attempt(seen: Arriving) -> None:
    if plan_arrival(seen) == "TakeOver":
        assert seen.coming is not None
        handed = seen.epoch and seen.migration == seen.coming.uid and seen.claims == "Ours"
        assert seen.coming.epoch or handed


@given(ARRIVING)
def test_it_is_never_cleared_up_without_the_sources_word_or_that_of_the_claims(seen: Arriving) -> None:
    if plan_arrival(seen) == "ClearUp":
        assert seen.coming is not None
        assert not seen.coming.epoch
        later = seen.migration not in ("", seen.coming.uid)
        given_up = seen.gave_up and seen.migration == seen.coming.uid
        # by the claims nothing is handed over, and either nothing came or nobody can do so any more
        never = seen.epoch and (seen.claims == "Spent" or (seen.claims == "NotOurs" and not seen.domain))
        # none is sent to a host that was never ready
        refused = seen.refused and not (seen.coming.prepared or seen.domain)
        # or the word of the leader, which fenced the source
        assert refused or later or given_up or never or (seen.mine and not seen.coming.copies)


@given(ARRIVING)
def test_before_the_api_was_heard_nothing_is_done(seen: Arriving) -> None:
    if not seen.known:
        assert plan_arrival(seen) == "Wait"


@pytest.mark.parametrize(
    ("switching", "epoch", "named", "late", "answer"),
    [
        (2, 2, False, True, "GoesOn"),
        (2, 0, True, False, "TakeOver"),
        (2, 0, True, True, "TakeOver"),
        (2, 0, False, False, "Wait"),
        (2, 0, False, True, "StaysPaused"),
        (0, 0, False, False, "StaysPaused"),
        # its memory came first
        (0, 2, True, False, "StaysPaused"),
    ],
)
def test_libvirt_lets_it_go_on_only_by_the_claims(
    switching: int, epoch: int, named: bool, late: bool, answer: str
) -> None:
    coming = Coming("m1", "h0", epoch=epoch, switching=switching)
    assert answer_to(coming, "m1", named=named, late=late) == answer
    assert answer_to(coming, "m2", named=named, late=late) == "NotIts"
    assert answer_to(None, "m1", named=named, late=late) == "NotIts"
