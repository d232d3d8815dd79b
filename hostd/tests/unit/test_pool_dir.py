"""The directory of a pool: what it may be, and when an empty one is no new pool."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantix_api.errors import QuantixError, TransientError
from quantix_api.layout import Layout
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir, PoolPlaceError
from quantix_hostd.pools import HostPools
from quantix_lab.dir_pools import dir_pool


def directory(path: Path) -> PoolDir:
    return PoolDir("local", path, FileOwner.current(), "h1")


def pools_at(path: Path, data: Path, uid: str = "pool-1") -> HostPools:
    """The pools of a host whose own files lie below `data`: one, elsewhere."""
    metadata = {"name": "big", "uid": uid}
    pool: dict[str, Any] = {"metadata": metadata, "spec": {"dir": {"path": str(path)}}}
    return HostPools({"big": pool}, {}, "h1", Layout(data), FileOwner.current())


@pytest.mark.parametrize("create", [True, False])
def test_a_link_is_no_pool_and_says_what_to_do(tmp_path: Path, create: bool) -> None:
    (tmp_path / "large-disk").mkdir()
    (tmp_path / "pool").symlink_to("large-disk")
    with pytest.raises(TransientError, match="symbolic link") as refused:
        directory(tmp_path / "pool").prepare(create=create)
    assert refused.value.reason == "PoolUnreachable"
    assert list((tmp_path / "large-disk").iterdir()) == []


@pytest.mark.parametrize("name", ["images", "volumes"])
def test_a_link_below_the_pool_is_not_followed_either(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TransientError, match=f"pool/{name} is a symbolic link"):
        directory(tmp_path / "pool").prepare(create=True)


def test_a_pool_that_does_not_answer_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(_path: Path) -> bool:
        raise OSError(116, os.strerror(116))

    monkeypatch.setattr(Path, "is_symlink", stale)
    with pytest.raises(TransientError, match="Stale file handle") as refused:
        directory(tmp_path).prepare(create=False)
    assert refused.value.reason == "PoolUnreachable"


async def test_an_empty_mount_point_is_not_taken_for_a_new_pool(tmp_path: Path) -> None:
    mount_point = tmp_path / "big"
    mount_point.mkdir()
    pools = pools_at(mount_point, tmp_path / "host")
    await dir_pool(pools, "big")
    mount_point.rename(tmp_path / "unmounted")
    mount_point.mkdir()
    with pytest.raises(TransientError, match=r"has kept data in .*, where there is none now") as refused:
        await dir_pool(pools, "big")
    assert refused.value.reason == "PoolUnreachable"
    assert list(mount_point.iterdir()) == []
    mount_point.rmdir()
    (tmp_path / "unmounted").rename(mount_point)
    await dir_pool(pools, "big")


async def test_whoever_wants_to_begin_anew_makes_the_directory_or_the_pool_anew(tmp_path: Path) -> None:
    path, host = tmp_path / "big", tmp_path / "host"
    path.mkdir()
    await pools_at(path, host).pool("big")
    for name in ("images", "volumes"):
        (path / name).rmdir()
    await pools_at(path, host, uid="pool-2").pool("big")
    for name in ("images", "volumes"):
        (path / name).rmdir()
    (path / "volumes").mkdir()
    assert (await dir_pool(pools_at(path, host, uid="pool-2"), "big")).images.is_dir()


async def test_a_damaged_note_keeps_no_pool_away(tmp_path: Path) -> None:
    path, pools = tmp_path / "big", pools_at(tmp_path / "big", tmp_path / "host")
    path.mkdir()
    await dir_pool(pools, "big")
    (pools.layout.data / "used-pools.json").write_text("{")
    await dir_pool(pools, "big")
    (path / "volumes").rmdir()
    with pytest.raises(TransientError, match="has kept data"):
        await dir_pool(pools, "big")


def named(name: str, path: Path, second: int) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": f"2026-11-29T10:00:{second:02}Z"}
    return {"metadata": metadata, "spec": {"dir": {"path": str(path)}}}


def pools_of(data: Path, *manifests: dict[str, Any]) -> HostPools:
    found = {manifest["metadata"]["name"]: manifest for manifest in manifests}
    return HostPools(found, {}, "h1", Layout(data), FileOwner.current())


def noted_in(pools: HostPools) -> dict[str, str]:
    """Which pools are noted as having kept data here."""
    file = pools.layout.data / "used-pools.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


async def problem_of(pools: HostPools, name: str) -> QuantixError | None:
    return await pools.problem(pools.find(name))


async def test_a_directory_that_is_not_there_is_to_be_made_on_that_host(tmp_path: Path) -> None:
    path = tmp_path / "big"
    problem = await problem_of(pools_at(path, tmp_path / "host"), "big")
    assert isinstance(problem, PoolPlaceError)
    assert problem.reason == "DirectoryMissing"
    assert str(problem) == (
        f"h1 does not use pool big: there is no directory {path}. "
        f"Try: mkdir -p {path} on h1, or mount what belongs there; or qx pool delete big."
    )
    path.mkdir()
    assert await problem_of(pools_at(path, tmp_path / "host"), "big") is None


async def test_who_uses_a_pool_hears_what_is_wrong_with_its_place_as_unreachable(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="there is no directory") as refused:
        await pools_at(tmp_path / "big", tmp_path / "host").pool("big")
    assert (refused.value.reason, refused.value.hint[:8]) == ("PoolUnreachable", "mkdir -p")


@pytest.mark.parametrize("place", ["/etc", "/usr/share"])
async def test_a_way_into_the_system_is_refused_and_nothing_is_made_there(tmp_path: Path, place: str) -> None:
    (tmp_path / "way").symlink_to(place)
    pools = pools_at(tmp_path / "way/qx-no-such-pool", tmp_path / "host")
    problem = await problem_of(pools, "big")
    assert isinstance(problem, PoolPlaceError)
    assert problem.reason == "PathRefused"
    assert "is not for pools" in problem.message
    assert not Path(place, "qx-no-such-pool").exists()


@pytest.mark.parametrize(
    "path", ["etc/quantix", "etc/quantix/pki", "etc", "var/log/quantix", "run/quantix/vm"]
)
async def test_nor_are_the_others_of_an_installation_below_another_root(tmp_path: Path, path: str) -> None:
    place = tmp_path / "host" / path
    place.mkdir(parents=True)
    problem = await problem_of(pools_at(place, tmp_path / "host"), "big")
    assert problem is not None
    assert problem.reason == "PathRefused"


async def test_one_directory_that_is_mounted_twice_is_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        path.mkdir()
    # as after `mount --bind one two`
    monkeypatch.setattr(Path, "samefile", lambda self, other: {self, other} == {one, two})
    pools = pools_of(tmp_path / "host", named("a", one, 0), named("b", two, 1))
    assert await problem_of(pools, "a") is None
    problem = await problem_of(pools, "b")
    assert problem is not None
    assert "is that of pool a." in problem.message


def test_what_lay_there_before_the_pool_keeps_its_owner(tmp_path: Path) -> None:
    pool = PoolDir("local", tmp_path, FileOwner(os.getuid(), 12345), "h1")
    for path in (
        "images/Photo.jpg",
        "images/0a1b-2c",
        "images/other",
        "volumes/Music/data",
        "volumes/v1/data",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    os.chown(tmp_path / "images/other", 65534, -1)
    assert pool.correct_owners() == 3
    given = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.stat().st_gid == 12345}
    assert given == {Path("images/0a1b-2c"), Path("volumes/v1"), Path("volumes/v1/data")}


@pytest.mark.parametrize("below", ["", "pki", "pools"])
async def test_the_directories_of_quantix_itself_are_no_pools(tmp_path: Path, below: str) -> None:
    data = Layout(tmp_path / "host").data
    (data / below).mkdir(parents=True)
    problem = await problem_of(pools_at(data / below, tmp_path / "host"), "big")
    assert problem is not None
    assert problem.reason == "PathRefused"
    assert await problem_of(pools_at(data / "pools/big", tmp_path / "host"), "big") is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("one", "is that of"),
        ("link/one", "is that of"),
        ("one/below", "lies in that of"),
        (".", "holds that of"),
    ],
)
async def test_the_later_of_two_pools_in_one_place_says_so_and_is_not_used(
    tmp_path: Path, path: str, words: str
) -> None:
    srv = tmp_path / "srv"
    (srv / "one/below").mkdir(parents=True)
    (srv / "link").symlink_to(srv)
    pools = pools_of(tmp_path / "host", named("b", srv / path, 1), named("a", srv / "one", 0))
    for _ in range(2):
        before = sorted(tmp_path.rglob("*"))
        problem = await problem_of(pools, "b")
        assert isinstance(problem, PoolPlaceError)
        assert problem.reason == "PathShared"
        assert f"{words} pool a." in problem.message
        assert sorted(tmp_path.rglob("*")) == before, "nothing is made for it"
        assert "uid-b" not in noted_in(pools)
        assert await problem_of(pools, "a") is None
    assert noted_in(pools) == {"uid-a": str(srv / "one")}


async def test_a_pool_that_keeps_data_already_stays_whatever_comes_later_to_be_older(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    younger, older = named("b", tmp_path / "one", 1), named("a", tmp_path / "one", 0)
    await pools_of(tmp_path / "host", younger).pool("b")
    pools = pools_of(tmp_path / "host", younger, older)
    assert await problem_of(pools, "b") is None
    problem = await problem_of(pools, "a")
    assert problem is not None
    assert problem.reason == "PathShared"


async def test_a_pool_that_has_no_place_takes_none_from_others(tmp_path: Path) -> None:
    (tmp_path / "srv/one").mkdir(parents=True)
    (tmp_path / "srv/two").mkdir()
    one, around = named("a", tmp_path / "srv/one", 0), named("b", tmp_path / "srv", 1)
    pools = pools_of(tmp_path / "host", one, around, named("c", tmp_path / "srv/two", 2))
    assert [await problem_of(pools, name) is None for name in "abc"] == [True, False, True]


async def test_two_that_use_a_pool_for_the_first_time_at_once_both_have_it(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / f"{number}/var/lib/quantix/pools/fast"
        pools = pools_of(tmp_path / str(number), named("fast", path, 0))
        made = await asyncio.gather(*(dir_pool(pools, "fast") for _ in range(4)))
        assert {item.path for item in made} == {path}


class Way:
    """Bars the way to every pool at one directory, until somebody mends it."""

    user = "libvirt-qemu"

    def __init__(self, barred: Path) -> None:
        self.at: Path | None = barred

    async def first_barred(self, *paths: Path) -> Path | None:
        assert [path.name for path in paths] == ["big", "volumes", "images"], "by the pool it is asked"
        return self.at


async def test_a_pool_that_qemu_may_not_get_to_names_the_directory_that_bars_the_way(tmp_path: Path) -> None:
    (tmp_path / "shut/big").mkdir(parents=True)
    way = Way(Path("/srv/shut"))
    pools = replace(pools_at(tmp_path / "shut/big", tmp_path / "host"), way_in=way)
    problem = await problem_of(pools, "big")
    assert isinstance(problem, PoolPlaceError)
    assert problem.reason == "PathBarred"
    assert str(problem) == (
        "h1 runs no VM from pool big: libvirt-qemu, the user of QEMU, may not enter /srv/shut. "
        "Try: chmod o+x /srv/shut on h1; or qx pool delete big, and create it elsewhere."
    )
    assert (await dir_pool(pools, "big")).name == "big", "what is in it can be removed"
    way.at = None
    assert await problem_of(pools, "big") is None
