"""Two directions of a connection end together."""

from __future__ import annotations

import asyncio

import pytest

from quantix_client.both_ways import until_one_ends


class Way:
    """A direction that waits for ever; `ended` once somebody cancelled it."""

    def __init__(self) -> None:
        self.ended = False

    async def carry(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def ends(error: Exception | None = None) -> None:
    # the other has begun by then
    await asyncio.sleep(0)
    if error is not None:
        raise error


@pytest.mark.parametrize("error", [None, ConnectionResetError("gone")], ids=["closed", "gone"])
async def test_the_other_direction_ends_with_a_peer_that_goes(error: Exception | None) -> None:
    other = Way()
    await until_one_ends(ends(error), other.carry())
    assert other.ended


async def test_what_is_no_peer_that_went_away_is_raised_once_both_have_ended() -> None:
    other = Way()
    with pytest.raises(ValueError, match="a bug"):
        await until_one_ends(ends(ValueError("a bug")), other.carry())
    assert other.ended


async def test_whoever_calls_says_what_a_peer_that_went_away_raises() -> None:
    await until_one_ends(ends(KeyError("gone")), Way().carry(), gone=(KeyError,))
    with pytest.raises(OSError, match="no such door"):
        await until_one_ends(ends(OSError("no such door")), Way().carry(), gone=(KeyError,))


async def test_both_end_when_the_whole_is_cancelled() -> None:
    one, other = Way(), Way()
    whole = asyncio.create_task(until_one_ends(one.carry(), other.carry()))
    await asyncio.sleep(0.01)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert one.ended
    assert other.ended
