"""Images that somebody sends: passed on, refused with the reason, and ended when they do not come."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_hostd.api.server import build_app
from quantix_hostd.pace import Pace
from quantix_lab.api_world import ApiWorld


async def test_an_upload_is_passed_on_with_its_length(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    async with client.put("/v1/images/default/tiny/upload", data=io.BytesIO(b"disk")) as answer:
        assert (await answer.json())["checksum"] == "sha256:abc"
    assert world.receiver.got == b"disk"
    asked = world.guard.asked[0]
    assert (asked.verb, asked.resource, asked.subresource, asked.name) == (
        "create",
        "images",
        "upload",
        "tiny",
    )


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (PermanentError("ImageRefused", "no image"), 422),
        (PermanentError("ChecksumMismatch", "other sum"), 422),
        (PermanentError("NotWaiting", "sent already"), 409),
        (TransientError("PoolFull", "no room"), 507),
        (TransientError("ImageUnreachable", "broke off"), 503),
    ],
)
async def test_a_refused_upload_says_why(
    world: ApiWorld, client: TestClient[web.Request, web.Application], refusal: QuantixError, status: int
) -> None:
    world.receiver.refusal = refusal
    async with client.put("/v1/images/default/tiny/upload", data=io.BytesIO(b"disk")) as answer:
        assert (answer.status, await answer.text()) == (status, refusal.message)


async def test_an_upload_without_length_is_refused(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"disk"

    async with client.put("/v1/images/default/tiny/upload", data=pieces()) as answer:
        assert answer.status == 411
    assert world.receiver.got == b""


@pytest.mark.parametrize("trickle_s", [0.02, 60.0])
async def test_an_upload_that_trickles_or_stands_still_is_ended(world: ApiWorld, trickle_s: float) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"d"
            await asyncio.sleep(trickle_s)

    backend = replace(world.backend, upload_pace=Pace(window_s=0.2))
    async with TestClient(TestServer(build_app(backend, world.guard))) as client:
        headers = {"Content-Length": "1000"}
        async with client.put("/v1/images/default/tiny/upload", data=pieces(), headers=headers) as answer:
            assert answer.status == 503
            assert "The upload is too slow: less than 64 KiB came in 0 s" in await answer.text()
    assert len(world.receiver.got) < 100
