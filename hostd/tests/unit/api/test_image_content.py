"""Reading an image's file over hostd's API: what hangs keeps the one who asks, and nobody else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError, web
from aiohttp.test_utils import TestClient, TestServer

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_api.resources import IMAGES
from quantix_hostd.api.server import build_app
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.patience import PatientThreads
from quantix_hostd.pace import Pace
from quantix_hostd.pools import HostPools
from quantix_lab.api_world import ApiWorld

_HANGS_S = 1.0
_CONTENT = "/v1/images/default/tiny/content"


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The pool `far` lies on a disk that does not answer; the names of the threads that asked it."""
    answers = threading.Event()
    asked: list[str] = []

    def slow(call: Any) -> Any:
        def asks(self: Path, *args: Any, **kwargs: Any) -> Any:
            if self.is_relative_to(tmp_path / "far"):
                asked.append(threading.current_thread().name)
                answers.wait(_HANGS_S)
            return call(self, *args, **kwargs)

        return asks

    for name in ("is_symlink", "is_file"):
        monkeypatch.setattr(Path, name, slow(getattr(Path, name)))
    yield asked
    answers.set()


def _pools(world: ApiWorld, root: Path, *names: str) -> HostPools:
    """With a directory for each, the oldest first."""

    def pool(name: str, hour: int) -> dict[str, Any]:
        (root / name / "images").mkdir(parents=True)
        made = f"2026-11-29T1{hour}:00:00Z"
        metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": made}
        return {"metadata": metadata, "spec": {"dir": {"path": str(root / name)}}}

    manifests = {name: pool(name, hour) for hour, name in enumerate(names)}
    threads = PatientThreads(patience_s=0.1)
    return HostPools(manifests, {}, "h1", world.layout, FileOwner.current(), threads=threads)


async def _content(world: ApiWorld, pools: HostPools) -> tuple[int, str]:
    """Status and text of the answer."""
    app = build_app(replace(world.backend, pools=pools), world.guard)
    async with TestClient(TestServer(app)) as client, client.get(_CONTENT) as answer:
        return answer.status, await answer.text()


async def test_a_pool_that_hangs_stops_neither_the_loop_nor_its_threads(
    world: ApiWorld, tmp_path: Path, silent: list[str]
) -> None:
    pools = _pools(world, tmp_path, "far", "near")
    (tmp_path / "near/images/0a1b").write_bytes(b"disk")
    gaps: list[float] = []

    async def lease() -> None:
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(0.05)
            gaps.append(time.monotonic() - began_s)

    async with TestClient(TestServer(build_app(replace(world.backend, pools=pools), world.guard))) as client:
        renewing = asyncio.create_task(lease())
        for _ in range(3):
            async with asyncio.timeout(20), client.get(_CONTENT) as answer:
                assert answer.status == 200
        renewing.cancel()
    assert threading.main_thread().name not in silent, "the loop itself asked"
    assert max(gaps) < _HANGS_S / 2, "no lease was renewed meanwhile"
    assert len(silent) <= 1, "each request keeps one more of hostd's 64 threads"


async def test_a_file_that_may_lie_in_a_pool_that_hangs_is_not_denied(
    world: ApiWorld, tmp_path: Path, silent: list[str]
) -> None:
    status, said = await _content(world, _pools(world, tmp_path, "far", "near"))
    assert status == 503
    assert "far" in said


async def test_a_link_in_the_place_of_a_file_is_no_content(world: ApiWorld, tmp_path: Path) -> None:
    pools = _pools(world, tmp_path, "near")
    (tmp_path / "secret").write_bytes(b"not yours")
    (tmp_path / "near/images/0a1b").symlink_to(tmp_path / "secret")
    assert (await _content(world, pools))[0] == 409


@pytest.fixture
async def ready(world: ApiWorld, tmp_path: Path) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Asks a host that has a checked file of ten bytes."""
    pools = _pools(world, tmp_path, "near")
    (tmp_path / "near/images/0a1b").write_bytes(b"0123456789")
    checked = {"default/tiny": {"metadata": {"uid": "0a1b"}, "status": {"checksum": "sha256:aa"}}}
    stores = {**world.backend.stores, IMAGES: checked}
    app = build_app(replace(world.backend, pools=pools, stores=stores), world.guard)
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "status", "body", "part"),
    [
        ({}, 200, b"0123456789", None),
        ({"Range": "bytes=4-"}, 206, b"456789", "bytes 4-9/10"),
        ({"Range": "bytes=4-5"}, 206, b"45", "bytes 4-5/10"),
        ({"Range": "bytes=4-", "If-Range": '"sha256:aa"'}, 206, b"456789", "bytes 4-9/10"),
        ({"Range": "bytes=4-", "If-Range": '"sha256:bb"'}, 200, b"0123456789", None),
        ({"Range": "bytes=10-"}, 416, None, "bytes */10"),
        ({"Range": "lines=1-2"}, 416, None, "bytes */10"),
    ],
)
async def test_the_rest_of_a_file_is_sent_to_who_has_its_beginning(
    ready: TestClient[web.Request, web.Application],
    headers: dict[str, str],
    status: int,
    body: bytes | None,
    part: str | None,
) -> None:
    async with ready.get(_CONTENT, headers=headers) as answer:
        assert (answer.status, answer.headers.get("Content-Range")) == (status, part)
        if body is not None:
            assert (await answer.read(), answer.headers["ETag"]) == (body, '"sha256:aa"')


async def test_the_head_of_a_file_says_how_long_it_is(
    ready: TestClient[web.Request, web.Application],
) -> None:
    async with ready.head(_CONTENT) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, "10")


async def test_a_host_sends_so_many_files_at_once_and_says_so(world: ApiWorld, tmp_path: Path) -> None:
    pools = _pools(world, tmp_path, "near")
    (tmp_path / "near/images/0a1b").write_bytes(bytes(64 << 20))
    app = build_app(replace(world.backend, pools=pools), world.guard)
    async with TestClient(TestServer(app)) as client:
        # what is not read fills the buffers of the kernel, and then waits
        async with client.get(_CONTENT) as first, client.get(_CONTENT) as second:
            assert (first.status, second.status) == (200, 200)
            async with client.get(_CONTENT) as third:
                refused = as_error(TransientError, "TooManyReaders", host="h1", user="alice")
                assert (third.status, await third.text()) == (429, str(refused))
        async with asyncio.timeout(10):
            while True:
                async with client.get(_CONTENT) as again:
                    if again.status == 200:
                        break
                await asyncio.sleep(0.05)


async def test_who_takes_nothing_for_long_is_cut_off(world: ApiWorld, tmp_path: Path) -> None:
    pools = _pools(world, tmp_path, "near")
    (tmp_path / "near/images/0a1b").write_bytes(bytes(64 << 20))
    pace = Pace(window_s=0.2)
    app = build_app(replace(world.backend, pools=pools, upload_pace=pace), world.guard)
    async with TestClient(TestServer(app)) as client, client.get(_CONTENT) as answer:
        await asyncio.sleep(1)
        with pytest.raises(ClientPayloadError):
            await answer.read()
