"""The TLS door: a connection has to say something, and nobody has all of them."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quantix_hostd.api import gate
from quantix_hostd.api.gate import Gate, connections_at_once, peer_of
from quantix_hostd.api.server import bind

_ASKED = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "h1")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(1))
    signed = made.sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "both.pem"
    path.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@asynccontextmanager
async def served(context: ssl.SSLContext, head_s: float) -> AsyncIterator[int]:
    """A door that answers "here"; its port."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="here")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    listener = bind("127.0.0.1", 0)
    door = Gate(runner.server, head_s=head_s)
    door.open(listener, context)
    try:
        yield listener.getsockname()[1]
    finally:
        await door.close()
        await runner.cleanup()
        listener.close()


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(5):
        return await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def ask(port: int) -> bytes:
    reader, writer = await connect(port)
    writer.write(_ASKED)
    async with asyncio.timeout(5):
        text = await reader.readuntil(b"here")
    writer.close()
    return text


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: h\r\nA: "])
async def test_who_says_no_whole_head_is_dropped(certificate: ssl.SSLContext, said: bytes) -> None:
    async with served(certificate, 0.3) as port:
        reader, writer = await connect(port)
        writer.write(said)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_who_has_asked_may_take_time(certificate: ssl.SSLContext) -> None:
    async with served(certificate, 0.3) as port:
        reader, writer = await connect(port)
        writer.write(_ASKED)
        await reader.readuntil(b"here")
        await asyncio.sleep(0.6)
        writer.write(_ASKED)
        async with asyncio.timeout(5):
            assert b"200 OK" in await reader.readuntil(b"here")
        writer.close()


async def test_a_peer_that_holds_its_share_gets_no_more_until_it_lets_go(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_AT_ONCE_PER_PEER", 3)
    async with served(certificate, 5) as port:
        held = [await connect(port) for _ in range(3)]
        with pytest.raises(OSError):
            await connect(port)
        held[0][1].close()
        await held[0][1].wait_closed()
        assert b"200 OK" in await ask(port)
        for _, writer in held[1:]:
            writer.close()


async def test_who_never_greets_keeps_nobody_out(certificate: ssl.SSLContext) -> None:
    async with served(certificate, 5) as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        assert b"200 OK" in await ask(port)
        for one in silent:
            one.close()


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::7", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::8", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_addresses_that_one_machine_may_have_many_of_share_one_share(address: str, peer: str) -> None:
    assert peer_of(address) == peer


@pytest.mark.parametrize(("descriptors", "connections"), [(65536, 512), (1024, 256), (3, 1)])
def test_most_descriptors_are_left_for_the_work_of_hostd(descriptors: int, connections: int) -> None:
    assert connections_at_once(descriptors) == connections
