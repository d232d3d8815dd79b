"""A guest that comes by post-copy: libvirt lets it go on only where the claims say so (docs/adr/0052)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.facts.domain import (
    PAUSED_BY_USER,
    PAUSED_MIGRATING,
    RUNNING_POST_COPY,
    RUNNING_POST_COPY_FAILED,
    DomainState,
)
from quantix_hostd.migration.coming import ComingStore, IncomingMove
from quantix_hostd.migration.switched import HOLD_S
from quantix_lab.arriving_guest import OURS, Arrival, arriving

RUNS, STANDS = DomainState.RUNNING, DomainState.PAUSED
MIGRATED = 2


@pytest.fixture
async def arrival() -> AsyncIterator[Arrival]:
    """Its half is here, and libvirt waits for the rest."""
    async with arriving() as made:
        wish(made)
        await made.look()
        await made.arrive()
        made.is_now(STANDS, PAUSED_MIGRATING)
        yield made


def wish(arrival: Arrival) -> None:
    manifest = arrival.world.api.objects["m1"]
    manifest["spec"]["postCopy"] = True
    arrival.migrations["m1"] = arrival.world.api.put(manifest)


async def may_go_on(arrival: Arrival) -> bool:
    """What is said to libvirt's call."""
    return await asyncio.wait_for(arrival.moves.switched.may_go_on(arrival.move), 5.0)


async def may_not_yet(arrival: Arrival) -> asyncio.Task[bool]:
    asking = asyncio.create_task(arrival.moves.switched.may_go_on(arrival.move))
    await asyncio.sleep(0.15)
    assert not asking.done()
    return asking


async def switch(arrival: Arrival, epoch: int = 2) -> None:
    await arrival.moves.switched.switching(arrival.move, epoch)


async def let_go_on(arrival: Arrival) -> None:
    """The claims are handed over, and libvirt has resumed it."""
    await switch(arrival)
    arrival.name_us()
    assert await may_go_on(arrival)
    arrival.is_now(RUNS, RUNNING_POST_COPY)


@pytest.mark.parametrize(("lets", "said"), [(True, True), (False, False)])
async def test_it_says_whether_its_kernel_lets_memory_come_later(
    arrival: Arrival, lets: bool, said: bool
) -> None:
    arrival.kernel_lets = lets
    arrival.restart()
    await arrival.look()
    assert arrival.told == {"prepared": True, "postCopy": said}


async def test_one_whose_memory_came_first_is_left_paused_at_once(arrival: Arrival) -> None:
    assert not await may_go_on(arrival)
    assert arrival.claim.holder is None


async def test_one_whose_source_lies_stays_paused_and_is_none_of_this_hosts(arrival: Arrival) -> None:
    await switch(arrival)
    asking = await may_not_yet(arrival)
    arrival.world.skipped_s += HOLD_S + 1
    assert not await asyncio.wait_for(asking, 5.0)
    assert arrival.world.records.load(arrival.uid).epoch == 0
    assert arrival.state() is STANDS
    assert arrival.hypervisor.calls == ["define", "create"]


async def test_claims_that_name_this_host_under_another_epoch_do_not_count(arrival: Arrival) -> None:
    await switch(arrival, 3)
    arrival.name_us()
    asking = await may_not_yet(arrival)
    asking.cancel()


async def test_it_goes_on_as_soon_as_the_claims_say_so_and_only_libvirt_resumes_it(arrival: Arrival) -> None:
    await switch(arrival)
    asking = await may_not_yet(arrival)
    arrival.name_us()
    assert await asyncio.wait_for(asking, 5.0)
    record = arrival.world.records.load(arrival.uid)
    assert (record.epoch, record.started) == (2, True)
    assert "resume" not in arrival.hypervisor.calls
    assert arrival.claim.holder == OURS


async def test_a_hand_over_that_is_heard_first_waits_for_libvirts_call(arrival: Arrival) -> None:
    await switch(arrival)
    arrival.name_us()
    handing = asyncio.create_task(arrival.hand_over())
    await asyncio.sleep(0.1)
    assert not handing.done()
    assert await may_go_on(arrival)
    await asyncio.wait_for(handing, 5.0)
    assert "resume" not in arrival.hypervisor.calls


async def test_it_says_that_it_runs_once_all_its_memory_is_here(arrival: Arrival) -> None:
    await let_go_on(arrival)
    await arrival.look()
    assert "outcome" not in arrival.told
    arrival.is_now(RUNS, MIGRATED)
    await arrival.look()
    assert (arrival.told["outcome"], arrival.told["epoch"]) == ("Running", 2)
    # what becomes of it from now on is its own
    del arrival.hypervisor.found[f"qx-{arrival.uid}"]
    await arrival.look()
    assert arrival.told["outcome"] == "Running"


@pytest.mark.parametrize("how", ["broken", "gone"])
async def test_one_whose_memory_does_not_come_is_ended_and_told_as_lost(arrival: Arrival, how: str) -> None:
    await let_go_on(arrival)
    if how == "broken":
        arrival.is_now(RUNS, RUNNING_POST_COPY_FAILED)
    else:
        del arrival.hypervisor.found[f"qx-{arrival.uid}"]
    arrival.restart()
    for _ in range(2):
        await arrival.look()
        assert (arrival.told["outcome"], arrival.told["epoch"]) == ("Lost", 2)
    assert arrival.state() is None
    assert arrival.claim.holder == OURS


async def test_a_half_that_died_before_it_went_on_is_lost_and_this_hosts(arrival: Arrival) -> None:
    await switch(arrival)
    arrival.name_us()
    del arrival.hypervisor.found[f"qx-{arrival.uid}"]
    await arrival.hand_over()
    assert arrival.told["outcome"] == "Lost"
    assert not arrival.world.records.load(arrival.uid).started


async def test_one_that_its_source_did_not_switch_after_all_is_as_any_other(arrival: Arrival) -> None:
    await switch(arrival)
    asking = await may_not_yet(arrival)
    await switch(arrival, 0)
    assert not await asyncio.wait_for(asking, 5.0)
    arrival.is_now(STANDS, PAUSED_BY_USER)
    arrival.name_us()
    await arrival.hand_over()
    assert arrival.state() is RUNS
    assert arrival.told["outcome"] == "Running"


async def test_one_that_was_left_paused_stays_so_whatever_its_source_says_later(arrival: Arrival) -> None:
    assert not await may_go_on(arrival)
    await switch(arrival)
    arrival.is_now(STANDS, PAUSED_BY_USER)
    arrival.name_us()
    await arrival.hand_over()
    assert arrival.state() is RUNS
    assert arrival.told["outcome"] == "Running"


async def test_one_that_was_let_go_on_is_not_called_back(arrival: Arrival) -> None:
    await let_go_on(arrival)
    await switch(arrival, 0)
    assert await may_go_on(arrival)
    coming = ComingStore(arrival.world.layout).load(arrival.uid)
    assert coming is not None
    assert (coming.epoch, coming.switching) == (2, 2)


async def test_a_switch_of_what_does_not_come_here_is_refused(arrival: Arrival) -> None:
    with pytest.raises(TransientError):
        await arrival.moves.switched.switching(IncomingMove("m2", "h0", arrival.uid), 2)
    assert not await arrival.moves.switched.may_go_on(IncomingMove("m2", "h0", arrival.uid))
