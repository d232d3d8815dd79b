"""The serial console without a terminal: it ends by itself, with what the guest answered."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TextIO

import pytest
from aiohttp import ClientSession, web

from quantix_cli.escapes import EscapeScanner, QueryFilter
from quantix_cli.serial import relay
from quantix_cli.terminal import Terminal

TERMINAL = Terminal(is_tty=False, colour=False, unicode=True, width=None)
PATIENCE_S = 10.0
Guest = Callable[[web.WebSocketResponse], Awaitable[None]]


@dataclass
class Pipes:
    """A stdin and a stdout for `relay`, and their other ends."""

    stdin: BinaryIO
    stdout: TextIO
    types: int
    reads: int


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    stdin, types = os.pipe()
    reads, stdout = os.pipe()
    with os.fdopen(stdin, "rb") as typed, os.fdopen(stdout, "w") as shown:
        os.set_blocking(reads, False)
        ends = Pipes(typed, shown, types, reads)
        yield ends
        for end in {ends.types, ends.reads} - {-1}:
            os.close(end)


async def attached(guest: Guest, pipes: Pipes) -> str:
    """`relay` with a guest behind a WebSocket on loopback."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await guest(socket)
        return socket

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with (
            asyncio.timeout(PATIENCE_S),
            ClientSession() as http,
            http.ws_connect(f"http://{host}:{port}/") as socket,
        ):
            with pytest.MonkeyPatch.context() as streams:
                streams.setattr(sys, "stdin", pipes.stdin)
                streams.setattr(sys, "stdout", pipes.stdout)
                return await relay(TERMINAL, socket, EscapeScanner(b"\x1d"))
    finally:
        await runner.cleanup()


async def silent(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


async def answering(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        await asyncio.sleep(0.5)
        await socket.send_bytes(message.data + b"web-1\n")


async def test_the_end_of_stdin_ends_the_console_of_a_silent_guest(pipes: Pipes) -> None:
    os.close(pipes.types)
    pipes.types = -1
    assert await attached(silent, pipes) == ""


async def test_what_the_guest_answers_to_a_pipe_is_shown(pipes: Pipes) -> None:
    os.write(pipes.types, b"hostname\n")
    os.close(pipes.types)
    pipes.types = -1
    assert await attached(answering, pipes) == ""
    assert os.read(pipes.reads, 100) == b"hostname\nweb-1\n"


async def prompting(socket: web.WebSocketResponse) -> None:
    """As busybox' shell does it, in the middle of a sequence."""
    for piece in (b"\x1b[6", b"n/ # \x1b]11;?\x1b", b"\\\x1b[>0q\x1b[?2026$p\x1b[1mred\x1b[0m\x1b[c"):
        await socket.send_bytes(piece)


async def test_a_pipe_is_not_asked_what_terminals_are_asked(pipes: Pipes) -> None:
    assert await attached(prompting, pipes) == ""
    assert os.read(pipes.reads, 100) == b"/ # \x1b[1mred\x1b[0m"


def test_what_only_begins_like_a_question_is_shown() -> None:
    shown = QueryFilter()
    assert shown.feed(b"a\x1b") == b"a"
    assert shown.feed(b"[6") == b""
    assert shown.feed(b"Cb") == b"\x1b[6Cb"


async def test_the_console_ends_when_nobody_reads_it_though_the_guest_is_silent(pipes: Pipes) -> None:
    os.close(pipes.reads)
    pipes.reads = -1
    with pytest.raises(BrokenPipeError):
        await attached(silent, pipes)


async def test_a_stdin_that_cannot_be_read_ends_the_console(pipes: Pipes) -> None:
    with os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb") as write_only:
        pipes.stdin = write_only
        assert await attached(silent, pipes) == ""
