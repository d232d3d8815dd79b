"""How slow a server may be, what it may send on to, and how a file is gone on with."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from unittest.mock import patch

import pytest

from quantix_api.errors import QuantixError, TransientError
from quantix_hostd.clients.http_download import Kept
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.image_addresses import AddressRules
from quantix_hostd.pace import Pace
from quantix_lab.waiting import eventually_async

Writing = Callable[[asyncio.StreamWriter], Awaitable[None]]
_LOOPBACK = AddressRules(allowed=(ipaddress.ip_network("127.0.0.1"),))
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
_BRISK = Pace(answer_s=0.3, least_bytes=1024, window_s=0.3)


async def loopback() -> AddressRules:
    return _LOOPBACK


@asynccontextmanager
async def server(answer: Writing) -> AsyncIterator[str]:
    """The URL of a server that writes `answer` to whoever asks."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        task.add_done_callback(lambda _: writer.close())
        serving.add(task)

    async with await asyncio.start_server(begin, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/disk"
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def drip(writer: asyncio.StreamWriter, content: bytes) -> None:
    """Byte by byte, each long before any timeout of silence; some 20 s in all."""
    for byte in content:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_a_server_that_sends_byte_after_byte_is_too_slow() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_HEAD)
        await drip(writer, b"\0" * 1000)

    async with server(answer) as url, HttpSource(loopback, _BRISK).open(url) as download:
        with pytest.raises(TransientError) as raised:
            async for _ in download.chunks:
                pass
    assert (raised.value.reason, raised.value.message) == (
        "ImageUnreachable",
        "127.0.0.1 is too slow: it sent less than 1 KiB in 0 s.",
    )


async def test_a_server_that_would_take_days_for_what_it_promised_is_too_slow() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_HEAD.replace(b"1000000", b"1073741824"))
        await drip(writer, b"\0" * 10_000)

    pace = replace(_BRISK, least_bytes=0, grace_s=0.3)
    async with server(answer) as url, HttpSource(loopback, pace).open(url) as download:
        with pytest.raises(TransientError) as raised:
            async for _ in download.chunks:
                pass
    assert raised.value.reason == "ImageUnreachable"
    assert "of the 1 GiB that it promised came in 0 min, and all of it has to come within 24 h" in (
        raised.value.message
    )


async def test_a_server_whose_answer_never_begins_is_given_up() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        await drip(writer, b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 1000)

    async with server(answer) as url:
        with pytest.raises(TransientError) as raised:
            async with asyncio.timeout(10), HttpSource(loopback, _BRISK).open(url):
                pass
    assert raised.value.reason == "ImageUnreachable"


async def test_the_time_that_the_host_needs_for_a_piece_is_not_the_servers() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_HEAD.replace(b"1000000", b"900") + b"\0" * 300)
        for _ in range(2):
            await asyncio.sleep(0.1)
            writer.write(b"\0" * 300)

    got = 0
    async with server(answer) as url, HttpSource(loopback, _BRISK).open(url) as download:
        async for chunk in download.chunks:
            got += len(chunk)
            await asyncio.sleep(0.4)
    assert got == 900


async def test_many_downloads_at_once_do_not_wait_for_each_others_connections() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_HEAD)
        await asyncio.sleep(5)

    source = HttpSource(loopback)
    async with server(answer) as url, AsyncExitStack() as opened:
        async with asyncio.timeout(4):
            for _ in range(20):
                await opened.enter_async_context(source.open(url))


def answering(*heads: str, body: bytes = b"") -> tuple[list[str], Writing]:
    """A server that gives these answers one after the other, and what it was asked."""
    left = list(heads)

    async def answer(writer: asyncio.StreamWriter) -> None:
        head = left.pop(0) if len(left) > 1 else left[0]
        writer.write(f"HTTP/1.1 {head}\r\nConnection: close\r\n\r\n".encode() + body)

    return left, answer


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://169.254.169.254/latest/meta-data", "leads to 169.254.169.254"),
        ("http://[::ffff:169.254.169.254]/", "leads to ::ffff:a9fe:a9fe"),
        ("http://[::1]/", "leads to ::1"),
        ("http://2130706433/", "2130706433 is neither a name nor an address"),
        ("http://0x7f.1/", "0x7f.1 is neither a name nor an address"),
        ("http://0177.0.0.1/", "0177.0.0.1 is neither a name nor an address"),
        ("http://127.1/", "127.1 is neither a name nor an address"),
        ("file:///etc/shadow", "file is no way to fetch an image"),
        ("ftp://example.org/disk", "ftp is no way to fetch an image"),
    ],
)
async def test_where_a_server_sends_on_to_is_judged_anew(target: str, words: str) -> None:
    _, answer = answering(f"302 Found\r\nLocation: {target}")
    async with server(answer) as url:
        with pytest.raises(QuantixError) as raised:
            async with HttpSource(loopback).open(url):
                pass
    assert raised.value.reason == "AddressRefused"
    assert words in raised.value.message


async def test_a_name_that_leads_elsewhere_the_second_time_is_connected_to_where_it_was_judged() -> None:
    asked: list[str] = []

    def rebinding(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        place = ("127.0.0.1" if len(asked) == 1 else "169.254.169.254", port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place)]

    _, answer = answering("200 OK\r\nContent-Length: 4", body=b"disk")
    async with server(answer) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        with patch("socket.getaddrinfo", rebinding):
            async with HttpSource(loopback).open(f"http://mirror.example:{port}/disk") as download:
                assert b"".join([chunk async for chunk in download.chunks]) == b"disk"
    assert asked == ["mirror.example"]


async def test_name_servers_that_do_not_answer_keep_no_thread_from_others() -> None:
    answers, asked = threading.Event(), list[object]()

    def silent(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        answers.wait(10)
        raise socket.gaierror("nobody answered")

    async def fetch(source: HttpSource, number: int) -> None:
        async with source.open(f"http://silent-{number}.example/disk"):
            pass

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    source = HttpSource()
    with patch("socket.getaddrinfo", silent):
        fetching = [asyncio.create_task(fetch(source, number)) for number in range(8)]
        try:
            await eventually_async("a name server to be asked", lambda: len(asked) > 0)
            async with asyncio.timeout(5):
                assert await asyncio.to_thread(lambda: "read") == "read"
        finally:
            answers.set()
        failed = await asyncio.gather(*fetching, return_exceptions=True)
    assert {type(error) for error in failed} == {TransientError}


async def test_credentials_of_a_url_are_in_no_message() -> None:
    with pytest.raises(TransientError) as raised:
        async with HttpSource(loopback).open("http://alice:geheim@127.0.0.1:1/disk?token=abc123"):
            pass
    assert "geheim" not in str(raised.value)
    assert "abc123" not in str(raised.value)


_KEPT = Kept(4, 10, '"v1"')


@pytest.mark.parametrize(
    ("heads", "offset", "length"),
    [
        (["206 Partial Content\r\nContent-Range: bytes 4-9/10\r\nContent-Length: 6"], 4, 10),
        (["200 OK\r\nContent-Length: 10"], 0, 10),
        (["206 Partial Content\r\nContent-Range: bytes 0-5/10\r\nContent-Length: 6", "200 OK"], 0, None),
        (["206 Partial Content\r\nContent-Range: bytes 4-9/11\r\nContent-Length: 6", "200 OK"], 0, None),
        (["206 Partial Content\r\nContent-Length: 6", "200 OK"], 0, None),
        (["416 Range Not Satisfiable", "200 OK"], 0, None),
    ],
)
async def test_a_file_is_gone_on_with_only_where_the_server_has_the_very_same(
    heads: list[str], offset: int, length: int | None
) -> None:
    _, answer = answering(*heads)
    async with server(answer) as url, HttpSource(loopback).open(url, _KEPT) as download:
        assert (download.offset_bytes, download.length_bytes) == (offset, length)


_DATED = "200 OK\r\nDate: Fri, 02 Jan 2026 00:00:00 GMT\r\nLast-Modified: "


@pytest.mark.parametrize(
    ("head", "validator"),
    [
        ('200 OK\r\nETag: "abc"', '"abc"'),
        ('200 OK\r\nETag: W/"abc"', ""),
        (f"{_DATED}Thu, 01 Jan 2026 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:00 GMT"),
        (f"{_DATED}Fri, 02 Jan 2026 00:00:00 GMT", ""),
        (f"{_DATED}yesterday", ""),
        ("200 OK", ""),
    ],
)
async def test_a_file_is_named_by_what_surely_changes_with_it(head: str, validator: str) -> None:
    _, answer = answering(head)
    async with server(answer) as url, HttpSource(loopback).open(url) as download:
        assert download.validator == validator


async def test_a_server_that_speaks_no_http_or_hangs_up_is_told_from_one_that_is_not_there() -> None:
    async def nonsense(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    async def hang_up(_: asyncio.StreamWriter) -> None:
        return

    said = []
    for answer in (nonsense, hang_up):
        async with server(answer) as url:
            with pytest.raises(TransientError) as raised:
                async with HttpSource(loopback).open(url):
                    pass
            said.append(raised.value.message.partition(": ")[2])
    assert said == ["its answer is no HTTP.", "the connection was cut off."]
