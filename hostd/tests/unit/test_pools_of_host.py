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
from quantix_hostd.host.model import ImageCopy
from quantix_hostd.host.pool_looks import PoolLooks
from quantix_hostd.pools import HostPools, Scan
from quantix_lab.dir_pools import dir_pool
from quantix_lab.waiting import eventually_async

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


def manifest_of(path: Path, name: str = "big") -> dict[str, Any]:
    path.mkdir(exist_ok=True)
    metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": "2026-11-29T10:00:00Z"}
    return {"metadata": metadata, "spec": {"dir": {"path": str(path)}}}


def patient(root: Path, manifests: dict[str, Any], scan_s: float = 20.0) -> HostPools:
    """The pools of a host that waits for a fifth of a second."""
    threads, owner = PatientThreads(patience_s=0.2), FileOwner.current()
    return HostPools(manifests, {"box": BOX}, "box", Layout(root), owner, threads=threads, scan_s=scan_s)


async def silence(pools: HostPools, pool: PoolDir, freed: threading.Event) -> None:
    """Let a pool hang until then."""
    with pytest.raises(TransientError):
        await pools.ask(pool, lambda: freed.wait(20))


async def test_a_pool_whose_disk_hangs_is_told_and_asked_again_once_it_has_answered(tmp_path: Path) -> None:
    manifests = {name: manifest_of(tmp_path / name, name) for name in ("far", "near")}
    pools, answers = patient(tmp_path, manifests), threading.Event()
    far = StoragePool.model_validate(manifests["far"])
    with pytest.raises(TransientError) as hangs:
        await pools.ask(pools.found(far), lambda: answers.wait(20))
    try:
        assert str(hangs.value) == (
            f"box cannot use pool far: what {tmp_path}/far lies on hangs. Said: no answer within 0 s. "
            "Try: see to its disk, or to the server behind it; it goes on by itself."
        )
        problem = await pools.problem(far)
        assert "an earlier call has not been answered" in str(problem)
        with pytest.raises(TransientError, match="an earlier call has not been answered") as hangs:
            await dir_pool(pools, "far")
        assert hangs.value.reason == "PoolUnreachable"
        assert not (tmp_path / "far/volumes").exists(), "nothing more is asked of it"
        assert (await dir_pool(pools, "near")).name == "near"
    finally:
        answers.set()

    async def is_well() -> bool:
        return await pools.problem(far) is None

    await eventually_async("it is asked again", is_well)
    assert (await dir_pool(pools, "far")).name == "far"


async def test_a_long_look_into_a_pool_is_not_taken_for_a_disk_that_hangs(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path)
    pools, begun, done = patient(tmp_path, {"big": manifest}), threading.Event(), threading.Event()
    pool = pools.found(StoragePool.model_validate(manifest))

    def look() -> bool:
        begun.set()
        return done.wait(20)

    looking = asyncio.create_task(pools.scan(pool, Scan.ORPHANS, look))
    await asyncio.to_thread(begun.wait, 20)
    # longer than a place may be silent
    await asyncio.sleep(0.5)
    assert await pools.ask(pool, lambda: True)
    done.set()
    assert await looking


async def test_a_scan_that_takes_too_long_keeps_no_pool_from_being_told_as_it_is(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path / "big")
    pools, freed = patient(tmp_path, {"big": manifest}, scan_s=0.2), threading.Event()
    pool = await dir_pool(pools, "big")
    pool.image("debian").write_bytes(b"1234")
    looks = PoolLooks(pools)
    with pytest.raises(TransientError):
        await pools.scan(pool, Scan.ORPHANS, lambda: freed.wait(20))
    facts, images = await looks.look()
    assert [(fact.name, fact.problem) for fact in facts] == [("big", "")]
    assert images == (ImageCopy("debian", "big", 4),)
    with pytest.raises(TransientError):
        await pools.scan(pool, Scan.IMAGES, lambda: freed.wait(20))
    pool.image("debian").unlink()
    facts, kept = await looks.look()
    assert ([fact.problem for fact in facts], kept) == ([""], images), "what was known before is told on"
    freed.set()

    async def is_listed() -> bool:
        return (await looks.look())[1] == ()

    await eventually_async("the images are listed again", is_listed)


async def test_one_pool_that_hangs_is_told_beside_the_others(tmp_path: Path) -> None:
    manifests = {name: manifest_of(tmp_path / name, name) for name in ("far", "near")}
    pools, freed = patient(tmp_path, manifests), threading.Event()
    (await dir_pool(pools, "near")).image("debian").write_bytes(b"1234")
    await silence(pools, await dir_pool(pools, "far"), freed)
    facts, images = await PoolLooks(pools).look()
    freed.set()
    assert [(fact.name, not fact.problem) for fact in facts] == [("far", False), ("near", True)]
    assert [image.pool for image in images] == ["near"]


async def test_a_pool_that_hangs_as_it_is_tidied_keeps_hostd_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools, freed = patient(tmp_path, {"far": manifest_of(tmp_path / "far")}), threading.Event()
    monkeypatch.setattr(PoolDir, "sweep_drafts", lambda _pool, _wanted: int(freed.wait(20)))
    async with asyncio.timeout(5):
        await pools.tidy(frozenset())
    with pytest.raises(TransientError):
        await dir_pool(pools, "far")
    freed.set()


async def test_images_of_a_pool_are_not_told_of_the_next_one_by_its_name(tmp_path: Path) -> None:
    manifests = {"big": manifest_of(tmp_path / "big")}
    pools, freed = patient(tmp_path, manifests, scan_s=0.2), threading.Event()
    (await dir_pool(pools, "big")).image("debian").write_bytes(b"1234")
    looks = PoolLooks(pools)
    assert (await looks.look())[1] != ()
    manifests["big"] = manifest_of(tmp_path / "anew")
    manifests["big"]["metadata"]["uid"] = "another"
    with pytest.raises(TransientError):
        await pools.scan(await dir_pool(pools, "big"), Scan.IMAGES, lambda: freed.wait(20))
    assert (await looks.look())[1] == ()
    freed.set()
