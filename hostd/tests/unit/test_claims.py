"""Claims: the table of moves, and what is particular to a store on real files. What every store does is in
the contract tests (`test_claim_stores`).
"""

from __future__ import annotations

import fcntl
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.errors import InvariantError, TransientError
from quantix_hostd.claims import (
    Claim,
    ClaimRefusedError,
    Holder,
    VolumePlace,
    hand_over,
    new_claim,
    put_down,
    regain,
    release,
    revoke,
    take,
    without_memory,
    without_memory_of,
)
from quantix_hostd.clients.claim_store import LocalClaimStore

CLUSTER = "cluster-1"
_LOCKED = (
    "Another process keeps the claim of volume v1 locked. "
    "Try: lslocks on the hosts of its pool says which; once that one has ended it goes on by itself."
)
FREE = new_claim(CLUSTER)


def held(host: str, epoch: int, floor: int = 0, vm: str = "vm-1") -> Claim:
    return Claim(floor, Holder(host, epoch), vm, CLUSTER)


@pytest.fixture
def place(tmp_path: Path) -> VolumePlace:
    (tmp_path / "volumes/v1").mkdir(parents=True)
    return VolumePlace(tmp_path, "v1")


def test_a_free_claim_is_taken_above_its_floor() -> None:
    assert take(FREE, "h1", 1, "vm-1", CLUSTER) == held("h1", 1)


def test_the_holder_takes_its_own_claim_again() -> None:
    assert take(held("h1", 3), "h1", 3, "vm-1", CLUSTER) == held("h1", 3)


@pytest.mark.parametrize(
    ("claim", "host", "epoch", "vm", "reason"),
    [
        (held("h2", 3), "h1", 4, "vm-1", "VolumeInUse"),
        (held("h1", 3), "h1", 4, "vm-1", "VolumeInUse"),
        (held("h1", 3), "h1", 3, "vm-2", "VolumeInUse"),
        (Claim(5, None, "", CLUSTER), "h1", 5, "vm-1", "ClaimStale"),
        (Claim(0, None, "", "another cluster"), "h1", 1, "vm-1", "ClaimForeign"),
    ],
)
def test_every_other_taking_is_refused(claim: Claim, host: str, epoch: int, vm: str, reason: str) -> None:
    with pytest.raises(ClaimRefusedError) as refused:
        take(claim, host, epoch, vm, CLUSTER)
    assert refused.value.reason == reason


def test_a_release_raises_the_floor_and_forgets_nobody_elses() -> None:
    assert release(held("h1", 3), "h1", 3) == Claim(3, None, "vm-1", CLUSTER)
    assert release(held("h2", 3), "h1", 3) == held("h2", 3)
    assert release(held("h1", 3), "h1", 2) == held("h1", 3)


def test_a_host_regains_only_its_own_claim_of_an_older_epoch_for_the_same_vm() -> None:
    assert regain(held("h1", 3), "h1", 5, "vm-1") == Claim(3, None, "vm-1", CLUSTER)
    for claim in (held("h2", 3), held("h1", 5), held("h1", 6), held("h1", 3, vm="vm-2"), FREE):
        assert regain(claim, "h1", 5, "vm-1") == claim


def test_only_its_holder_puts_a_claim_down_and_may_take_it_again_under_the_same_epoch() -> None:
    put = put_down(held("h1", 3, floor=2), "h1", 3)
    assert put == Claim(2, None, "vm-1", CLUSTER, written=3)
    assert take(put, "h1", 3, "vm-1", CLUSTER) == held("h1", 3, floor=2)
    for claim in (held("h2", 3), held("h1", 4), FREE):
        assert put_down(claim, "h1", 3) == claim


def test_only_a_free_claim_is_revoked() -> None:
    assert revoke(FREE, 4).floor == 4
    with pytest.raises(ClaimRefusedError):
        revoke(held("h1", 3), 4)


def test_only_its_holder_hands_a_claim_over() -> None:
    assert hand_over(held("h1", 3), "h1", "h2") == held("h2", 4)
    with pytest.raises(ClaimRefusedError) as refused:
        hand_over(held("h1", 3), "h2", "h3")
    assert refused.value.reason == "ClaimNotHeld"


PLACE = (st.sampled_from(["h1", "h2"]), st.integers(1, 6))
MOVE = st.one_of(
    st.tuples(st.just("take"), *PLACE),
    st.tuples(st.just("release"), *PLACE),
    st.tuples(st.just("regain"), *PLACE),
    st.tuples(st.just("revoke"), st.just(""), st.integers(1, 6)),
    st.tuples(st.just("hand over"), st.sampled_from(["h1", "h2"]), st.just(0)),
)


@given(st.lists(MOVE, max_size=30))
def test_whatever_is_tried_an_epoch_belongs_to_one_host_and_never_comes_back(
    moves: list[tuple[str, str, int]],
) -> None:
    claim = FREE
    owners: dict[int, str] = {}
    for move, host, epoch in moves:
        before = claim
        try:
            claim = _moved(claim, move, host, epoch)
        except ClaimRefusedError:
            continue
        assert claim.floor >= before.floor
        if claim.holder is not None:
            assert claim.holder.epoch > claim.floor
            assert owners.setdefault(claim.holder.epoch, claim.holder.host) == claim.holder.host


@given(st.lists(st.one_of(MOVE, st.tuples(st.just("put down"), *PLACE)), max_size=30))
def test_a_claim_that_was_put_down_goes_to_no_spent_epoch(moves: list[tuple[str, str, int]]) -> None:
    claim, spent = FREE, 0
    for move, host, epoch in moves:
        before = claim
        try:
            claim = _moved(claim, move, host, epoch)
        except ClaimRefusedError:
            continue
        spent = max(spent, claim.floor)
        assert claim.floor >= before.floor
        if before.holder is not None and move == "take":
            assert claim == before, "nobody takes what is held"
        if claim.holder is not None:
            assert claim.holder.epoch > spent


def _moved(claim: Claim, move: str, host: str, epoch: int) -> Claim:
    if move == "take":
        return take(claim, host, epoch, "vm-1", CLUSTER)
    if move == "release":
        return release(claim, host, epoch)
    if move == "regain":
        return regain(claim, host, epoch, "vm-1")
    if move == "put down":
        return put_down(claim, host, epoch)
    if move == "revoke":
        return revoke(claim, epoch)
    return hand_over(claim, host, "h2" if host == "h1" else "h1")


def test_a_crash_while_writing_leaves_the_old_claim(place: VolumePlace) -> None:
    store = LocalClaimStore()
    store.create(place, FREE)
    (place.directory / "volumes/v1/.claim.new").write_bytes(b'{"flo')
    assert store.read(place) == FREE
    store.compare_and_set(place, FREE, held("h1", 1))
    assert store.read(place) == held("h1", 1)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere/v1"
    real.mkdir(parents=True)
    (tmp_path / "pool/volumes").mkdir(parents=True)
    (tmp_path / "pool/volumes/v1").symlink_to(real)
    with pytest.raises(TransientError):
        LocalClaimStore().create(VolumePlace(tmp_path / "pool", "v1"), FREE)
    assert list(real.iterdir()) == []


@pytest.mark.parametrize("handle", ["../x", "a/b", "", ".", ".."])
def test_a_handle_is_one_name(tmp_path: Path, handle: str) -> None:
    with pytest.raises(InvariantError):
        LocalClaimStore().read(VolumePlace(tmp_path, handle))


def test_a_lock_that_is_never_let_go_is_waited_for_no_longer_than_for_others(
    place: VolumePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalClaimStore()
    store.create(place, FREE)
    monkeypatch.setattr("quantix_hostd.clients.claim_store._LOCK_TRIES", 5)
    descriptor = os.open(place.data.parent, os.O_RDONLY)
    said: list[Exception] = []

    def change() -> None:
        try:
            store.compare_and_set(place, FREE, held("h1", 1))
        except TransientError as error:
            said.append(error)

    fcntl.flock(descriptor, fcntl.LOCK_EX)
    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    thread.join(5)
    os.close(descriptor)
    assert [str(error) for error in said] == [_LOCKED], "or no call into its pool is answered"
    assert store.read(place) == FREE
    store.compare_and_set(place, FREE, held("h1", 1))
    assert store.read(place) == held("h1", 1)


def test_a_claim_that_is_written_anew_leaves_nothing_to_a_rename_that_comes_late(place: VolumePlace) -> None:
    store = LocalClaimStore()
    store.create(place, FREE)
    store.compare_and_set(place, FREE, held("h1", 1))
    directory = place.data.parent
    # what a hostd that was killed wrote, whose rename is still on its way to the server
    (directory / ".claim.new").write_bytes((directory / "claim").read_bytes().replace(b"h1", b"h9"))
    store.compare_and_set(place, held("h1", 1), held("h1", 1), rewrite=True)
    with pytest.raises(FileNotFoundError):
        (directory / ".claim.new").rename(directory / "claim")
    assert store.read(place) == held("h1", 1)


def test_kept_memory_goes_with_another_vm_and_before_its_own_goes_on() -> None:
    marked = replace(new_claim("c1"), memory="vm/local/s")
    assert take(marked, "h1", 1, "vm", "c1").memory == "vm/local/s"
    assert take(marked, "h1", 1, "other", "c1").memory == ""
    assert without_memory(marked, "h1") == marked
    assert without_memory(take(marked, "h1", 1, "vm", "c1"), "h1").memory == ""


def test_kept_memory_goes_with_its_snapshot_whoever_holds_the_volume() -> None:
    marked = replace(new_claim("c1"), memory="vm/local/s")
    held = take(marked, "h1", 1, "vm", "c1")
    assert without_memory_of(marked, "s") == replace(marked, memory="")
    assert without_memory_of(held, "s") == replace(held, memory="")
    assert without_memory_of(held, "another") == held
