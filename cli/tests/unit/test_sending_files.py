"""Files on their way to a host: refused before a byte where they are hostile, gone on with after a break."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from quantix_api.layout import Layout
from quantix_api.quantities import format_size
from quantix_cli import hostd, sending
from quantix_cli.exits import CommandError, Exit
from quantix_cli.progress_bar import ProgressBar, render_bar
from quantix_cli.sending import Parcel, send
from quantix_cli.session import Session
from quantix_cli.uploading import refuse_unfit
from quantix_client.clock import SystemClock
from quantix_lab.hostile_images import (
    HARMLESS_IMAGES,
    HOSTILE_IMAGES,
    MAX_VIRTUAL_SIZE,
    HostileImage,
    Refuser,
)
from quantix_lab.qx_session import PIPE, qx_session

_MIB = 1 << 20
_SEEN_FROM_OUTSIDE = [image for image in HOSTILE_IMAGES if image.by is Refuser.CHECK]


@pytest.mark.parametrize("image", _SEEN_FROM_OUTSIDE, ids=[image.name for image in _SEEN_FROM_OUTSIDE])
def test_a_hostile_file_is_refused_before_it_is_sent(image: HostileImage, tmp_path: Path) -> None:
    file = tmp_path / "disk.qcow2"
    file.write_bytes(image.content)
    with pytest.raises(CommandError) as raised:
        refuse_unfit(file, {"format": image.wanted, "maxVirtualSize": format_size(MAX_VIRTUAL_SIZE)})
    assert raised.value.exit_code is Exit.REFUSED
    assert image.says in str(raised.value)


@pytest.mark.parametrize("name", HARMLESS_IMAGES)
def test_what_only_looks_odd_is_sent(name: str, tmp_path: Path) -> None:
    file = tmp_path / "disk"
    file.write_bytes(HARMLESS_IMAGES[name])
    refuse_unfit(file, {})


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CommandError, match="pipe is no file"):
        refuse_unfit(tmp_path / "pipe", {})


class Door:
    """A hostd that takes one upload, and breaks off after `breaks_at` bytes of each of the first `breaks`."""

    def __init__(self) -> None:
        self.got = b""
        self.breaks, self.breaks_at = 0, 2 * _MIB
        self.length_bytes = 0
        self.puts: list[str | None] = []

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"host": "h1"})

    async def kept(self, _: web.Request) -> web.Response:
        told: dict[str, Any] = {"offsetBytes": len(self.got)}
        if self.got:
            told |= {"lengthBytes": self.length_bytes, "checksum": f"sha256:{_sum(self.got)}"}
        return web.json_response(told)

    async def upload(self, request: web.Request) -> web.Response:
        place = request.headers.get("Content-Range")
        self.puts.append(place)
        assert request.content_length is not None
        if place is None:
            self.got, self.length_bytes = b"", request.content_length
        taken = 0
        async for chunk in request.content.iter_chunked(64 << 10):
            self.got += chunk
            taken += len(chunk)
            if self.breaks and taken >= self.breaks_at:
                self.breaks -= 1
                assert request.transport is not None
                request.transport.abort()
                break
        return web.json_response({"checksum": f"sha256:{_sum(self.got)}"})


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qxs") as short:
        yield Path(short)


@pytest.fixture
async def door(root: Path) -> AsyncIterator[Door]:
    made = Door()
    app = web.Application(client_max_size=0)
    app.router.add_get("/healthz", made.health)
    app.router.add_get("/upload", made.kept)
    app.router.add_put("/upload", made.upload)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    socket = Layout(root).hostd_socket
    socket.parent.mkdir(parents=True)
    await web.UnixSite(runner, str(socket)).start()
    yield made
    await runner.cleanup()


@pytest.fixture
def session(root: Path) -> Session:
    return qx_session(None, layout=Layout(root), clock=SystemClock())


@pytest.fixture
def parcel(tmp_path: Path) -> Parcel:
    file = tmp_path / "disk"
    file.write_bytes(os.urandom(6 * _MIB))

    async def host() -> str:
        return "h1"

    return Parcel(file, "disk", "/upload", host)


class BreaksOff:
    """A way to a host that is gone after the first bytes, and holds on to what it was to send."""

    def __init__(self) -> None:
        self.http = self
        self.body: AsyncIterator[bytes] | None = None

    def url(self, path: str) -> str:
        return path

    @asynccontextmanager
    async def get(self, _: str) -> AsyncIterator[Any]:
        async def nothing_kept() -> dict[str, Any]:
            return {"offsetBytes": 0}

        yield SimpleNamespace(status=200, json=nothing_kept)

    @asynccontextmanager
    async def put(self, _: str, *, data: AsyncIterator[bytes], headers: dict[str, str]) -> AsyncIterator[Any]:
        self.body = data
        await anext(data)
        raise aiohttp.ClientConnectionError
        yield


async def test_of_a_connection_that_breaks_off_no_file_is_left_open(
    session: Session, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    way, usual, files = BreaksOff(), Path.open, []

    @asynccontextmanager
    async def reach(*_: Any) -> AsyncIterator[BreaksOff]:
        yield way

    def opens(path: Path, *how: Any) -> Any:
        files.append(usual(path, *how))
        return files[-1]

    monkeypatch.setattr(hostd, "reach", reach)
    monkeypatch.setattr(Path, "open", opens)
    with pytest.raises(sending._BrokeOffError):
        await sending._send_once(session, parcel, "h1")
    assert way.body is not None
    assert [file.closed for file in files] == [True]


async def test_a_file_whose_connection_breaks_off_goes_on_from_there(
    session: Session, door: Door, parcel: Parcel, capsys: pytest.CaptureFixture[str]
) -> None:
    door.breaks = 1
    assert await send(session, parcel) == _sum(parcel.file.read_bytes())
    assert door.got == parcel.file.read_bytes()
    assert door.puts[0] is None
    assert door.puts[1] == f"bytes {2 * _MIB}-{6 * _MIB - 1}/{6 * _MIB}"
    said = capsys.readouterr().err
    assert "disk: the connection to h1 broke off; it is tried again." in said
    assert "disk: h1 has 2 MiB of 6 MiB; it goes on from there." in said


async def test_what_another_file_left_is_not_gone_on_with(
    session: Session, door: Door, parcel: Parcel
) -> None:
    door.got, door.length_bytes = b"other", 6 * _MIB
    await send(session, parcel)
    assert door.puts == [None]
    assert door.got == parcel.file.read_bytes()


async def test_a_host_that_breaks_off_again_and_again_is_given_up(
    session: Session, door: Door, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quantix_cli.sending._LONGEST_WAIT_S", 0.01)
    door.breaks, door.breaks_at = 100, 0
    with pytest.raises(CommandError, match="hostd on h1 does not answer") as raised:
        await send(session, replace(parcel))
    assert raised.value.exit_code is Exit.UNREACHABLE
    assert len(door.puts) <= 10


def test_the_bar_says_how_far_how_fast_and_how_long() -> None:
    assert render_bar("debian-13", 700 * _MIB, 1024 * _MIB, 162 * _MIB) == (
        "debian-13: ▕██████████░░░░░▏ 68 %  700 MiB of 1 GiB  162 MiB/s  2.0 s left"
    )
    assert render_bar("x", 0, 0, 0.0) == "x: ▕░░░░░░░░░░░░░░░▏ 0 %  0 B of 0 B"


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("is_tty", [True, False])
def test_the_bar_is_redrawn_on_a_terminal_and_is_a_line_now_and_then_elsewhere(is_tty: bool) -> None:
    now, stream = [0.0], Screen() if is_tty else io.StringIO()
    bar = ProgressBar("x", replace(PIPE, is_tty=is_tty, width=60 if is_tty else None), lambda: now[0], stream)
    for step in range(250):
        now[0] = step / 10
        bar.show(step * _MIB, 250 * _MIB)
    bar.erase()
    written = stream.getvalue()
    if is_tty:
        assert written.count("\r") > 100
        assert "\n" not in written
        assert written.endswith("\r\x1b[K")
        assert all(len(line) < 60 + len("\x1b[K") for line in written.split("\r"))
    else:
        assert len(written.splitlines()) == 2
        assert "10 MiB/s" in written
        assert "\x1b" not in written
