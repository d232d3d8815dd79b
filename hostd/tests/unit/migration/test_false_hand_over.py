"""A source that says it handed a guest over, and the claims say otherwise: its key may be stolen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from quantix_hostd.claims import Claim, Holder
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.migration.coming import ComingStore
from quantix_lab.arriving_guest import Arrival, arriving
from quantix_lab.vm_world import CLUSTER

THEIRS = Holder("h0", 1)


@pytest.fixture
async def arrival() -> AsyncIterator[Arrival]:
    async with arriving() as made:
        yield made


async def made_ready(arrival: Arrival) -> None:
    """Its disk is where both hosts reach it, and the source has the claim."""
    await arrival.look()
    store = ComingStore(arrival.world.layout)
    coming = store.load(arrival.uid)
    assert coming is not None
    store.save(arrival.uid, replace(coming, copies=(), staying=coming.copies))
    claim_is(arrival, Claim(0, THEIRS, arrival.uid, CLUSTER))


def claim_is(arrival: Arrival, claim: Claim) -> None:
    arrival.world.claims.compare_and_set(arrival.place, arrival.claim, claim)


def let_go(arrival: Arrival) -> None:
    """The source ends its guest, as for a VM that is deleted."""
    claim_is(arrival, replace(arrival.claim, floor=1, holder=None))


async def test_where_nothing_came_nothing_is_kept(arrival: Arrival) -> None:
    await made_ready(arrival)
    arrival.source_says(outcome="HandedOver", epoch=2)
    await arrival.look()
    await arrival.look()
    assert arrival.told == {"outcome": "Gone"}
    assert not arrival.moves.has(arrival.uid)
    assert arrival.claim.holder == THEIRS, "nobody takes another's claim"


async def test_a_half_is_kept_until_the_source_let_go_of_the_claims(arrival: Arrival) -> None:
    await made_ready(arrival)
    await arrival.arrive()
    arrival.source_says(outcome="HandedOver", epoch=2)
    await arrival.look()
    assert arrival.state() is DomainState.PAUSED
    assert arrival.told == {
        "prepared": True,
        "reason": "SourceFailed",
        "message": "The disks of web-1 do not say that it is h1's.",
    }
    before = arrival.claim
    let_go(arrival)
    await arrival.look()
    assert (arrival.told["outcome"], arrival.told["reason"]) == ("Gone", "SourceFailed")
    assert arrival.state() is None
    assert (arrival.claim.holder, arrival.claim.floor) == (None, before.floor + 1)


async def test_it_is_taken_over_once_the_claims_say_so(arrival: Arrival) -> None:
    await made_ready(arrival)
    await arrival.arrive()
    arrival.source_says(outcome="HandedOver", epoch=2)
    await arrival.look()
    arrival.name_us()
    await arrival.look()
    assert arrival.told == {"prepared": True, "outcome": "Running", "epoch": 2}
    assert arrival.state() is DomainState.RUNNING


async def test_one_that_was_never_made_ready_for_is_gone(arrival: Arrival) -> None:
    arrival.source_says(outcome="HandedOver", epoch=2)
    await arrival.look()
    assert arrival.told == {"outcome": "Gone"}


async def test_what_is_left_of_one_that_was_forgotten_is_kept(arrival: Arrival) -> None:
    await arrival.look()
    ComingStore(arrival.world.layout).forget(arrival.uid)
    arrival.source_says(outcome="HandedOver", epoch=2)
    await arrival.look()
    assert "outcome" not in arrival.told
    assert arrival.claim.partial
