"""A guest's serial port on this terminal, or in a pipe. Used by `qx vm console`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import termios
import threading
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from quantix_cli import fetch, hostd
from quantix_cli.escapes import EscapeScanner
from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import Name
from quantix_cli.nouns import NOUNS, look
from quantix_cli.session import Session

_CHUNK_BYTES = 4096
_SILENCE_S = 3.0
_SHOWN_LINES = 40


async def attach(session: Session, name: str, escape: bytes, *, take: bool) -> Exit:
    """Carry keys and text between this terminal and the guest until one ends it. Raises CommandError."""
    host = await _host_of(session, name)
    path = f"/v1/virtualmachines/{session.namespace}/{name}/console?lines={_SHOWN_LINES}&take={int(take)}"
    async with hostd.reach(session, host) as api:
        try:
            async with api.http.ws_connect(api.url(path), max_msg_size=1 << 20) as socket:
                session.terminal.note(
                    f"Connected to {name} on {host}. Leave with {_shown(escape)} or Enter ~ ."
                )
                with _raw_terminal():
                    ended = await _relay(session, socket, EscapeScanner(escape))
        except aiohttp.WSServerHandshakeError as error:
            raise await _refusal(api, path) from error
        except aiohttp.ClientError as error:
            raise hostd.unreachable(host, error) from error
    session.terminal.note(
        f"\r\n{name} is off." if ended == "off" else "\r\nLeft the console; the guest goes on."
    )
    return Exit.DONE


async def _refusal(api: hostd.HostApi, path: str) -> CommandError:
    """Why there is no console: a refused WebSocket comes without the words, the same request without one has
    them.
    """
    async with api.http.get(api.url(path)) as response:
        return await hostd.explain_refusal(response, api.host)


async def _host_of(session: Session, name: str) -> str:
    vm = await fetch.one(session, NOUNS["vm"], Name(name))
    host = look(vm, "status.assignment.host")
    if not host:
        raise CommandError(Exit.REFUSED, f"{name} is off: it has no console.", f"qx vm start {name}")
    return str(host)


async def _relay(session: Session, socket: aiohttp.ClientWebSocketResponse, keys: EscapeScanner) -> str:
    """Carry bytes both ways until one side ends; "off" when the guest did."""
    heard = asyncio.Event()
    typing = asyncio.create_task(_type(session, socket, keys, heard))
    showing = asyncio.create_task(_show(session, socket, heard))
    done, pending = await asyncio.wait({typing, showing}, return_when=asyncio.FIRST_COMPLETED)
    if typing in done and not keys.left and typing.exception() is None:
        # stdin has ended (a pipe): go on showing what the guest prints until it or the reader ends
        done, pending = await asyncio.wait({showing})
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return showing.result() if showing in done else ""


async def _show(session: Session, socket: aiohttp.ClientWebSocketResponse, heard: asyncio.Event) -> str:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            heard.set()
            sys.stdout.buffer.write(message.data)
            sys.stdout.buffer.flush()
        elif message.type is aiohttp.WSMsgType.TEXT:
            told: dict[str, Any] = json.loads(message.data)
            if told.get("type") == "off":
                return "off"
            if told.get("type") == "mode" and told.get("readOnly"):
                session.terminal.note("Somebody else types here: you can only watch. Try: --take\r")
    return ""


async def _type(
    session: Session, socket: aiohttp.ClientWebSocketResponse, keys: EscapeScanner, heard: asyncio.Event
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
            silence = asyncio.create_task(_say_when_silent(session, heard))
    if silence is not None:
        silence.cancel()


async def _say_when_silent(session: Session, heard: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_SILENCE_S):
            await heard.wait()
    except TimeoutError:
        session.terminal.note("Connected; the guest prints nothing on its serial port.\r")


async def _stdin() -> AsyncIterator[bytes]:
    """Chunks of stdin as they are typed.

    Read in a daemon thread: a read that nobody answers must not keep `qx` when the guest is off.
    """
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        chunk = b"-"
        while chunk:
            chunk = os.read(sys.stdin.fileno(), _CHUNK_BYTES)
            try:
                loop.call_soon_threadsafe(typed.put_nowait, chunk)
            except RuntimeError:
                # the loop has closed: the console was left
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while chunk := await typed.get():
        yield chunk


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
