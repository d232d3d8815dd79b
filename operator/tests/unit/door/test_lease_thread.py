"""The lease is kept while the loop that works is busy, and given up when it never comes round again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from quantix_api.errors import PermanentError
from quantix_operator.leader import work_while_leading
from quantix_operator.lease_thread import LeaseThread

# a bound for what happens within milliseconds
_SOON_S = 10.0


class Lease:
    """Renewed every millisecond by the thread that holds it, until `lost` is set."""

    def __init__(self) -> None:
        self.lost = threading.Event()
        self.renewed = threading.Semaphore(0)
        self.threads: set[str] = set()
        self.released = False
        self.cancelled = False
        self.free = True

    @property
    def remaining_s(self) -> float:
        return 0.0

    async def acquire(self) -> None:
        self.threads.add(threading.current_thread().name)
        try:
            if not self.free:
                await asyncio.sleep(_SOON_S)
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    async def hold(self) -> None:
        self.threads.add(threading.current_thread().name)
        while not self.lost.is_set():
            self.renewed.release()
            await asyncio.sleep(0.001)

    async def release(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.released = True

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Lease]:
        yield self


class Process:
    """Stands for the end of the process."""

    def __init__(self) -> None:
        self.died = threading.Event()

    def die(self) -> None:
        self.died.set()


def blocked_until(event: threading.Event) -> bool:
    """What a loop that works without a pause is to all others; whether it came to the event."""
    return event.wait(_SOON_S)


async def test_a_leader_renews_while_its_loop_is_busy() -> None:
    lease = Lease()
    async with LeaseThread(lease.open, Process().die) as held:
        await held.acquire()
        holding = asyncio.create_task(held.hold())
        await asyncio.sleep(0)
        for _ in range(20):
            assert lease.renewed.acquire(timeout=_SOON_S)
        holding.cancel()
        await asyncio.wait({holding})
        await held.release()
    assert lease.threads == {"lease"}
    assert lease.released


async def test_a_loop_too_busy_to_hear_that_it_leads_no_more_ends_with_the_process() -> None:
    lease, process = Lease(), Process()
    async with LeaseThread(lease.open, process.die, last_work_s=0.01) as held:
        holding = asyncio.create_task(held.hold())
        await asyncio.sleep(0)
        lease.lost.set()
        assert blocked_until(process.died)
        await holding


async def test_a_leader_that_stands_down_in_time_lives() -> None:
    lease, process = Lease(), Process()
    async with LeaseThread(lease.open, process.die, last_work_s=0.2) as held:

        async def work() -> None:
            lease.lost.set()
            await asyncio.sleep(_SOON_S)

        await work_while_leading(held, work, process.die)
        await held.release()
        await asyncio.sleep(0.25)
    assert not process.died.is_set()


async def test_a_leader_whose_loop_never_comes_round_again_renews_no_more() -> None:
    lease, process = Lease(), Process()
    async with LeaseThread(lease.open, process.die, hung_s=0.02, last_work_s=0.01) as held:
        holding = asyncio.create_task(held.hold())
        await asyncio.sleep(0)
        assert blocked_until(process.died)
        while lease.renewed.acquire(blocking=False):
            pass
        await holding
        assert not lease.renewed.acquire(timeout=0.05)


async def test_a_loop_that_comes_round_in_time_is_not_taken_for_one_that_hangs() -> None:
    lease, process = Lease(), Process()
    async with LeaseThread(lease.open, process.die, hung_s=0.3, last_work_s=0.0) as held:
        holding = asyncio.create_task(held.hold())
        for _ in range(70):
            await asyncio.sleep(0.01)
        assert not holding.done()
        holding.cancel()
        await asyncio.wait({holding})
    assert not process.died.is_set()


async def test_a_candidate_that_is_stopped_waits_for_leadership_no_longer() -> None:
    lease = Lease()
    lease.free = False
    async with LeaseThread(lease.open, Process().die) as held:
        waiting = asyncio.create_task(held.acquire())
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait({waiting})
    assert lease.cancelled


class Breaking(Lease):
    """Ends the loop that it is renewed in."""

    async def hold(self) -> None:
        raise SystemExit("the loop ends")


async def test_a_thread_whose_loop_dies_says_why_and_takes_the_process_along() -> None:
    lease, process = Breaking(), Process()
    with capture_logs() as logs:
        async with LeaseThread(lease.open, process.die) as held:
            holding = asyncio.create_task(held.hold())
            await asyncio.sleep(0)
            assert blocked_until(process.died)
            holding.cancel()
            await asyncio.wait({holding})
    (told,) = logs
    assert told["event"] == "the lease's thread ends"
    assert str(told["exc_info"]) == "the loop ends"


async def test_a_connection_that_does_not_close_well_is_told_while_the_process_ends_by_itself() -> None:
    @asynccontextmanager
    async def closing_badly() -> AsyncIterator[Lease]:
        yield Lease()
        raise OSError("the wire is gone")

    process = Process()
    with capture_logs() as logs:
        async with LeaseThread(closing_badly, process.die):
            pass
    assert [str(told["exc_info"]) for told in logs] == ["the wire is gone"]
    assert not process.died.is_set()


async def test_what_keeps_the_lease_from_being_opened_is_raised() -> None:
    @asynccontextmanager
    async def without_credentials() -> AsyncIterator[Lease]:
        raise PermanentError("KubeconfigInvalid", "there is none")
        yield Lease()

    with pytest.raises(PermanentError, match="there is none"):
        async with LeaseThread(without_credentials, Process().die):
            pass
