"""Calls to libvirt that are not answered: whom that is said of, and what it costs the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients import libvirt_threads
from quantix_hostd.clients.libvirt_threads import About, Kind, LibvirtThreads
from quantix_hostd.dispatch import HANG_S
from quantix_lab.waiting import eventually_async

ACT, OTHER = About(Kind.ACT, "qx-1"), About(Kind.ACT, "qx-2")


class Connection:
    """libvirtd hangs as a whole while `hangs`, and one of its domains until `free`."""

    def __init__(self) -> None:
        self.free, self.hangs = threading.Event(), False

    def getLibVersion(self) -> int:
        if self.hangs:
            assert self.free.wait(10)
        return 9_000_000

    def wait_for_guest(self) -> str:
        assert self.free.wait(10)
        return "late"


@pytest.fixture
def connection() -> Iterator[Connection]:
    found = Connection()
    yield found
    found.free.set()


@pytest.fixture
def dropped() -> list[object]:
    return []


@pytest.fixture
def threads(dropped: list[object]) -> Iterator[LibvirtThreads]:
    found = LibvirtThreads(0.05, dropped.append, sign_s=0.2)
    yield found
    found.close()


async def reason_of(threads: LibvirtThreads, connection: Connection, about: About | None) -> str:
    with pytest.raises(TransientError) as told:
        await threads.run(connection.wait_for_guest, connection, about)
    return told.value.reason


async def test_a_guest_that_hangs_is_told_of_itself_and_the_connection_stays(
    threads: LibvirtThreads, connection: Connection, dropped: list[object]
) -> None:
    assert await reason_of(threads, connection, ACT) == "QEMUHangs"
    assert dropped == []


async def test_a_libvirt_that_answers_nothing_is_away_whatever_it_was_asked(
    threads: LibvirtThreads, connection: Connection, dropped: list[object]
) -> None:
    connection.hangs = True
    assert await reason_of(threads, connection, ACT) == "LibvirtDown"
    assert await reason_of(threads, connection, None) == "LibvirtDown"
    assert dropped == [connection, connection]


async def test_a_libvirt_that_hangs_leaves_the_one_after_it_its_word(
    threads: LibvirtThreads, connection: Connection, dropped: list[object]
) -> None:
    connection.hangs = True
    assert await reason_of(threads, connection, ACT) == "LibvirtDown"
    after = Connection()
    assert await reason_of(threads, after, OTHER) == "QEMUHangs"
    after.free.set()
    assert dropped == [connection]


async def test_a_guest_that_hangs_keeps_one_thread_and_can_be_looked_at_and_ended(
    threads: LibvirtThreads, connection: Connection
) -> None:
    for _ in range(40):
        assert await reason_of(threads, connection, ACT) == "QEMUHangs"
    for about in (About(Kind.LOOK, "qx-1"), About(Kind.END, "qx-1"), OTHER):
        assert await threads.run(lambda: "done", connection, about) == "done"


async def test_a_guest_that_answers_late_is_asked_again(
    threads: LibvirtThreads, connection: Connection
) -> None:
    await reason_of(threads, connection, ACT)
    connection.free.set()

    async def answered() -> bool:
        try:
            return await threads.run(lambda: True, connection, ACT)
        except TransientError:
            return False

    await eventually_async("it is asked again", answered)


async def test_a_call_that_found_no_thread_says_so_and_blames_no_guest(
    threads: LibvirtThreads, connection: Connection, dropped: list[object]
) -> None:
    await keep_busy(threads, connection, 48)
    with pytest.raises(TransientError, match="48 earlier calls") as told:
        await threads.run(lambda: "done", connection, OTHER)
    assert told.value.reason == "LibvirtDown"
    assert dropped == []


async def test_many_guests_that_hang_leave_libvirt_to_all_others(
    threads: LibvirtThreads, connection: Connection, dropped: list[object]
) -> None:
    await keep_busy(threads, connection, 40)
    others = (About(Kind.START, "qx-2"), About(Kind.LOOK, "qx-2"), About(Kind.END, "qx-hangs-0"))
    for about in (OTHER, *others, None):
        assert await threads.run(lambda: "done", connection, about) == "done"
    assert dropped == []


async def test_what_no_guest_answers_is_given_up_before_a_start(connection: Connection) -> None:
    threads = LibvirtThreads(5.0, lambda _: None, act_s=0.05)
    assert await reason_of(threads, connection, ACT) == "QEMUHangs"
    threads.close()


def test_a_worker_does_not_wait_for_a_guest_until_its_host_falls_silent() -> None:
    assert libvirt_threads._ACT_S + libvirt_threads._SIGN_S < HANG_S


async def keep_busy(threads: LibvirtThreads, connection: Connection, guests: int) -> None:
    """Have so many guests keep the thread of an act each."""
    asked = (
        reason_of(threads, connection, About(Kind.ACT, f"qx-hangs-{number}")) for number in range(guests)
    )
    assert set(await asyncio.gather(*asked)) == {"QEMUHangs"}
