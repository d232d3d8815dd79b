"""Downloads that break off, from a real HTTP server: gone on with where the server has the very same file."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from quantix_api import Image
from quantix_api.errors import TransientError
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.sandbox import Sandbox
from quantix_hostd.image.intake import Intake
from quantix_hostd.image_addresses import AddressRules
from quantix_hostd.transfer.draft import read_note
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.receiving import Receiving
from quantix_hostd.transfer.room import Room
from quantix_hostd.transfer.seen import TransferSeen
from quantix_lab.disk_pools import IMAGES, pool_at
from quantix_lab.waiting import eventually_async

_DISK = b"\0" * 510 + b"\x55\xaa" + bytes(range(256)) * 16384
_OTHER = _DISK[:512] + bytes(reversed(range(256))) * 16384
_HALF = len(_DISK) // 2


class Mirror:
    """A server of one file. It breaks off, or stands still, after `stops_at` bytes of a body."""

    def __init__(self) -> None:
        self.content, self.etag = _DISK, '"v1"'
        self.stops_at: int | None = None
        self.stands_still = False
        self.asked: list[str | None] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if request.headers.get("If-Range") != self.etag:
            first = 0
        body, whole = self.content[first:], len(self.content)
        headers = {"Content-Length": str(len(body))} | ({"ETag": self.etag} if self.etag else {})
        if first:
            headers["Content-Range"] = f"bytes {first}-{whole - 1}/{whole}"
        response = web.StreamResponse(status=206 if first else 200, headers=headers)
        await response.prepare(request)
        await response.write(body[: self.stops_at])
        if self.stops_at is not None:
            if self.stands_still:
                await asyncio.sleep(20)
            assert request.transport is not None
            request.transport.close()
        return response


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    made = Mirror()
    app = web.Application()
    app.router.add_get("/disk", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/disk"
    yield made
    await runner.cleanup()


@pytest.fixture
def pool(tmp_path: Path) -> PoolDir:
    return pool_at(tmp_path / "pool")


async def loopback() -> AddressRules:
    return AddressRules(allowed=(ipaddress.ip_network("127.0.0.1"),))


def image_of(mirror: Mirror, content: bytes = _DISK) -> Image:
    about = {"name": "disk", "namespace": "default", "uid": "0a1b2c"}
    spec = {"url": mirror.url, "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}"}
    return Image.model_validate({"metadata": about, "spec": spec})


def process() -> Intake:
    """What takes images in, in a hostd that was just started."""
    qemu_img = QemuImg(Sandbox(IMAGES))
    return Intake(HttpSource(loopback), qemu_img, Receiving("image", qemu_img, Room(), lambda _: None))


async def downloaded(pool: PoolDir, image: Image) -> TransferSeen[Received]:
    """How a download ends in a hostd that was just started."""
    intake = process()
    transfer = intake.download(pool, image)
    assert transfer.task is not None
    await transfer.task
    return transfer.seen()


async def broken_at_half(pool: PoolDir, mirror: Mirror) -> str:
    """The range that is asked for next: what arrived at all may be less than was sent."""
    mirror.stops_at = _HALF
    found = await downloaded(pool, image_of(mirror))
    assert isinstance(found.error, TransientError)
    assert found.error.reason == "ImageUnreachable"
    mirror.stops_at = None
    note = read_note(pool, "0a1b2c")
    return f"bytes={note.offset_bytes}-" if note else ""


async def test_a_download_that_broke_off_goes_on_after_a_restart_with_the_rest_alone(
    mirror: Mirror, pool: PoolDir
) -> None:
    rest = await broken_at_half(pool, mirror)
    found = await downloaded(pool, image_of(mirror))
    assert found.error is None
    assert mirror.asked == [None, rest]
    assert rest
    assert pool.image("0a1b2c").read_bytes() == _DISK
    assert [entry.name for entry in pool.images.iterdir()] == ["0a1b2c"]


async def test_a_hostd_that_is_stopped_in_the_middle_leaves_what_came(mirror: Mirror, pool: PoolDir) -> None:
    mirror.stops_at, mirror.stands_still = _HALF, True
    intake = process()
    transfer = intake.download(pool, image_of(mirror))
    await eventually_async("the first half", lambda: transfer.done_bytes == _HALF)
    await intake.stop()
    note = read_note(pool, "0a1b2c")
    assert note is not None
    assert (note.offset_bytes, note.length_bytes) == (_HALF, len(_DISK))
    mirror.stops_at = None
    assert (await downloaded(pool, image_of(mirror))).error is None
    assert mirror.asked[1:] == [f"bytes={_HALF}-"]


async def test_a_file_that_changed_meanwhile_is_fetched_anew(mirror: Mirror, pool: PoolDir) -> None:
    await broken_at_half(pool, mirror)
    mirror.content, mirror.etag = _OTHER, '"v2"'
    assert (await downloaded(pool, image_of(mirror, _OTHER))).error is None
    assert pool.image("0a1b2c").read_bytes() == _OTHER


async def test_a_server_that_mixes_two_files_under_one_name_is_asked_for_the_whole(
    mirror: Mirror, pool: PoolDir
) -> None:
    rest = await broken_at_half(pool, mirror)
    mirror.content = _OTHER
    assert (await downloaded(pool, image_of(mirror, _OTHER))).error is None
    assert mirror.asked == [None, rest, None]
    assert pool.image("0a1b2c").read_bytes() == _OTHER


async def test_bytes_that_a_power_cut_spoilt_are_not_gone_on_from(mirror: Mirror, pool: PoolDir) -> None:
    await broken_at_half(pool, mirror)
    with pool.image_draft("0a1b2c").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\0\0\0")
    first = await downloaded(pool, image_of(mirror))
    assert first.error is not None
    assert "are not what was kept of the file any more" in first.error.message
    assert list(pool.images.iterdir()) == []
    assert (await downloaded(pool, image_of(mirror))).error is None
    assert mirror.asked[-1] is None


async def test_of_a_server_that_does_not_name_its_file_nothing_is_kept(mirror: Mirror, pool: PoolDir) -> None:
    mirror.etag = ""
    await broken_at_half(pool, mirror)
    assert list(pool.images.iterdir()) == []


async def test_a_file_that_was_refused_leaves_nothing(mirror: Mirror, pool: PoolDir) -> None:
    mirror.content = b"<html>" * 100
    found = await downloaded(pool, image_of(mirror, mirror.content))
    assert found.error is not None
    assert found.error.reason == "ImageRefused"
    assert list(pool.images.iterdir()) == []
