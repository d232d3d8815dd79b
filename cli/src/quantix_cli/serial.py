"""A guest's serial port on this terminal, or in a pipe. Used by `qx vm console`."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
import termios
import threading
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from io import FileIO
from typing import Any

import aiohttp

from quantix_cli import hostd
from quantix_cli.escapes import EscapeScanner, QueryFilter
from quantix_cli.exits import Exit
from quantix_cli.session import Session
from quantix_cli.terminal import Terminal

_CHUNK_BYTES = 4096
_SILENCE_S = 3.0
# how long a guest may think about what was piped into it
_ANSWER_S = 2.0
_SHOWN_LINES = 40


async def attach(session: Session, name: str, escape: bytes, *, take: bool) -> Exit:
    """Carry keys and text between this terminal and the guest until one ends it. Raises CommandError."""
    host = await hostd.host_of(session, name, "console")
    # a program that reads wants the answers to what is typed, and has the log for what was before
    lines = _SHOWN_LINES if session.terminal.is_tty else 0
    path = f"/v1/virtualmachines/{session.namespace}/{name}/console?lines={lines}&take={int(take)}"
    async with hostd.reach(session, host) as api:
        try:
            async with api.http.ws_connect(api.url(path), max_msg_size=1 << 20) as socket:
                session.terminal.note(
                    f"Connected to {name} on {host}. Leave with {_shown(escape)} or Enter ~ ."
                )
                with _raw_terminal():
                    ended = await relay(session.terminal, socket, EscapeScanner(escape))
        except aiohttp.WSServerHandshakeError as error:
            raise await hostd.refusal(api, path) from error
        except aiohttp.ClientError as error:
            raise hostd.unreachable(host, error) from error
    session.terminal.note(
        f"\r\n{name} is off." if ended == "off" else "\r\nLeft the console; the guest goes on."
    )
    return Exit.DONE


async def relay(terminal: Terminal, socket: aiohttp.ClientWebSocketResponse, keys: EscapeScanner) -> str:
    """Carry bytes both ways until one side ends; "off" when the guest did.

    The end of stdin ends it once the guest has printed nothing for 2 s. Raises BrokenPipeError as soon as
    nobody reads stdout any more, also while the guest is silent.
    """
    heard = asyncio.Event()
    typing = asyncio.create_task(_type(terminal, socket, keys, heard))
    showing = asyncio.create_task(_show(terminal, socket, heard))
    reading = asyncio.create_task(_reader_gone())
    answering = asyncio.create_task(_answered(typing, keys, heard))
    tasks = {typing, showing, reading, answering}
    try:
        await asyncio.wait({showing, reading, answering}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = {task for task in tasks if task.done()}
        for task in tasks - ended:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if reading in ended:
        reading.result()
    return showing.result() if showing in ended else ""


async def _answered(typing: asyncio.Task[None], keys: EscapeScanner, heard: asyncio.Event) -> None:
    """Ends when the console was left, or stdin ended and the guest has been silent since for a while."""
    await asyncio.wait({typing})
    if keys.left or typing.exception() is not None:
        return
    silent = False
    while not silent:
        heard.clear()
        try:
            async with asyncio.timeout(_ANSWER_S):
                await heard.wait()
        except TimeoutError:
            silent = True


async def _reader_gone() -> None:
    """Raises BrokenPipeError when stdout is a pipe that nobody reads any more; else it never ends.

    The end of a pipe that is written to reports an error then, and never that there is something to read
    (poll(2), POLLERR).
    """
    gone = asyncio.Event()
    written = sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(written).st_mode):
        await gone.wait()
    loop = asyncio.get_running_loop()
    loop.add_reader(written, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(written)
    raise BrokenPipeError


async def _show(terminal: Terminal, socket: aiohttp.ClientWebSocketResponse, heard: asyncio.Event) -> str:
    queries = QueryFilter()
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            heard.set()
            sys.stdout.buffer.write(message.data if terminal.is_tty else queries.feed(message.data))
            sys.stdout.buffer.flush()
        elif message.type is aiohttp.WSMsgType.TEXT:
            told: dict[str, Any] = json.loads(message.data)
            if told.get("type") == "off":
                return "off"
            if told.get("type") == "mode" and told.get("readOnly"):
                terminal.note("Somebody else types here: you can only watch. Try: --take\r")
    return ""


async def _type(
    terminal: Terminal, socket: aiohttp.ClientWebSocketResponse, keys: EscapeScanner, heard: asyncio.Event
) -> None:
    silence: asyncio.Task[None] | None = None
    async for chunk in _stdin():
        data = keys.feed(chunk)
        if data:
            await socket.send_bytes(data)
        if keys.left:
            break
        if b"\r" in data and silence is None:
            heard.clear()
            silence = asyncio.create_task(_say_when_silent(terminal, heard))
    if silence is not None:
        silence.cancel()


async def _say_when_silent(terminal: Terminal, heard: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_SILENCE_S):
            await heard.wait()
    except TimeoutError:
        terminal.note("Connected; the guest prints nothing on its serial port.\r")


async def _stdin() -> AsyncIterator[bytes]:
    """Chunks of stdin as they are typed.

    Read in a daemon thread: a read that nobody answers must not keep `qx` when the guest is off.
    """
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[bytes] = asyncio.Queue()
    # the thread's own: it may still wait in a read when the console was left
    descriptor = os.dup(sys.stdin.fileno())

    def read() -> None:
        chunk = b"-"
        with os.fdopen(descriptor, "rb", buffering=0) as stdin:
            while chunk:
                chunk = _read(stdin)
                try:
                    loop.call_soon_threadsafe(typed.put_nowait, chunk)
                except RuntimeError:
                    # the loop has closed: the console was left
                    return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while chunk := await typed.get():
        yield chunk


def _read(stdin: FileIO) -> bytes:
    try:
        return stdin.read(_CHUNK_BYTES) or b""
    except OSError:
        # its terminal has hung up, or it was never open for reading
        return b""


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Keys reach the guest as they are typed; the terminal is set back whatever happens."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _shown(escape: bytes) -> str:
    return f"Ctrl-{chr(escape[0] + 64)}"
