"""Full copies are made in the background: in turns, as far as the pool has room, until nobody wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from quantix_api import Volume
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir, Space
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.transfer import transfers
from quantix_hostd.transfer.room import Room
from quantix_hostd.volume import copying as copies
from quantix_hostd.volume.copying import Copying
from quantix_hostd.volume.recipe import Base, Recipe
from quantix_hostd.volume.storage import StorageByKind
from quantix_lab.lent_volumes import lending_at
from quantix_lab.waiting import eventually_async

_MIB = 1 << 20


@dataclass
class SlowMaker:
    """Makes copies that end when the test says so."""

    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    total_bytes: int | None = None

    async def made_bytes(self, pool: PoolDir, recipe: Recipe) -> int | None:
        return self.total_bytes

    async def make(self, pool: PoolDir, recipe: Recipe, is_wanted: Callable[[], bool]) -> bool:
        draft = pool.volumes / pool.volume_draft_name(recipe.handle)
        draft.mkdir(parents=True)
        (draft / "data").write_bytes(b"x" * _MIB)
        self.begun.append(recipe.handle)
        try:
            await self.may_end.wait()
        finally:
            self.ended.append(recipe.handle)
        return True


@dataclass(frozen=True)
class SmallPool(PoolDir):
    """A pool of 1 GiB with so much left."""

    available_bytes: int = 1 << 30

    def space(self) -> Space:
        return Space(1 << 30, self.available_bytes)


@pytest.fixture
def maker() -> SlowMaker:
    return SlowMaker()


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def copying(maker: SlowMaker, woken: list[str], tmp_path: Path) -> Copying:
    lending = lending_at(tmp_path, LocalClaimStore(), woken.append)
    return Copying(cast(StorageByKind, maker), Room(), lending, woken.append)


def pool(path: Path, available_bytes: int = 1 << 30) -> PoolDir:
    return SmallPool("local", path, FileOwner.current(), "h1", available_bytes=available_bytes)


def volume(name: str, namespace: str) -> Volume:
    return Volume.model_validate(
        {"metadata": {"name": name, "namespace": namespace, "uid": name}, "spec": {}}
    )


def begin(copying: Copying, where: PoolDir, name: str, namespace: str) -> Volume:
    wanted = volume(name, namespace)
    base = Base("i", "qcow2", 64 * _MIB)
    copying.begin(where, wanted, Recipe(name, 0, base, full_copy=True), lambda: True)
    return wanted


async def test_a_namespace_that_copies_much_leaves_a_turn_to_others(
    copying: Copying, maker: SlowMaker, tmp_path: Path, woken: list[str]
) -> None:
    mine = [begin(copying, pool(tmp_path), f"m{n}", "mallory") for n in range(4)]
    other = begin(copying, pool(tmp_path), "a0", "alice")
    await eventually_async("it", lambda: len(maker.begun) == 2)
    assert sorted(maker.begun) == ["a0", "m0"]
    assert [(seen.running, seen.queued) for one in (*mine, other) if (seen := copying.seen(one))] == [
        (True, False),
        (True, True),
        (True, True),
        (True, True),
        (True, False),
    ]
    maker.may_end.set()
    await eventually_async("it", lambda: len(woken) == 5)
    assert maker.begun == maker.ended == ["m0", "a0", "m1", "m2", "m3"]
    await copying.stop()


@pytest.mark.parametrize(("total", "percent"), [(4 * _MIB, 25), (None, None)])
async def test_a_copy_tells_how_far_it_has_come_of_how_much(
    copying: Copying,
    maker: SlowMaker,
    tmp_path: Path,
    total: int | None,
    percent: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfers, "_REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(copies, "_MEASURE_S", 0.01)
    maker.total_bytes = total
    wanted = begin(copying, pool(tmp_path), "v", "alice")
    await eventually_async("it", lambda: (copying.progress(wanted) or CopyProgress(0)).done_bytes > 0)
    progress = copying.progress(wanted)
    assert progress == CopyProgress(_MIB, total)
    assert progress.percent == percent
    await copying.stop()


async def test_a_copy_that_is_not_wanted_any_more_ends(
    copying: Copying, maker: SlowMaker, tmp_path: Path
) -> None:
    wanted = begin(copying, pool(tmp_path), "v", "alice")
    await eventually_async("it", lambda: maker.begun == ["v"])
    await copying.forget(wanted.key)
    assert maker.ended == ["v"]
    assert copying.seen(wanted) is None


async def test_a_copy_ends_before_it_takes_the_last_room_of_the_pool(
    copying: Copying, maker: SlowMaker, tmp_path: Path, woken: list[str]
) -> None:
    wanted = begin(copying, pool(tmp_path, available_bytes=52 * _MIB), "v", "alice")
    await eventually_async("it", lambda: woken == ["alice/v"])
    found = copying.seen(wanted)
    assert found is not None
    assert found.error is not None
    assert (found.error.reason, maker.ended) == ("PoolFull", maker.begun)
