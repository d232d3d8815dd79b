"""The directory of a pool: what it may be, and when an empty one is no new pool."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.pools import HostPools


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
    await pools.pool("big")
    mount_point.rename(tmp_path / "unmounted")
    mount_point.mkdir()
    with pytest.raises(TransientError, match=r"has kept data in .*/big, where there is none now") as refused:
        await pools.pool("big")
    assert refused.value.reason == "PoolUnreachable"
    assert list(mount_point.iterdir()) == []
    mount_point.rmdir()
    (tmp_path / "unmounted").rename(mount_point)
    await pools.pool("big")


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
    assert (await pools_at(path, host, uid="pool-2").pool("big")).images.is_dir()


async def test_a_damaged_note_keeps_no_pool_away(tmp_path: Path) -> None:
    path, pools = tmp_path / "big", pools_at(tmp_path / "big", tmp_path / "host")
    path.mkdir()
    await pools.pool("big")
    (pools.layout.data / "used-pools.json").write_text("{")
    await pools.pool("big")
    (path / "volumes").rmdir()
    with pytest.raises(TransientError, match="has kept data"):
        await pools.pool("big")
