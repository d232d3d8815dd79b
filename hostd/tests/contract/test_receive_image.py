"""Images taken in, from a real HTTP server and with the real qemu-img: kept whole and checked, or not at
all.
"""

from __future__ import annotations

import hashlib
import ipaddress
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiohttp import web

from quantix_api.disk_image import ImageFormat
from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.sandbox import Sandbox
from quantix_hostd.image_addresses import AddressRules
from quantix_hostd.transfer.receive import Expectation, Incoming, receive_image
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.room import Room
from quantix_lab.disk_pools import IMAGES, QEMU, pool_at
from quantix_lab.hostile_images import HARMLESS_IMAGES, HOSTILE_IMAGES, MAX_VIRTUAL_SIZE, HostileImage

_MIB = 1 << 20


@dataclass
class Site:
    """A web server with routes that tests add."""

    base: str
    routes: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    routes: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        return await routes[request.path](request)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    port = runner.addresses[0][1]
    yield Site(f"http://127.0.0.1:{port}", routes)
    await runner.cleanup()


@pytest.fixture
def pool(tmp_path: Path) -> PoolDir:
    return pool_at(tmp_path / "pool")


@pytest.fixture
def disk(tmp_path: Path) -> bytes:
    path = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 3M", path], check=True, capture_output=True)
    return path.read_bytes()


def serve(content: bytes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content)

    return answer


def expectation(**changes: object) -> Expectation:
    return replace(Expectation("0a1b2c", "Auto", "", 1 << 30), **changes)  # type: ignore[arg-type]


async def loopback() -> AddressRules:
    """The test's own web server, which a host refuses (tests/unit/test_image_addresses.py)."""
    return AddressRules(allowed=(ipaddress.ip_network("127.0.0.1"),))


async def fetch(url: str, pool: PoolDir, wanted: Expectation) -> Received:
    heard: list[int] = []
    async with HttpSource(loopback).open(url) as download:
        received = await receive_image(
            pool,
            wanted,
            Incoming(download.chunks, download.length_bytes),
            QemuImg(Sandbox(IMAGES)),
            room=Room(),
            on_progress=heard.append,
        )
    assert heard[-1] == pool.image(wanted.uid).stat().st_size
    return received


async def take(content: bytes, pool: PoolDir, wanted: Expectation) -> Received:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    return await receive_image(
        pool,
        wanted,
        Incoming(pieces(), len(content)),
        QemuImg(Sandbox(IMAGES)),
        room=Room(),
        on_progress=lambda _: None,
    )


async def refusal(url: str, pool: PoolDir, wanted: Expectation) -> QuantixError:
    with pytest.raises(QuantixError) as caught:
        await fetch(url, pool, wanted)
    assert list(pool.images.iterdir()) == [], "something half-written was kept"
    return caught.value


async def test_a_sound_image_is_kept_read_only_for_qemu_with_its_checksum(
    site: Site, pool: PoolDir, disk: bytes
) -> None:
    site.routes["/disk.qcow2"] = serve(disk)
    checksum = f"sha256:{hashlib.sha256(disk).hexdigest()}"
    received = await fetch(f"{site.base}/disk.qcow2", pool, expectation(checksum=checksum))
    path = pool.image("0a1b2c")
    assert (received.checksum, received.facts.format) == (checksum, ImageFormat.QCOW2)
    assert received.facts.virtual_size_bytes == 64 * _MIB
    assert path.read_bytes() == disk
    assert path.stat().st_mode & 0o777 == 0o440
    assert path.stat().st_gid == IMAGES.gid != QEMU.gid
    assert [entry.name for entry in pool.images.iterdir()] == ["0a1b2c"]


async def test_a_raw_disk_is_kept_as_raw(site: Site, pool: PoolDir) -> None:
    site.routes["/raw"] = serve(b"\0" * 510 + b"\x55\xaa" + b"\0" * (_MIB - 512))
    received = await fetch(f"{site.base}/raw", pool, expectation())
    assert (received.facts.format, received.facts.virtual_size_bytes) == (ImageFormat.RAW, _MIB)


async def test_a_wrong_checksum_keeps_nothing(site: Site, pool: PoolDir, disk: bytes) -> None:
    site.routes["/disk.qcow2"] = serve(disk)
    error = await refusal(f"{site.base}/disk.qcow2", pool, expectation(checksum="sha256:" + "0" * 64))
    assert isinstance(error, PermanentError)
    assert error.reason == "ChecksumMismatch"


async def test_a_page_instead_of_an_image_keeps_nothing(site: Site, pool: PoolDir) -> None:
    site.routes["/page"] = serve(b"<html>sign in</html>" * 1000)
    assert (await refusal(f"{site.base}/page", pool, expectation())).reason == "ImageRefused"


@pytest.mark.parametrize("image", HOSTILE_IMAGES, ids=[image.name for image in HOSTILE_IMAGES])
async def test_no_hostile_image_gets_in_and_each_is_told_why(image: HostileImage, pool: PoolDir) -> None:
    wanted = expectation(image_format=image.wanted, max_virtual_size_bytes=MAX_VIRTUAL_SIZE)
    with pytest.raises(PermanentError) as caught:
        await take(image.content, pool, wanted)
    assert caught.value.reason == "ImageRefused"
    assert image.says in caught.value.message
    assert caught.value.hint
    assert list(pool.images.iterdir()) == [], "something half-written was kept"


@pytest.mark.parametrize("name", HARMLESS_IMAGES)
async def test_what_only_looks_odd_is_taken(name: str, pool: PoolDir) -> None:
    await take(HARMLESS_IMAGES[name], pool, expectation())
    assert pool.image("0a1b2c").read_bytes() == HARMLESS_IMAGES[name]


async def test_a_missing_file_says_what_the_server_answered(site: Site, pool: PoolDir) -> None:
    async def missing(_: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    site.routes["/debian.qcow2"] = missing
    error = await refusal(f"{site.base}/debian.qcow2", pool, expectation())
    assert isinstance(error, TransientError)
    assert (error.reason, error.message) == (
        "ImageUnreachable",
        "127.0.0.1 answered 404 for debian.qcow2.",
    )


async def test_a_connection_that_breaks_half_way_keeps_nothing(
    site: Site, pool: PoolDir, disk: bytes
) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(disk))})
        await response.prepare(request)
        await response.write(disk[: len(disk) // 2])
        assert request.transport is not None
        request.transport.close()
        return response

    site.routes["/half"] = half
    assert (await refusal(f"{site.base}/half", pool, expectation())).reason == "ImageUnreachable"


async def test_a_body_without_end_is_cut_at_the_limit(site: Site, pool: PoolDir) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"\0" * _MIB)

    site.routes["/endless"] = endless
    error = await refusal(f"{site.base}/endless", pool, expectation(max_virtual_size_bytes=_MIB))
    assert error.reason == "ImageRefused"


async def test_a_length_beyond_the_limit_is_refused_before_a_byte_is_read(site: Site, pool: PoolDir) -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(1 << 40)})
        await response.prepare(request)
        return response

    site.routes["/large"] = large
    assert (await refusal(f"{site.base}/large", pool, expectation())).reason == "ImageRefused"


async def test_redirects_are_followed_and_judged(site: Site, pool: PoolDir, disk: bytes) -> None:
    def to(target: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": target})

        return answer

    site.routes["/disk"] = serve(disk)
    site.routes["/good"] = to("/disk")
    site.routes["/metadata"] = to("http://169.254.169.254/latest/meta-data")
    site.routes["/file"] = to("file:///etc/shadow")
    site.routes["/loop"] = to("/loop")
    assert (await refusal(f"{site.base}/metadata", pool, expectation())).reason == "AddressRefused"
    assert (await refusal(f"{site.base}/file", pool, expectation())).reason == "AddressRefused"
    assert (await refusal(f"{site.base}/loop", pool, expectation())).reason == "ImageUnreachable"
    assert (await fetch(f"{site.base}/good", pool, expectation())).facts.format is ImageFormat.QCOW2


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://0.0.0.0/",
        "http://[fd00:ec2::254]/",
        "ftp://example.com/disk",
    ],
)
async def test_addresses_that_no_image_comes_from_are_refused(url: str, pool: PoolDir) -> None:
    assert (await refusal(url, pool, expectation())).reason == "AddressRefused"


async def test_a_server_that_is_not_there_is_unreachable(pool: PoolDir) -> None:
    assert (await refusal("http://127.0.0.1:1/disk", pool, expectation())).reason == "ImageUnreachable"


def test_drafts_of_an_earlier_run_are_swept_and_nothing_else(pool: PoolDir) -> None:
    pool.image_draft("0a1b2c").write_bytes(b"half")
    (pool.volumes / pool.volume_draft_name("77")).mkdir()
    (pool.volumes / ".77.h2.new").mkdir()
    pool.image("ffff").write_bytes(b"whole")
    for kept in (pool.image_draft("1b2c3d"), pool.image_note("1b2c3d")):
        kept.write_bytes(b"half")
    assert pool.sweep_drafts(frozenset({"1b2c3d"})) == 2
    assert pool.sweep_drafts() == 2
    assert sorted(entry.name for entry in pool.images.iterdir()) == ["ffff"]
    assert [entry.name for entry in pool.volumes.iterdir()] == [".77.h2.new"]
