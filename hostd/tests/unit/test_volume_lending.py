"""A volume that is copied is nobody else's meanwhile, with the real claim store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import (
    Claim,
    Holder,
    VolumePlace,
    hold_still,
    new_claim,
    release,
    take,
)
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.restoring import begin_restore
from quantix_hostd.volume.recipe import Origin
from quantix_lab.lent_volumes import lending_at

_CLUSTER = "c1"


class Lent:
    """A source with its claim, and who lends it."""

    def __init__(self, root: Path) -> None:
        self.claims = LocalClaimStore()
        place = VolumePlace(root, "s")
        place.data.parent.mkdir(parents=True)
        self.claims.create(place, new_claim(_CLUSTER))
        self.origin = Origin("default/source", "s", place, 1 << 20)
        self.returned: list[str] = []
        self.lending = lending_at(root, self.claims, self.returned.append, _CLUSTER)

    @property
    def claim(self) -> Claim:
        found = self.claims.read(self.origin.place)
        assert found is not None
        return found

    def move(self, wanted: Claim) -> None:
        self.claims.compare_and_set(self.origin.place, self.claim, wanted)


@pytest.fixture
def lent(tmp_path: Path) -> Lent:
    return Lent(tmp_path)


async def test_it_is_held_meanwhile_and_its_epochs_are_as_they_were(lent: Lent) -> None:
    lent.move(release(take(lent.claim, "h1", 7, "uid-of-a-vm", _CLUSTER), "h1", 7))
    async with lent.lending.lent(lent.origin, "copy"):
        assert (lent.claim.holder, lent.lending.borrower("s")) == (Holder("h1", 0), "copy")
        for epoch in (8, 9):
            with pytest.raises(TransientError, match="h1 has not let go"):
                take(lent.claim, "h1", epoch, "uid-of-a-vm", _CLUSTER)
        with pytest.raises(TransientError, match="h1 has not let go"):
            async with lent.lending.lent(lent.origin, "another"):
                raise AssertionError
        assert lent.lending.borrower("s") == "copy"
    assert (lent.claim.holder, lent.claim.floor, lent.lending.borrower("s")) == (None, 7, "")
    assert lent.returned == ["default/source"]
    assert take(lent.claim, "h1", 8, "uid-of-a-vm", _CLUSTER).held_by("h1", 8)


async def test_a_volume_that_a_vm_has_or_of_another_cluster_is_not_lent(lent: Lent) -> None:
    held = take(lent.claim, "h1", 7, "uid-of-a-vm", _CLUSTER)
    lent.move(held)
    with pytest.raises(TransientError, match="h1 has not let go"):
        async with lent.lending.lent(lent.origin, "copy"):
            raise AssertionError
    assert (lent.claim, lent.lending.borrower("s")) == (held, "")
    lent.move(Claim(0, None, "", "c2"))
    with pytest.raises(TransientError, match="belongs to cluster c2"):
        async with lent.lending.lent(lent.origin, "copy"):
            raise AssertionError
    assert lent.claim == Claim(0, None, "", "c2")


async def test_a_copy_that_is_stopped_gives_it_back(lent: Lent) -> None:
    begun = asyncio.Event()

    async def copy() -> None:
        async with lent.lending.lent(lent.origin, "copy"):
            begun.set()
            await asyncio.Event().wait()

    copying = asyncio.create_task(copy())
    await begun.wait()
    copying.cancel()
    await asyncio.wait({copying})
    assert (lent.claim.holder, lent.returned) == (None, ["default/source"])


async def test_what_is_made_of_nothing_holds_nothing(lent: Lent) -> None:
    async with lent.lending.lent(None, "blank"):
        assert lent.claim == new_claim(_CLUSTER)
    assert lent.returned == []


@pytest.mark.parametrize("on_its_way", [{"moving_to": "fast"}, {"moved": True}, {"partial": True}])
async def test_a_volume_on_its_way_to_another_pool_is_not_lent(
    lent: Lent, on_its_way: dict[str, Any]
) -> None:
    """What is held beside a copy in another pool is taken to be held for that copy."""
    lent.move(replace(lent.claim, **on_its_way))
    before = lent.claim
    with pytest.raises(TransientError, match="h1 has not let go"):
        async with lent.lending.lent(lent.origin, "copy"):
            raise AssertionError
    assert (lent.claim, lent.lending.borrower("s")) == (before, "")


async def test_what_one_that_was_killed_left_held_still_is_freed(lent: Lent) -> None:
    lent.move(hold_still(release(take(lent.claim, "h1", 7, "vm", _CLUSTER), "h1", 7), "h1", "s", _CLUSTER))
    await lent.lending.end_left("default/source", "s", lent.origin.place)
    assert (lent.claim.holder, lent.claim.floor, lent.lending.borrower("s")) == (None, 7, "")
    assert lent.returned == ["default/source"]


async def test_what_is_lent_or_of_somebody_else_is_not_freed(lent: Lent) -> None:
    async with lent.lending.lent(lent.origin, "copy"):
        await lent.lending.end_left("default/source", "s", lent.origin.place)
        assert (lent.claim.holder, lent.lending.borrower("s")) == (Holder("h1", 0), "copy")
    for held in (
        hold_still(lent.claim, "h2", "s", _CLUSTER),
        begin_restore(lent.claim, "h1", "r", _CLUSTER, epoch=None),
        take(lent.claim, "h1", 1, "s", _CLUSTER),
    ):
        free = lent.claim
        lent.move(held)
        await lent.lending.end_left("default/source", "s", lent.origin.place)
        assert lent.claim == held
        lent.move(free)
