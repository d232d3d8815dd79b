"""No pool is asked in the event loop: one that hangs would stop it, and the lease with it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.command import CommandFailed
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_hostd.transfer.receive import read_chunks
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.recipe import Recipe
from quantix_lab.open_sandbox import OpenSandbox


@pytest.fixture
def pool(tmp_path: Path) -> PoolDir:
    made = PoolDir("local", tmp_path, FileOwner.current(), "h1")
    made.volume("v1").mkdir(parents=True)
    made.place("v1").data.write_bytes(b"no disk")
    return made


@pytest.fixture
def asked(pool: PoolDir, monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Which threads look at a path of the pool, or open one."""
    threads: list[threading.Thread] = []

    def noted(call: Any) -> Any:
        def notes(path: Any, *args: Any, **kwargs: Any) -> Any:
            if str(path).startswith(str(pool.path)):
                threads.append(threading.current_thread())
            return call(path, *args, **kwargs)

        return notes

    for name in ("exists", "stat", "lstat"):
        monkeypatch.setattr(Path, name, noted(getattr(Path, name)))
    monkeypatch.setattr(os, "open", noted(os.open))
    return threads


async def test_not_whether_a_volume_is_there(pool: PoolDir, asked: list[threading.Thread]) -> None:
    maker = DiskFileMaker(QemuImg(OpenSandbox()), LocalClaimStore(), "cluster-1")
    assert await maker.make(pool, Recipe("v1", 1 << 20))
    assert asked
    assert threading.main_thread() not in asked


async def test_not_what_a_disk_is_that_a_program_opens(pool: PoolDir, asked: list[threading.Thread]) -> None:
    with pytest.raises(CommandFailed):
        await QemuImg(OpenSandbox()).grow(Disk(pool.path, pool.place("v1").data), 1 << 20)
    assert asked
    assert threading.main_thread() not in asked


async def test_not_for_a_file_that_is_copied(pool: PoolDir, asked: list[threading.Thread]) -> None:
    assert [chunk async for chunk in read_chunks(pool.place("v1").data)] == [b"no disk"]
    assert asked
    assert threading.main_thread() not in asked
