"""Names of servers: what comes of a look-up, and that none holds the end of a process up."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from typing import Any
from unittest.mock import patch

import pytest

from quantix_client.server_names import ServerNames

_SOON_S = 10.0
# a new process on a loaded machine; one that is held up never ends
_PROCESS_S = 60.0
_HANGS = """
import asyncio, socket, threading
from quantix_client.server_names import ServerNames

async def main():
    asyncio.create_task(ServerNames().resolve("silent.example", 443))
    await asyncio.sleep(0.01)

socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
asyncio.run(main())
"""


def test_a_look_up_that_nobody_answers_holds_no_exit_up() -> None:
    subprocess.run([sys.executable, "-c", _HANGS], timeout=_PROCESS_S, check=True)


async def test_a_name_leads_to_all_its_addresses() -> None:
    def look_up(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port)),
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", port, 0, 7)),
        ]

    with patch("socket.getaddrinfo", look_up):
        found = await ServerNames().resolve("box.example", 443)
    assert [(result["host"], result["port"], result["hostname"]) for result in found] == [
        ("192.0.2.1", 443, "box.example"),
        ("fe80::1%7", 443, "box.example"),
    ]


async def test_a_name_that_leads_nowhere_is_an_error() -> None:
    def look_up(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with patch("socket.getaddrinfo", look_up), pytest.raises(OSError, match="no such name"):
        await ServerNames().resolve("none.example", 443)


async def test_a_machine_without_a_thread_to_ask_in_loses_no_turn() -> None:
    names = ServerNames()
    for _ in range(40):
        with patch("threading.Thread.start", side_effect=RuntimeError("can't start new thread")):
            with pytest.raises(OSError, match="can't start new thread"):
                async with asyncio.timeout(_SOON_S):
                    await names.resolve("box.example")


async def test_a_look_up_that_was_given_up_keeps_its_turn_until_it_ends() -> None:
    free, begun = threading.Event(), threading.Semaphore(0)

    def look_up(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        begun.release()
        free.wait(_SOON_S)
        return []

    names = ServerNames()
    with patch("socket.getaddrinfo", look_up):
        given_up = [asyncio.create_task(names.resolve(f"{number}.example")) for number in range(32)]
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        await asyncio.wait(given_up)
        for _ in given_up:
            assert begun.acquire(timeout=_SOON_S)
        late = asyncio.create_task(names.resolve("late.example"))
        await asyncio.sleep(0.01)
        assert not begun.acquire(blocking=False)
        free.set()
        async with asyncio.timeout(_SOON_S):
            assert await late == []
