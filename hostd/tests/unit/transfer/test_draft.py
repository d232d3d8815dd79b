"""The file of an image on its way in."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.transfer.draft import Draft, opened
from quantix_lab.waiting import eventually_async


def is_closed(draft: Draft) -> bool:
    try:
        draft.append(b"x")
    except ValueError:
        return True
    return False


async def test_a_file_that_is_opened_for_nobody_any_more_is_closed(tmp_path: Path) -> None:
    pool = PoolDir("local", tmp_path, FileOwner.current(), "h1")
    (tmp_path / "images").mkdir()
    made: list[Draft] = []
    go_on = threading.Event()

    def open_slowly() -> Draft:
        assert go_on.wait(10)
        made.append(Draft.begin(pool, "uid"))
        return made[0]

    waiting = asyncio.create_task(opened(open_slowly))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    await eventually_async("the file to be closed", lambda: bool(made) and is_closed(made[0]))
