"""Data that moved away is removed, however long that takes, and its pool goes on to answer meanwhile."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api.errors import TransientError
from quantix_api.host_spec import HostSpec
from quantix_api.layout import Layout
from quantix_client.clock import SystemClock
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.patience import PatientThreads
from quantix_hostd.clients.pool import Pool
from quantix_hostd.pools import HostPools
from quantix_hostd.volume.live_moves import LiveMoves
from quantix_hostd.volume.storage import StorageByKind


class SlowStorage:
    """Removes a volume once it may."""

    def __init__(self) -> None:
        self.may_end, self.removed = threading.Event(), list[str]()

    def remove(self, pool: Pool, handle: str) -> bool:
        assert self.may_end.wait(20)
        self.removed.append(handle)
        return True


@pytest.fixture
def pools(tmp_path: Path) -> HostPools:
    (tmp_path / "pool/volumes/v1").mkdir(parents=True)
    local: dict[str, Any] = {
        "metadata": {"name": "local"},
        "spec": {"dir": {"path": str(tmp_path / "pool")}},
    }
    layout, threads = Layout(tmp_path), PatientThreads(0.2)
    return HostPools({"local": local}, {}, "h1", layout, FileOwner.current(), threads=threads)


def moves_of(pools: HostPools, storage: SlowStorage) -> LiveMoves:
    return LiveMoves(pools, cast(StorageByKind, storage), list[str]().append, HostSpec, SystemClock())


async def test_a_pool_answers_while_what_moved_away_is_removed_from_it(pools: HostPools) -> None:
    storage = SlowStorage()
    moves = moves_of(pools, storage)
    removal = asyncio.create_task(moves.remove_copy("local", "v1"))
    await asyncio.wait({removal}, timeout=0.5)
    assert await pools.ask(await pools.pool("local"), lambda: "here") == "here"
    assert not removal.done()
    storage.may_end.set()
    await removal
    assert storage.removed == ["v1"]


async def test_nothing_is_removed_from_a_pool_that_does_not_answer(pools: HostPools) -> None:
    storage, answers = SlowStorage(), threading.Event()
    storage.may_end.set()
    moves = moves_of(pools, storage)
    pool = await pools.pool("local")
    with pytest.raises(TransientError):
        await pools.ask(pool, lambda: answers.wait(20))
    with pytest.raises(TransientError):
        await moves.remove_copy("local", "v1")
    assert storage.removed == []
    answers.set()
