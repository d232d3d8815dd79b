"""The maker of disk files asks no pool in the event loop, which one that hangs would stop."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.recipe import Recipe
from quantix_lab.open_sandbox import OpenSandbox


async def test_whether_a_volume_is_there_is_asked_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = PoolDir("local", tmp_path, FileOwner.current(), "h1")
    pool.volume("v1").mkdir(parents=True)
    asked: list[threading.Thread] = []
    exists = Path.exists

    def noted(self: Path) -> bool:
        if self.is_relative_to(tmp_path):
            asked.append(threading.current_thread())
        return exists(self)

    monkeypatch.setattr(Path, "exists", noted)
    maker = DiskFileMaker(QemuImg(OpenSandbox()), LocalClaimStore(), "cluster-1")
    assert await maker.make(pool, Recipe("v1", 1 << 20))
    assert asked
    assert threading.main_thread() not in asked
