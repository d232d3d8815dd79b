"""What a host made for a pool goes with it, and nothing else does."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api.errors import QuantixError, TransientError
from quantix_api.layout import Layout
from quantix_api.message_text import cause_of
from quantix_client.api import ApiClient, ListResult
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.patience import PatientThreads
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.host.deleted_pools import DeletedPools
from quantix_hostd.pools import HostPools
from quantix_lab.dir_pools import dir_pool
from quantix_lab.told_events import ToldEvents

Manifest = dict[str, Any]
FETCHED, SENT, UNKNOWN = (f"6c1e0000-0000-4000-8000-00000000000{digit}" for digit in "123")


def image(name: str, uid: str, source: Manifest) -> Manifest:
    return {"metadata": {"name": name, "namespace": "shop", "uid": uid}, "spec": source}


@dataclass
class Api:
    """Has two images; `away`: it does not answer."""

    away: bool = False
    images: list[Manifest] = field(
        default_factory=lambda: [
            image("debian", FETCHED, {"url": "https://example.org/debian.qcow2"}),
            image("own", SENT, {"upload": {}}),
        ]
    )

    async def list(self, *_: Any) -> ListResult:
        if self.away:
            raise TransientError("Unreachable", "The API does not answer.")
        return ListResult(self.images, "1")


@pytest.fixture
def root() -> Iterator[Path]:
    """One with a short name: long ones are cut in a sentence."""
    with tempfile.TemporaryDirectory(prefix="qxdp") as made:
        yield Path(made).resolve()


class OneHost:
    """Host h1, its pools by name in directories of their own, and what it told."""

    def __init__(self, root: Path, *names: str) -> None:
        self.root, self.api, self.events = root, Api(), ToldEvents()
        self.stored: dict[str, Manifest] = {}
        self.pools = self.fresh()
        for second, name in enumerate(names):
            self.create(name, second=second)

    def fresh(self) -> HostPools:
        """As a new process knows them."""
        return HostPools(self.stored, {}, "h1", Layout(self.root / "host"), FileOwner.current())

    def create(self, name: str, directory: str = "", uid: str = "", second: int = 50) -> Path:
        path = self.root / "srv" / (directory or name)
        path.mkdir(parents=True, exist_ok=True)
        created = f"2026-11-29T10:00:{second:02}Z"
        metadata = {"name": name, "uid": uid or f"uid-{name}", "creationTimestamp": created}
        self.stored[name] = {"metadata": metadata, "spec": {"dir": {"path": str(path)}}}
        return path

    async def used(self, name: str) -> PoolDir:
        """The pool, with a copy of each image of the API in it."""
        pool = await dir_pool(self.pools, name)
        for uid in (FETCHED, SENT):
            pool.image(uid).write_text("image")
        return pool

    async def look(self) -> None:
        host = {"metadata": {"name": "h1", "uid": "uid-h1"}}
        await DeletedPools(cast(ApiClient, self.api), {"h1": host}, self.pools, self.events).put_away()

    async def problem(self, name: str) -> QuantixError | None:
        return await self.pools.problem(self.pools.find(name))


def below(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*")}


async def test_copies_of_images_and_empty_directories_go_with_their_pool(root: Path) -> None:
    host = OneHost(root, "local", "fast")
    await host.used("local")
    pool = await host.used("fast")
    pool.image_draft(UNKNOWN).write_text("half")
    (pool.volumes / pool.volume_draft_name("v1")).mkdir()
    await host.look()
    assert pool.image(FETCHED).exists(), "its pool is there"
    del host.stored["fast"]
    await host.look()
    assert (pool.path.is_dir(), below(pool.path)) == (True, set())
    assert below(root / "srv/local") == {"volumes", "images", f"images/{FETCHED}", f"images/{SENT}"}
    assert host.events.reasons == []
    await host.look()


async def test_a_pool_in_our_own_directory_leaves_nothing(root: Path) -> None:
    host = OneHost(root)
    path = Layout(root / "host").data / "pools/fast"
    host.create("fast")
    host.stored["fast"]["spec"]["dir"]["path"] = str(path)
    await dir_pool(host.pools, "fast")
    del host.stored["fast"]
    await host.look()
    assert not path.exists()
    assert path.parent.is_dir()


async def test_no_image_goes_from_under_data_of_volumes(root: Path) -> None:
    host = OneHost(root, "local", "fast")
    await host.used("local")
    pool = await host.used("fast")
    (pool.volumes / "v1").mkdir()
    (pool.volumes / "v1/data").write_text("data")
    before = below(pool.path)
    del host.stored["fast"]
    await host.look()
    assert below(pool.path) == before
    assert host.events.reasons == ["PoolLeft"]
    assert cause_of(host.events.texts[0]) == f"Pool fast was deleted, and {pool.volumes} stays: it holds v1"
    await host.look()
    assert len(host.events.texts) == 1, "it is told once"


async def test_an_image_that_was_sent_and_lies_nowhere_else_stays(root: Path) -> None:
    host = OneHost(root, "fast")
    pool = await host.used("fast")
    del host.stored["fast"]
    await host.look()
    assert below(pool.path) == {"images", f"images/{SENT}"}
    assert host.events.texts == [
        f"Pool fast was deleted, and {pool.images} stays: image shop/own lies nowhere else. "
        f"Try: qx pool create fast --path {pool.path} has it again; or remove it on h1, as root."
    ]
    host.create("fast", uid="uid-2")
    assert (await dir_pool(host.pools, "fast")).image(SENT).exists()


async def test_what_is_not_ours_stays(root: Path) -> None:
    host = OneHost(root, "local", "fast")
    await host.used("local")
    pool = await host.used("fast")
    (pool.path / "music").mkdir()
    pool.image(UNKNOWN).write_text("of another cluster, or of an image that the API lost")
    (pool.images / "Photo.jpg").write_text("a photo")
    os.chown(pool.image(FETCHED), 65534, -1)
    pool.image(SENT).unlink()
    pool.image(SENT).symlink_to("Photo.jpg")
    before = below(pool.path) - {"volumes"}
    del host.stored["fast"]
    await host.look()
    assert below(pool.path) == before
    assert f"{pool.images} stays: it holds {FETCHED}, {SENT}, {UNKNOWN} and 1 more." in host.events.texts[0]


async def test_links_are_not_followed(root: Path) -> None:
    host = OneHost(root, "fast")
    pool = await host.used("fast")
    theirs = root / "theirs"
    pool.images.rename(theirs)
    pool.images.symlink_to(theirs)
    del host.stored["fast"]
    await host.look()
    assert below(theirs) == {FETCHED, SENT}
    assert pool.volumes.is_dir()


async def test_where_the_disk_is_away_nothing_is_done(root: Path) -> None:
    host = OneHost(root, "fast")
    pool = await host.used("fast")
    pool.path.rename(root / "unmounted")
    pool.path.mkdir()
    del host.stored["fast"]
    await host.look()
    assert f"images/{FETCHED}" in below(root / "unmounted")
    assert (below(pool.path), host.events.reasons) == (set(), [])


async def test_what_went_while_hostd_did_not_run_is_left_alone(root: Path) -> None:
    host = OneHost(root, "fast")
    pool = await host.used("fast")
    del host.stored["fast"]
    host.pools = host.fresh()
    await host.look()
    assert pool.image(FETCHED).exists()


async def test_a_pool_that_shares_the_place_begins_once_the_first_is_put_away(root: Path) -> None:
    host = OneHost(root, "local", "first")
    await host.used("local")
    pool = await host.used("first")
    host.create("second", "first")
    shared = await host.problem("second")
    assert shared is not None
    assert shared.reason == "PathShared"
    del host.stored["first"]
    host.api.away = True
    await host.look()
    waits = await host.problem("second")
    assert waits is not None
    assert waits.message == (
        f"h1 does not use pool second yet: what it made in {pool.path} for pool first, which was deleted, "
        "is still to be removed."
    )
    host.api.away = False
    await host.look()
    assert below(pool.path) == set()
    assert await host.problem("second") is None
    assert below(pool.path) == {"images", "volumes"}
    await host.look()
    assert below(pool.path) == {"images", "volumes"}


async def test_data_that_a_deleted_pool_left_outlives_the_next_pool_there(root: Path) -> None:
    host = OneHost(root, "first")
    pool = await host.used("first")
    (pool.volumes / "v1").mkdir()
    (pool.volumes / "v1/data").write_text("data")
    del host.stored["first"]
    await host.look()
    host.create("second", "first")
    assert await host.problem("second") is None
    await host.pools.tidy(frozenset())
    del host.stored["second"]
    await host.look()
    assert (pool.volumes / "v1/data").read_text() == "data"
    assert pool.image(FETCHED).exists(), "which that data may stand on"


async def test_one_place_that_two_pools_have_keeps_all(root: Path) -> None:
    host = OneHost(root, "first")
    pool = await host.used("first")
    # as an earlier version let them
    host.create("second", "first")
    notes = Layout(root / "host").data / "used-pools.json"
    notes.write_text(f'{{"uid-first": "{pool.path}", "uid-second": "{pool.path}"}}')
    before = below(pool.path)
    del host.stored["first"]
    await host.look()
    assert below(pool.path) == before
    assert await host.problem("second") is None


async def test_a_pool_that_hangs_or_is_broken_keeps_nothing_but_the_deleted_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = OneHost(root, "broken", "fast")
    await host.used("broken")
    pool = await host.used("fast")
    asked: set[threading.Thread] = set()

    def stale(path: Path) -> bool:
        asked.add(threading.current_thread())
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    del host.stored["fast"]
    with monkeypatch.context() as broken:
        broken.setattr(Path, "is_file", stale)
        await host.look()
    assert pool.image(FETCHED).exists()
    assert asked
    assert threading.current_thread() not in asked, "a mount that hangs would stop all of hostd"
    await host.look()
    assert below(pool.path) == set()


async def test_a_pool_that_hangs_stops_no_look_of_the_host(root: Path) -> None:
    host = OneHost(root, "far", "fast")
    far, pool = await host.used("far"), await host.used("fast")
    asked, freed = PatientThreads(patience_s=0.2), threading.Event()
    host.pools = replace(host.pools, threads=asked)
    with pytest.raises(TransientError):
        await host.pools.ask(far, lambda: freed.wait(20))
    del host.stored["fast"]
    await host.look()
    assert pool.image(SENT).exists(), "the other copy may be gone"
    pool.image(SENT).unlink()
    await host.look()
    assert below(pool.path) == set(), "what lies there needs no look at the pool that hangs"
    freed.set()


async def test_a_directory_that_becomes_a_link_meanwhile_leads_to_nothing_of_others(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = OneHost(root, "local", "fast")
    other = await host.used("local")
    other.image_draft(UNKNOWN).write_text("half")
    pool = await host.used("fast")
    before, really = below(other.path), Path.is_symlink

    def swapped_once_looked_at(path: Path) -> bool:
        found = really(path)
        if path == pool.path and (pool.path / "images").is_dir():
            (pool.path / "images").rename(root / "aside")
            (pool.path / "images").symlink_to(other.images)
        return found

    del host.stored["fast"]
    with monkeypatch.context() as race:
        race.setattr(Path, "is_symlink", swapped_once_looked_at)
        await host.look()
    assert really(pool.path / "images"), "somebody was quick enough"
    assert below(other.path) == before
