"""Who is admitted to hostd's API, and what it says to those who are not."""

from __future__ import annotations

import asyncio
import stat
from dataclasses import replace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from quantix_api.resources import VOLUMES
from quantix_client.api import ApiClient
from quantix_client.reviews import Identity
from quantix_hostd.api import server
from quantix_hostd.api.guard import LocalGuard, ReviewingGuard, identity_of
from quantix_hostd.api.server import ApiServer, build_app
from quantix_lab.api_world import UID, ApiWorld


async def test_roots_socket_is_roots_alone_and_a_stale_one_is_replaced(world: ApiWorld) -> None:
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
    world: ApiWorld, caplog: pytest.LogCaptureFixture, request_bytes: bytes
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


async def test_only_root_on_the_machine_shuts_its_guests_down(world: ApiWorld) -> None:
    async with TestClient(TestServer(build_app(world.backend, world.guard))) as remote:
        async with remote.post("/v1/host/shutdown") as answer:
            assert answer.status == 403
    async with TestClient(TestServer(build_app(world.backend, LocalGuard()))) as local:
        async with local.post("/v1/host/shutdown") as answer:
            assert await answer.json() == {"virtualMachines": ["default/web-1"]}


async def test_only_root_on_the_machine_sees_whom_a_shutdown_waits_for(world: ApiWorld) -> None:
    async with TestClient(TestServer(build_app(world.backend, world.guard))) as remote:
        async with remote.get("/v1/host/guests") as answer:
            assert answer.status == 403
    async with TestClient(TestServer(build_app(world.backend, LocalGuard()))) as local:
        async with local.get("/v1/host/guests") as answer:
            assert await answer.json() == {"guests": [{"name": "default/web-1", "graceSeconds": 60}]}


async def test_only_root_on_the_machine_sees_and_ends_a_guest_without_a_vm(world: ApiWorld) -> None:
    async with TestClient(TestServer(build_app(world.backend, world.guard))) as remote:
        async with remote.get("/v1/host/orphans") as answer:
            assert answer.status == 403
        async with remote.post(f"/v1/host/orphans/{UID}/end") as answer:
            assert answer.status == 403
    assert world.orphans.ended == []
    async with TestClient(TestServer(build_app(world.backend, LocalGuard()))) as local:
        async with local.get("/v1/host/orphans") as answer:
            assert [item["vm"] for item in (await answer.json())["orphans"]] == ["default/gone"]
        async with local.post("/v1/host/orphans/0a1b/end") as answer:
            assert answer.status == 404
            assert "No guest of UID 0a1b" in await answer.text()
        async with local.post(f"/v1/host/orphans/{UID}/end") as answer:
            assert answer.status == 202
    assert world.orphans.ended == [UID]


@pytest.mark.parametrize("comes", [True, False], ids=["heard of in time", "the API is away"])
async def test_before_the_objects_are_known_nobody_is_told_that_one_is_not_here(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch, comes: bool
) -> None:
    monkeypatch.setattr(server, "_KNOWN_S", 10.0 if comes else 0.1)
    heard, volumes = asyncio.Event(), dict(world.backend.stores[VOLUMES])
    stores = {**world.backend.stores, VOLUMES: {}}
    app = build_app(replace(world.backend, stores=stores, known=heard.wait), LocalGuard())
    async with TestClient(TestServer(app)) as client:
        asked = asyncio.create_task(client.get("/v1/volumes/default/data/upload"))
        async with client.get("/healthz") as health:
            assert health.status == 200
        stores[VOLUMES] = volumes
        if comes:
            heard.set()
        async with await asked as answer:
            assert answer.status == (200 if comes else 503)


def test_a_certificate_names_a_user_and_groups() -> None:
    subject = ((("organizationName", "ops"),), (("organizationName", "dev"),), (("commonName", "alice"),))
    assert identity_of({"subject": subject}) == Identity("alice", ("ops", "dev", "system:authenticated"))
    assert identity_of({"subject": ((("organizationName", "ops"),),)}) is None
    assert identity_of(None) is None


class Reviews:
    """An API server that knows one token, whose user may do one thing to one VM."""

    async def request(self, method: str, path: str, json: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("/tokenreviews"):
            known = json["spec"]["token"] == "alice's"
            return {"status": {"authenticated": known, "user": {"username": "alice"}}}
        asked = json["spec"]["resourceAttributes"]
        return {"status": {"allowed": (asked["subresource"], asked["name"]) == ("log", "web-1")}}


@pytest.mark.parametrize(
    ("path", "token", "status", "kept"),
    [
        ("/v1/virtualmachines/default/web-1/log", "alice's", 200, True),
        ("/v1/virtualmachines/default/web-2/log", "alice's", 403, False),
        ("/v1/virtualmachines/default/web-1/log", "stolen", 401, False),
        ("/healthz", "", 200, False),
        ("/nowhere", "", 404, False),
    ],
)
async def test_only_who_was_admitted_keeps_the_connection(
    world: ApiWorld, path: str, token: str, status: int, kept: bool
) -> None:
    guard = ReviewingGuard(cast(ApiClient, Reviews()))
    async with TestClient(TestServer(build_app(world.backend, guard))) as client:
        async with client.get(path, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == status
            assert (answer.headers.get("Connection") != "close") is kept


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    "path",
    [
        "images/red/..%2f..%2fblue%2fimages%2fsecretimg/content",
        "images/red%2f..%2f..%2fblue%2fimages/secretimg/content",
        "images/red/..%2f..%2fblue/upload",
        "volumes/red/a%2fb/upload",
        "virtualmachines/red/..%2fweb-1/screenshot",
        "virtualmachines/red/%252e%252e/log",
        "virtualmachines/red/web-1%0a/metrics",
        "virtualmachines/Red/web-1/console",
    ],
)
async def test_what_is_no_name_opens_no_door(world: ApiWorld, method: str, path: str) -> None:
    """hostd would ask the API for it with rights of its own."""
    async with TestClient(TestServer(build_app(world.backend, world.guard))) as client:
        url = URL(f"{client.make_url('/v1/')}{path}", encoded=True)
        async with client.session.request(method, url) as answer:
            assert answer.status in ((404, 405) if method == "PUT" else (404,))
    assert not world.guard.asked
