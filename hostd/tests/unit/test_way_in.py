"""Whether QEMU's user may enter a pool's directory, tried as that user. Needs root."""

from __future__ import annotations

import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quantix_api.accounts import QEMU_USER
from quantix_hostd.clients.command import CommandResult, CommandTimedOut, run
from quantix_hostd.clients.patience import PatientThreads, SilentPlaceError
from quantix_hostd.clients.qemu_account import QemuAccount
from quantix_hostd.clients.way_in import QemusWayIn, ways_to
from quantix_lab.clocks import HastyClock
from quantix_lab.waiting import eventually_async

QEMU = QemuAccount.look_up(QEMU_USER, QEMU_USER)
_ENTRY = "<HHI"
_NOBODY = 0xFFFFFFFF


@pytest.fixture
def srv() -> Iterator[Path]:
    """A directory that everybody may enter: pytest's own is for root alone."""
    with tempfile.TemporaryDirectory(prefix="qxway") as made:
        path = Path(made).resolve()
        path.chmod(0o755)
        yield path


def made(path: Path, mode: int = 0o755) -> Path:
    path.mkdir(parents=True)
    path.chmod(mode)
    return path


def let_in(path: Path, uid: int) -> None:
    """As `setfacl -m u:UID:x PATH`, of a directory that is its owner's alone."""
    entries = ((1, 7, _NOBODY), (2, 1, uid), (4, 0, _NOBODY), (16, 1, _NOBODY), (32, 0, _NOBODY))
    content = struct.pack("<I", 2) + b"".join(struct.pack(_ENTRY, *entry) for entry in entries)
    os.setxattr(path, "system.posix_acl_access", content)


async def test_the_very_directory_that_bars_the_way_is_named(srv: Path) -> None:
    shut, pool = made(srv / "shut", 0o700), made(srv / "shut/below/pool")
    way = QemusWayIn(QEMU, PatientThreads())
    assert await way.first_barred(pool) == shut
    shut.chmod(0o711)
    assert await way.first_barred(pool) is None
    pool.chmod(0o750)
    assert await way.first_barred(pool) == pool
    os.chown(pool, 0, QEMU.gid)
    assert await way.first_barred(pool) is None, "it may by a group that is not its main one"


async def test_what_an_access_list_lets_in_is_in(srv: Path) -> None:
    shut, pool = made(srv / "shut", 0o700), made(srv / "shut/pool")
    way = QemusWayIn(QEMU, PatientThreads())
    let_in(shut, 65534)
    assert await way.first_barred(pool) == shut
    let_in(shut, QEMU.uid)
    assert await way.first_barred(pool) is None


async def test_the_directories_that_links_lie_in_and_lead_through_count(srv: Path) -> None:
    made(srv / "far/pool")
    made(srv / "links")
    (srv / "links/way").symlink_to(srv / "far")
    (srv / "links/round").symlink_to("../links/way")
    asked = srv / "links/round/pool"
    assert list(dict.fromkeys(ways_to(asked)))[-4:] == [srv, srv / "links", srv / "far", srv / "far/pool"]
    way = QemusWayIn(QEMU, PatientThreads())
    assert await way.first_barred(asked) is None
    for shut in ("links", "far", "far/pool"):
        (srv / shut).chmod(0o700)
        assert await way.first_barred(asked) == srv / shut
        (srv / shut).chmod(0o755)
    assert await way.first_barred(asked) is None


class Started:
    """Starts programs and counts them; `hangs`: none ends in time."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.count, self._hangs = 0, hangs

    async def __call__(self, *argv: str, **how: Any) -> CommandResult:
        self.count += 1
        if self._hangs:
            raise CommandTimedOut(argv[0], how["timeout_s"])
        return await run(*argv, **how)


async def test_no_process_is_started_while_nothing_has_changed(srv: Path) -> None:
    pool, clock, started = made(srv / "pool"), HastyClock(), Started()
    way = QemusWayIn(QEMU, PatientThreads(), clock, started)
    for _ in range(5):
        assert await way.first_barred(pool) is None
    assert started.count == 1
    pool.chmod(0o700)
    for _ in range(5):
        assert await way.first_barred(pool) == pool
    assert started.count == 2
    await clock.sleep(30)
    assert await way.first_barred(pool) == pool
    assert started.count == 3, "its user may be in another group meanwhile"


async def test_what_cannot_be_tried_keeps_no_pool_away(srv: Path) -> None:
    way = QemusWayIn(QEMU, PatientThreads())
    assert await way.first_barred(srv / "gone") is None
    nobody = QemuAccount("nobody-at-all", 4000000, "x", 4000000)
    assert await QemusWayIn(nobody, PatientThreads()).first_barred(srv) is None
    (srv / "a").symlink_to("b")
    (srv / "b").symlink_to("a")
    assert await way.first_barred(srv / "a") is None


async def test_a_place_that_is_known_to_hang_is_not_asked_for_the_way(srv: Path) -> None:
    answers, threads, started = threading.Event(), PatientThreads(patience_s=0.1), Started()
    way = QemusWayIn(QEMU, threads, start=started)
    with pytest.raises(SilentPlaceError):
        await threads.ask(srv, lambda: answers.wait(20))
    with pytest.raises(SilentPlaceError, match="an earlier call"):
        await way.first_barred(srv, srv / "volumes")
    answers.set()
    await eventually_async("a way is looked for", lambda: _answers(way, srv))
    assert started.count == 1


async def _answers(way: QemusWayIn, path: Path) -> bool:
    try:
        return await way.first_barred(path) is None
    except SilentPlaceError:
        return False


async def test_a_try_that_hangs_is_not_made_again_at_each_look(srv: Path) -> None:
    started = Started(hangs=True)
    way = QemusWayIn(QEMU, PatientThreads(), start=started)
    assert [await way.first_barred(srv) for _ in range(3)] == [None] * 3
    assert started.count == 1
