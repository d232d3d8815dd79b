"""hostd's API by its handlers: consoles with a real socket for a guest, logs, uploads, and who is
admitted.
"""

from __future__ import annotations

import asyncio
import io
import json
import stat
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_api.layout import Layout
from quantix_api.messages import as_error
from quantix_api.resources import IMAGES, STORAGE_POOLS, VIRTUAL_MACHINES
from quantix_client.api import ApiClient
from quantix_client.reviews import Access, Identity
from quantix_hostd.api.backend import Backend
from quantix_hostd.api.guard import LocalGuard, identity_of
from quantix_hostd.api.server import ApiServer, build_app
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.image.formats import ImageFacts, ImageFormat, Received
from quantix_hostd.pace import Pace
from quantix_hostd.pools import HostPools
from quantix_hostd.virtualmachine.console import ConsoleHub
from quantix_hostd.virtualmachine.orphans import Orphan

_UID = "daaee2dc-3de5-4c5e-afa3-06beae8d3c1b"
_VM = "/v1/virtualmachines/default/web-1"


class Receiver:
    """Takes uploads, or refuses them."""

    def __init__(self) -> None:
        self.got = b""
        self.refusal: QuantixError | None = None

    async def receive_upload(self, key: str, chunks: AsyncIterator[bytes], length_bytes: int) -> Received:
        async for chunk in chunks:
            self.got += chunk
        if self.refusal is not None:
            raise self.refusal
        return Received(ImageFacts(ImageFormat.RAW, length_bytes), "sha256:abc")


class OneOrphan:
    """A host on which one guest has no VM."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def orphans(self) -> tuple[Orphan, ...]:
        return (Orphan(_UID, f"qx-{_UID}", "default/gone", True, (42,), "", ("v1",), ("p1",), ending=False),)

    async def end_orphan(self, uid: str) -> Orphan:
        if uid != _UID:
            raise as_error(PermanentError, "NoOrphan", uid=uid, host="h1")
        self.ended.append(uid)
        return (await self.orphans())[0]


class Recording:
    """A guard that lets everybody in and remembers what they wanted."""

    local = False

    def __init__(self) -> None:
        self.asked: list[Access] = []

    async def admit(self, request: web.Request, access: Access) -> Identity:
        self.asked.append(access)
        return Identity("alice")


class World:
    """A backend below a short root, with one VM and one Image."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.consoles = ConsoleHub()
        self.receiver = Receiver()
        self.orphans = OneOrphan()
        self.guard = Recording()
        stores: dict[Any, dict[str, Any]] = {
            VIRTUAL_MACHINES: {"default/web-1": {"metadata": {"uid": _UID}}},
            IMAGES: {"default/tiny": {"metadata": {"uid": "0a1b"}}},
            STORAGE_POOLS: {},
        }
        self.backend = Backend(
            host="h1",
            layout=self.layout,
            api=ApiClient.__new__(ApiClient),
            stores=stores,
            consoles=self.consoles,
            uploads=self.receiver,
            orphans=self.orphans,
            pools=HostPools(stores[STORAGE_POOLS], {}, "h1", self.layout, FileOwner.current()),
            metrics=self.metrics,
            shut_down=self.shut_down,
        )

    async def metrics(self) -> bytes:
        return b"up 1\n"

    async def shut_down(self) -> list[str]:
        return ["default/web-1"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory(prefix="qx") as root:
        made = World(Path(root))
        yield made
        await made.consoles.close()


@pytest.fixture
async def client(world: World) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async with TestClient(TestServer(build_app(world.backend, world.guard))) as opened:
        yield opened


async def test_roots_socket_is_roots_alone_and_a_stale_one_is_replaced(world: World) -> None:
    path = world.layout.hostd_socket
    path.parent.mkdir(parents=True)
    path.write_text("left behind")
    server = ApiServer(world.backend)
    await server.open_socket(path)
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
            session.get("http://hostd/healthz") as answer,
        ):
            assert (await answer.json())["healthy"] is True
    finally:
        await server.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: h\r\nA: " + b"a" * 20000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n",
    ],
)
async def test_what_is_no_http_is_worth_one_line_of_the_log(
    world: World, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    server = ApiServer(world.backend)
    await server.open_socket(world.layout.hostd_socket)
    try:
        reader, writer = await asyncio.open_unix_connection(world.layout.hostd_socket)
        writer.write(request_bytes)
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()
        await writer.wait_closed()
    finally:
        await server.close()
    (record,) = [one for one in caplog.records if one.name.startswith(("aiohttp", "quantix_hostd"))]
    assert record.exc_info is None
    assert "Said: " in record.getMessage()
    assert len(record.getMessage().splitlines()) == 1
    assert len(record.getMessage()) < 200


class Guest:
    """Listens where QEMU's serial port would, and says back what it hears in capitals."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: asyncio.StreamWriter | None = None
        self.connected = asyncio.Event()

    async def serve(self) -> asyncio.Server:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return await asyncio.start_unix_server(self._talk, self.path)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        writer.write(b"one\r\ntwo\r\nlogin: ")
        self.connected.set()
        while data := await reader.read(1024):
            writer.write(data.upper())
        writer.close()


async def test_a_console_shows_the_last_lines_then_carries_both_ways_until_the_guest_is_off(
    world: World, client: TestClient[web.Request, web.Application]
) -> None:
    guest = Guest(world.layout.vm_run(_UID) / "serial.sock")
    async with await guest.serve():
        world.consoles.attach(_UID, guest.path)
        await guest.connected.wait()
        await asyncio.sleep(0.05)
        async with client.ws_connect(f"{_VM}/console?lines=2") as socket:
            assert json.loads((await socket.receive(5)).data) == {"type": "mode", "readOnly": False}
            assert (await socket.receive(5)).data == b"two\r\nlogin: "
            await socket.send_bytes(b"root")
            assert (await socket.receive(5)).data == b"ROOT"
            async with client.ws_connect(f"{_VM}/console") as second:
                assert json.loads((await second.receive(5)).data) == {"type": "mode", "readOnly": True}
            async with client.ws_connect(f"{_VM}/console?take=1") as third:
                assert json.loads((await third.receive(5)).data) == {"type": "mode", "readOnly": False}
                assert json.loads((await socket.receive(5)).data) == {"type": "mode", "readOnly": True}
            assert json.loads((await socket.receive(5)).data) == {"type": "mode", "readOnly": False}
            await world.consoles.detach(_UID)
            assert json.loads((await socket.receive(5)).data) == {"type": "off"}
            assert (await socket.receive(5)).type is aiohttp.WSMsgType.CLOSE
    assert {(access.verb, access.subresource) for access in world.guard.asked} == {("create", "console")}


async def test_a_vm_that_is_off_has_no_console_and_no_screen(
    client: TestClient[web.Request, web.Application],
) -> None:
    for door in ("console", "vnc"):
        async with client.get(f"{_VM}/{door}") as answer:
            assert answer.status == 409


async def test_the_screen_is_carried_byte_by_byte(
    world: World, client: TestClient[web.Request, web.Application]
) -> None:
    guest = Guest(world.layout.vm_run(_UID) / "vnc.sock")
    async with await guest.serve():
        async with client.ws_connect(f"{_VM}/vnc") as socket:
            assert (await socket.receive(5)).data == b"one\r\ntwo\r\nlogin: "
            await socket.send_bytes(b"rfb")
            assert (await socket.receive(5)).data == b"RFB"
    assert world.guard.asked[0].subresource == "vnc"


async def test_the_log_is_its_last_lines_without_control_characters(
    world: World, client: TestClient[web.Request, web.Application]
) -> None:
    path = world.layout.vm_log(_UID) / "console.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"old\r\nfirst\r\n\x1b[31mred\x07\r\n")
    async with client.get(f"{_VM}/log?lines=2") as answer:
        assert await answer.text() == "first\n\\x1b[31mred\\x07\n"
    async with client.get(f"{_VM}/log?lines=many") as answer:
        assert answer.status == 400
    async with client.get("/v1/virtualmachines/default/other/log") as answer:
        assert answer.status == 404


async def test_an_upload_is_passed_on_with_its_length(
    world: World, client: TestClient[web.Request, web.Application]
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
    world: World, client: TestClient[web.Request, web.Application], refusal: QuantixError, status: int
) -> None:
    world.receiver.refusal = refusal
    async with client.put("/v1/images/default/tiny/upload", data=io.BytesIO(b"disk")) as answer:
        assert (answer.status, await answer.text()) == (status, refusal.message)


async def test_an_upload_without_length_is_refused(
    world: World, client: TestClient[web.Request, web.Application]
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"disk"

    async with client.put("/v1/images/default/tiny/upload", data=pieces()) as answer:
        assert answer.status == 411
    assert world.receiver.got == b""


@pytest.mark.parametrize("trickle_s", [0.02, 60.0])
async def test_an_upload_that_trickles_or_stands_still_is_ended(world: World, trickle_s: float) -> None:
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


async def test_only_root_on_the_machine_shuts_its_guests_down(world: World) -> None:
    async with TestClient(TestServer(build_app(world.backend, world.guard))) as remote:
        async with remote.post("/v1/host/shutdown") as answer:
            assert answer.status == 403
    async with TestClient(TestServer(build_app(world.backend, LocalGuard()))) as local:
        async with local.post("/v1/host/shutdown") as answer:
            assert await answer.json() == {"virtualMachines": ["default/web-1"]}


async def test_only_root_on_the_machine_sees_and_ends_a_guest_without_a_vm(world: World) -> None:
    async with TestClient(TestServer(build_app(world.backend, world.guard))) as remote:
        async with remote.get("/v1/host/orphans") as answer:
            assert answer.status == 403
        async with remote.post(f"/v1/host/orphans/{_UID}/end") as answer:
            assert answer.status == 403
    assert world.orphans.ended == []
    async with TestClient(TestServer(build_app(world.backend, LocalGuard()))) as local:
        async with local.get("/v1/host/orphans") as answer:
            assert [item["vm"] for item in (await answer.json())["orphans"]] == ["default/gone"]
        async with local.post("/v1/host/orphans/0a1b/end") as answer:
            assert answer.status == 404
            assert "No guest of UID 0a1b" in await answer.text()
        async with local.post(f"/v1/host/orphans/{_UID}/end") as answer:
            assert answer.status == 202
    assert world.orphans.ended == [_UID]


def test_a_certificate_names_a_user_and_groups() -> None:
    subject = ((("organizationName", "ops"),), (("organizationName", "dev"),), (("commonName", "alice"),))
    assert identity_of({"subject": subject}) == Identity("alice", ("ops", "dev", "system:authenticated"))
    assert identity_of({"subject": ((("organizationName", "ops"),),)}) is None
    assert identity_of(None) is None
