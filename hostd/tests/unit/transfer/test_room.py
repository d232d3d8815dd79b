"""How much of a pool images on their way may fill. Files are real, only the size of the pool is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir, Space
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.transfer.receive import Expectation, Incoming, receive_image
from quantix_hostd.transfer.room import Room
from quantix_lab.open_sandbox import OpenSandbox

_MIB = 1 << 20
_CAPACITY = 200 * _MIB


class SmallPool(PoolDir):
    """A pool on a disk of 200 MiB; `guests_bytes` have been written there by others."""

    guests_bytes = 0

    def space(self) -> Space:
        ours = sum(path.stat().st_size for path in self.images.iterdir())
        return Space(_CAPACITY, _CAPACITY - ours - self.guests_bytes)


@pytest.fixture
def pool(tmp_path: Path) -> SmallPool:
    made = SmallPool("local", tmp_path / "pool", FileOwner.current(), "h1")
    made.prepare(create=True)
    return made


async def endless() -> AsyncIterator[bytes]:
    """More than the pool holds; the test ends where nobody stops it."""
    for _ in range(_CAPACITY // _MIB + 1):
        yield b"\0" * _MIB
    pytest.fail("the pool was filled to its end")


async def refusal(
    pool: SmallPool, room: Room, chunks: AsyncIterator[bytes], length_bytes: int | None
) -> tuple[TransientError, int]:
    """Why the image is not taken, and how many bytes were taken before."""
    heard = [0]
    with pytest.raises(TransientError) as caught:
        await receive_image(
            pool,
            Expectation("0a1b", "Auto", "", 1 << 40),
            Incoming(chunks, length_bytes),
            QemuImg(OpenSandbox()),
            room=room,
            on_progress=heard.append,
        )
    assert list(pool.images.iterdir()) == [], "something half-written was kept"
    return caught.value, heard[-1]


async def test_a_stream_without_a_length_ends_before_the_last_twentieth_of_the_pool(pool: SmallPool) -> None:
    error, taken = await refusal(pool, Room(), endless(), None)
    assert error.reason == "PoolFull"
    assert 64 * _MIB < taken <= _CAPACITY * 95 // 100


async def test_a_length_that_does_not_fit_is_refused_before_a_byte_is_taken(pool: SmallPool) -> None:
    error, taken = await refusal(pool, Room(), endless(), 191 * _MIB)
    assert (error.reason, taken) == ("PoolFull", 0)


async def test_a_transfer_ends_when_guests_take_the_room_meanwhile(pool: SmallPool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"\0" * _MIB
        pytest.fail("nobody looked at the pool again")

    async def guests_write() -> AsyncIterator[bytes]:
        async for chunk in chunks():
            SmallPool.guests_bytes = 150 * _MIB
            yield chunk

    try:
        error, taken = await refusal(pool, Room(), guests_write(), 150 * _MIB)
    finally:
        SmallPool.guests_bytes = 0
    assert error.reason == "PoolFull"
    assert taken <= 65 * _MIB


async def test_what_another_transfer_still_has_to_write_is_not_free(pool: SmallPool) -> None:
    room = Room()
    with room.share(pool, 120 * _MIB, 1 << 40) as first:
        await first.reach(0)
        error, taken = await refusal(pool, room, endless(), 100 * _MIB)
        assert (error.reason, taken) == ("PoolFull", 0)
        first.written_bytes = 120 * _MIB  # and the file system of this pool shows none of it
        with room.share(pool, 100 * _MIB, 1 << 40) as second:
            await second.reach(0)
    with room.share(pool, 190 * _MIB, 1 << 40) as alone:
        await alone.reach(0)


async def test_a_length_that_is_refused_takes_no_room_from_others(pool: SmallPool) -> None:
    room = Room()
    with room.share(pool, 1 << 39, 1 << 40) as greedy, room.share(pool, None, 1 << 40) as modest:
        ends = await asyncio.gather(greedy.reach(0), modest.reach(0), return_exceptions=True)
    assert isinstance(ends[0], TransientError)
    assert ends[1] is None


class FullPool(SmallPool):
    """As one in Ceph that takes no writes, however much is free."""

    def space(self) -> Space:
        return Space(_CAPACITY, _CAPACITY, "an OSD is full")


async def test_what_takes_no_writes_has_no_room(tmp_path: Path) -> None:
    full, room = FullPool("fast", tmp_path, FileOwner.current(), "h1"), Room()
    with room.share(full, None, _MIB) as share, pytest.raises(TransientError) as refused:
        await room.promise(share, 0)
    assert refused.value.reason == "PoolFull"
    assert refused.value.message == "Pool fast takes no more, since an OSD is full."
