"""Which addresses an image may come from, and how slow a server may be."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from quantix_api.errors import PermanentError, TransientError
from quantix_hostd.clients.http_source import HttpSource, refuse_address
from quantix_hostd.pace import Pace


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "224.0.0.1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fd00:ec2::254", "100.100.100.200"),
    ],
)
def test_the_host_itself_its_link_and_metadata_services_are_refused(address: str) -> None:
    with pytest.raises(PermanentError) as raised:
        refuse_address("images.example", ipaddress.ip_address(address))
    assert raised.value.reason == "AddressRefused"


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8::7", "64:ff9b::c633:6407"])
def test_addresses_of_others_are_not(address: str) -> None:
    refuse_address("images.example", ipaddress.ip_address(address))


def test_an_exception_may_be_named() -> None:
    loopback = ipaddress.ip_address("127.0.0.1")
    refuse_address("images.example", loopback, frozenset({loopback}))


Writing = Callable[[asyncio.StreamWriter], Awaitable[None]]
_LOOPBACK = frozenset({ipaddress.ip_address("127.0.0.1")})
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
_BRISK = Pace(answer_s=0.3, least_bytes=1024, window_s=0.3)


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

    async with server(answer) as url, HttpSource(_LOOPBACK, _BRISK) as source, source.open(url) as download:
        with pytest.raises(TransientError) as raised:
            async for _ in download.chunks:
                pass
    assert (raised.value.reason, raised.value.message) == (
        "ImageUnreachable",
        "127.0.0.1 is too slow: it sent less than 1 KiB in 0 s.",
    )


async def test_a_server_whose_answer_never_begins_is_given_up() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        await drip(writer, b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 1000)

    async with server(answer) as url, HttpSource(_LOOPBACK, _BRISK) as source:
        with pytest.raises(TransientError) as raised:
            async with asyncio.timeout(10), source.open(url):
                pass
    assert raised.value.reason == "ImageUnreachable"


async def test_the_time_that_the_host_needs_for_a_piece_is_not_the_servers() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_HEAD.replace(b"1000000", b"900") + b"\0" * 300)
        for _ in range(2):
            await asyncio.sleep(0.1)
            writer.write(b"\0" * 300)

    got = 0
    async with server(answer) as url, HttpSource(_LOOPBACK, _BRISK) as source, source.open(url) as download:
        async for chunk in download.chunks:
            got += len(chunk)
            await asyncio.sleep(0.4)
    assert got == 900


async def test_many_downloads_at_once_do_not_wait_for_each_others_connections() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_HEAD)
        await asyncio.sleep(5)

    async with server(answer) as url, HttpSource(_LOOPBACK) as source, AsyncExitStack() as opened:
        async with asyncio.timeout(4):
            for _ in range(20):
                await opened.enter_async_context(source.open(url))
