"""Which pools are a host's: those whose selector means it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from quantix_api import StoragePool
from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.patience import PatientThreads
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.pools import HostPools

BOX: dict[str, Any] = {
    "metadata": {"name": "box", "labels": {"zone": "a"}},
    "spec": {},
    "status": {"arch": "x86_64", "cpuVendor": "GenuineIntel"},
}


@pytest.mark.parametrize(
    ("selector", "ours"),
    [
        ({}, True),
        ({"zone": "a"}, True),
        ({"zone": "b"}, False),
        ({"quantix.io/host": "box", "quantix.io/arch": "x86_64"}, True),
        ({"quantix.io/cpu-vendor": "AuthenticAMD"}, False),
    ],
)
def test_a_selector_means_hosts_by_their_own_labels_and_those_that_all_have(
    selector: dict[str, str], ours: bool, tmp_path: Path
) -> None:
    pool = {
        "metadata": {"name": "big", "uid": "pool-1", "creationTimestamp": "2026-11-29T10:00:00Z"},
        "spec": {"dir": {"path": str(tmp_path)}, "hostSelector": selector},
    }
    pools = HostPools({"big": pool}, {"box": BOX}, "box", Layout(tmp_path), FileOwner.current())
    assert [found.metadata.name for found in pools.reached()] == (["big"] if ours else [])


async def test_a_pool_whose_disk_hangs_is_told_and_asked_again_once_it_has_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pool(name: str) -> dict[str, Any]:
        (tmp_path / name).mkdir()
        metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": "2026-11-29T10:00:00Z"}
        return {"metadata": metadata, "spec": {"dir": {"path": str(tmp_path / name)}}}

    manifests = {name: pool(name) for name in ("far", "near")}
    pools = HostPools(
        manifests,
        {"box": BOX},
        "box",
        Layout(tmp_path),
        FileOwner.current(),
        threads=PatientThreads(patience_s=0.2),
    )
    answers, prepare, asked = threading.Event(), PoolDir.prepare, 0

    def slowly(self: PoolDir, *, create: bool, used_before: bool = False) -> None:
        nonlocal asked
        if self.name == "far":
            asked += 1
            answers.wait(20)
        prepare(self, create=create, used_before=used_before)

    monkeypatch.setattr(PoolDir, "prepare", slowly)
    try:
        problem = await pools.problem(StoragePool.model_validate(manifests["far"]))
        assert problem is not None
        assert str(problem) == (
            f"box cannot use pool far: what {tmp_path}/far lies on hangs. Said: no answer within 0 s. "
            "Try: see to its disk, or to the server behind it; it goes on by itself."
        )
        with pytest.raises(TransientError, match="an earlier call has not been answered") as hangs:
            await pools.pool("far")
        assert (hangs.value.reason, asked) == ("PoolUnreachable", 1), "it keeps one thread"
        assert (await pools.pool("near")).name == "near"
    finally:
        answers.set()
    await asyncio.sleep(0.2)
    assert (await pools.pool("far")).name == "far"


async def test_a_long_look_into_a_pool_is_not_taken_for_a_disk_that_hangs(tmp_path: Path) -> None:
    manifest = {"metadata": {"name": "big", "uid": "pool-1"}, "spec": {"dir": {"path": str(tmp_path)}}}
    pools = HostPools(
        {"big": manifest},
        {"box": BOX},
        "box",
        Layout(tmp_path),
        FileOwner.current(),
        threads=PatientThreads(patience_s=0.2),
    )
    done, pool = threading.Event(), pools.directory(StoragePool.model_validate(manifest))
    looking = asyncio.create_task(pools.scan(pool, lambda: done.wait(20)))
    await asyncio.sleep(0.5)
    assert await pools.ask(pool, pool.path.exists)
    done.set()
    assert await looking
