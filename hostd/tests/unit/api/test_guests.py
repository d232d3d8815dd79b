"""The doors to a guest: its console with a real socket for a guest, its screen, its log."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from quantix_api.messages import render
from quantix_hostd.api.lacking import lacks
from quantix_lab.api_world import UID, ApiWorld

_VM = "/v1/virtualmachines/default/web-1"


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
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    guest = Guest(world.layout.vm_run(UID) / "serial.sock")
    async with await guest.serve():
        world.consoles.attach(UID, guest.path)
        await guest.connected.wait()
        await asyncio.sleep(0.05)
        async with client.ws_connect(f"{_VM}/console?lines=2") as socket:
            assert json.loads((await socket.receive(5)).data) == {"type": "mode", "readOnly": False}
            assert (await socket.receive(5)).data == b"two\r\nlogin: "
            await socket.send_bytes(b"root")
            assert (await socket.receive(5)).data == b"ROOT"
            async with client.ws_connect(f"{_VM}/console") as second:
                assert json.loads((await second.receive(5)).data) == {"type": "mode", "readOnly": True}
            async with client.ws_connect(f"{_VM}/console?take=1&lines=0") as third:
                assert json.loads((await third.receive(5)).data) == {"type": "mode", "readOnly": False}
                assert json.loads((await socket.receive(5)).data) == {"type": "mode", "readOnly": True}
                # of what was said before it gets nothing
                await third.send_bytes(b"who")
                assert (await third.receive(5)).data == b"WHO"
                assert (await socket.receive(5)).data == b"WHO"
            assert json.loads((await socket.receive(5)).data) == {"type": "mode", "readOnly": False}
            await world.consoles.detach(UID)
            assert json.loads((await socket.receive(5)).data) == {"type": "off"}
            assert (await socket.receive(5)).type is aiohttp.WSMsgType.CLOSE
    assert {(access.verb, access.subresource) for access in world.guard.asked} == {("create", "console")}
    assert world.events.texts == ["alice opened its serial console on h1."] * 3


async def test_a_vm_that_is_off_has_no_console_and_no_screen(
    world: ApiWorld,
    client: TestClient[web.Request, web.Application],
) -> None:
    for door, what in (("console", "console"), ("vnc", "screen"), ("screenshot", "screen")):
        async with client.get(f"{_VM}/{door}") as answer:
            assert answer.status == 409
            assert await answer.text() == f"web-1 has no {what} now. Try: qx vm explain web-1."
    assert world.events.reasons == []


@pytest.mark.parametrize(
    ("reason", "wants", "said"),
    [
        ("Stopped", "Stopped", "web-1 is off: it has no console. Try: qx vm start web-1."),
        ("Running", "Stopped", "web-1 is off: it has no console. Try: qx vm start web-1."),
        ("GuestShutdown", "Running", "web-1 is off: it has no console. Try: qx vm start web-1."),
        ("Starting", "Running", "web-1 is starting: it has no console yet. Try: qx vm explain web-1."),
        ("Stopped", "Running", "web-1 is starting: it has no console yet. Try: qx vm explain web-1."),
        ("QEMUCrashed", "Running", "web-1 has no console now. Try: qx vm explain web-1."),
    ],
)
def test_why_there_is_no_console_is_told_with_the_name_of_the_vm(reason: str, wants: str, said: str) -> None:
    ready = {"type": "Ready", "status": "False", "reason": reason}
    vm = {"metadata": {"name": "web-1"}, "spec": {"powerState": wants}, "status": {"conditions": [ready]}}
    assert lacks(vm, "console") == said


async def test_the_screen_is_carried_byte_by_byte(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    guest = Guest(world.layout.vm_run(UID) / "vnc.sock")
    async with await guest.serve():
        async with client.ws_connect(f"{_VM}/vnc") as socket:
            assert (await socket.receive(5)).data == b"one\r\ntwo\r\nlogin: "
            await socket.send_bytes(b"rfb")
            assert (await socket.receive(5)).data == b"RFB"
    assert world.guard.asked[0].subresource == "vnc"
    assert world.events.texts == ["alice opened its screen on h1."]


async def test_a_picture_of_the_screen_is_a_png_and_asks_for_its_own_right(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    world.screens.picture = b"P6\n2 1\n255\n\xff\x00\x00\x00\xff\x00"
    async with client.get(f"{_VM}/screenshot") as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert (await answer.read()).startswith(b"\x89PNG\r\n\x1a\n")
    assert world.screens.asked == [f"qx-{UID}"]
    assert [(access.verb, access.subresource) for access in world.guard.asked] == [("get", "screenshot")]


async def test_no_picture_of_a_vm_that_is_off_or_of_what_is_no_picture(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    for shown in (None, b"P6\n9 9\n255\nshort", b"<svg/>"):
        world.screens.picture = shown
        async with client.get(f"{_VM}/screenshot") as answer:
            assert answer.status == 409


async def test_the_log_is_its_last_lines_without_control_characters(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    path = world.layout.vm_log(UID) / "console.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"old\r\nfirst\r\n\x1b[31mred\x07\r\n")
    async with client.get(f"{_VM}/log?lines=2") as answer:
        assert await answer.text() == "first\n\\x1b[31mred\\x07\n"
    async with client.get(f"{_VM}/log?lines=many") as answer:
        assert answer.status == 400
    async with client.get("/v1/virtualmachines/default/other/log") as answer:
        assert answer.status == 404
        about = {"kind": "VirtualMachine", "name": "default/other", "target": "virtualmachine/other"}
        assert await answer.text() == render("NotHere", host="h1", **about).text


async def test_metrics_of_a_vm_are_for_who_may_get_them(
    world: ApiWorld, client: TestClient[web.Request, web.Application]
) -> None:
    async with client.get(f"{_VM}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert UID in await answer.text()
    (asked,) = world.guard.asked
    assert (asked.verb, asked.resource, asked.subresource) == ("get", "virtualmachines", "metrics")
    assert (asked.namespace, asked.name) == ("default", "web-1")
    async with client.get("/v1/virtualmachines/default/none/metrics") as answer:
        assert answer.status == 404
