"""Images that somebody sends: passed on, refused with the reason, and ended when they do not come."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_hostd.api.server import build_app
from quantix_hostd.pace import Pace
from quantix_hostd.transfer.draft import Note
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


async def test_the_rest_of_an_upload_is_passed_on_with_its_place_in_the_file(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    world.receiver.kept = Note(6, 10, "", "sha256:abc")
    async with client.get("/v1/images/default/tiny/upload") as answer:
        assert await answer.json() == {"offsetBytes": 6, "lengthBytes": 10, "checksum": "sha256:abc"}
    part = {"Content-Range": "bytes 6-9/10"}
    async with client.put("/v1/images/default/tiny/upload", data=io.BytesIO(b"disk"), headers=part) as answer:
        assert (await answer.json())["virtualSizeBytes"] == 10
    assert (world.receiver.got, world.receiver.offset_bytes) == (b"disk", 6)
    assert {asked.subresource for asked in world.guard.asked} == {"upload"}


async def test_nothing_kept_is_told_too(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    async with client.get("/v1/images/default/tiny/upload") as answer:
        assert await answer.json() == {"offsetBytes": 0}


@pytest.mark.parametrize(
    "told",
    ["bytes 6-8/10", "bytes 6-9/11", "bytes 9-6/10", "bytes */10", "bytes -4/10", "bytes 6-9/1e1"],
)
async def test_a_range_that_is_not_the_rest_of_a_file_is_refused(
    world: ApiWorld, client: TestClient[web.Request, web.Application], told: str
) -> None:
    part = {"Content-Range": told}
    async with client.put("/v1/images/default/tiny/upload", data=io.BytesIO(b"disk"), headers=part) as answer:
        assert answer.status == 400
    assert world.receiver.got == b""


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (PermanentError("ImageRefused", "no image"), 422),
        (PermanentError("ChecksumMismatch", "other sum"), 422),
        (PermanentError("NotWaiting", "sent already"), 409),
        (TransientError("TooManyUploads", "four are on their way"), 429),
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


async def test_an_upload_that_would_unpack_on_its_way_is_refused(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    packed = gzip.compress(bytes(1 << 20))
    told = {"Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    for path in ("/v1/images/default/tiny/upload", "/v1/volumes/default/data/upload"):
        async with client.put(path, data=io.BytesIO(packed), headers=told) as answer:
            assert answer.status == 415
            assert await answer.text() == "Content-Encoding is not taken: send the file as it is."
    assert (world.receiver.got, world.volume_receiver.got) == (b"", b"")


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


async def test_an_upload_that_would_take_days_is_ended(world: ApiWorld) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"d"
            await asyncio.sleep(0.02)

    backend = replace(world.backend, upload_pace=Pace(least_bytes=0, grace_s=0.2))
    async with TestClient(TestServer(build_app(backend, world.guard))) as client:
        headers = {"Content-Length": str(1 << 30)}
        async with client.put("/v1/images/default/tiny/upload", data=pieces(), headers=headers) as answer:
            assert answer.status == 503
            assert "of 1 GiB came in 0 min, and all of it has to come within 24 h" in await answer.text()
    assert len(world.receiver.got) < 100


async def test_the_file_of_a_volume_goes_to_who_makes_volumes(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    path = "/v1/volumes/default/data/upload"
    async with client.get(path) as answer:
        assert await answer.json() == {"offsetBytes": 0}
    async with client.put(path, data=io.BytesIO(b"disk")) as answer:
        assert (await answer.json())["checksum"] == "sha256:abc"
    assert (world.volume_receiver.got, world.receiver.got) == (b"disk", b"")
    assert {(asked.verb, asked.resource, asked.subresource, asked.name) for asked in world.guard.asked} == {
        ("create", "volumes", "upload", "data")
    }
    async with client.put("/v1/volumes/default/tiny/upload", data=io.BytesIO(b"disk")) as answer:
        assert answer.status == 404
