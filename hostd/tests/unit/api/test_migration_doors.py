"""The way of another host to our libvirtd, and to the ports where QEMU receives while it lasts: over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quantix_api.errors import QuantixError, TransientError
from quantix_hostd.api.server import ApiServer, bind, server_context
from quantix_hostd.clients.other_hostd import OtherHostd
from quantix_hostd.migration.coming import IncomingMove
from quantix_hostd.migration.sent_domain import Awaited
from quantix_lab.api_world import UID, ApiWorld
from quantix_lab.small_authority import SmallAuthority

_BEGAN = datetime.now(UTC) - timedelta(hours=1)


class NotSwitched:
    """It does not come by post-copy."""

    async def switching(self, move: IncomingMove, epoch: int) -> None:
        raise AssertionError("nobody says so")

    async def may_go_on(self, move: IncomingMove) -> bool:
        return True


class Coming:
    """One migration, from h2, that goes on until it is `over`."""

    switched = NotSwitched()

    def __init__(self) -> None:
        self.over = False

    def move(self, uid: str) -> IncomingMove | None:
        return IncomingMove("m1", "h2", UID) if uid == "m1" and not self.over else None

    def half(self, uid: str) -> IncomingMove | None:
        return None

    def awaited(self, uid: str) -> Awaited | None:
        return None

    async def handed_over(self, move: IncomingMove, epoch: int) -> None:
        raise AssertionError("nobody says so")


class Target:
    """The host that receives: `open` is to whom its door is, `seen` to whom it was when libvirtd was reached;
    `refusal` is why the packet filter cannot be changed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.authority = SmallAuthority(_BEGAN)
        self.coming = Coming()
        self.open: list[str] = []
        self.seen: list[list[str]] = []
        self.refusal: QuantixError | None = None
        self.port = 0
        self.reached, self.closed = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def open_to(self, address: str) -> AsyncIterator[None]:
        if self.refusal is not None:
            raise self.refusal
        self.open.append(address)
        try:
            yield
        finally:
            self.open.remove(address)
            self.closed.set()

    async def libvirtd(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.append(list(self.open))
        self.reached.set()
        await reader.read()
        writer.close()

    def load(self, context: ssl.SSLContext, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName("h1")])
        request = x509.CertificateSigningRequestBuilder(subject).add_extension(names, critical=False)
        signed = self.authority.sign(
            request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(), _BEGAN
        )
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        path = self.root / f"{name.replace(':', '-')}.pem"
        path.write_text(key.private_bytes(*form, serialization.NoEncryption()).decode() + signed)
        context.load_cert_chain(path)

    def other(self, name: str = "quantix:host:h2") -> OtherHostd:
        """The hostd of a host, as it calls this one."""

        async def trust() -> ssl.SSLContext:
            context = ssl.create_default_context(cadata=self.authority.pem)
            self.load(context, name)
            return context

        return OtherHostd("h1", f"127.0.0.1:{self.port}", trust)


@pytest.fixture
async def target(world: ApiWorld, tmp_path: Path) -> AsyncIterator[Target]:
    made = Target(tmp_path)
    server = ApiServer(replace(world.backend, moves=made.coming, open_to=made.open_to))
    context = server_context(made.authority.pem)
    made.load(context, "h1")
    listener = bind("127.0.0.1", 0)
    made.port = listener.getsockname()[1]
    path = world.layout.libvirt_socket
    path.parent.mkdir(parents=True, exist_ok=True)
    libvirtd = await asyncio.start_unix_server(made.libvirtd, str(path))
    await server.open_tls(listener, context)
    try:
        yield made
    finally:
        await server.close()
        libvirtd.close()
        listener.close()


async def test_the_door_is_open_to_the_source_while_its_libvirtd_speaks_to_ours(target: Target) -> None:
    _, _, close = await target.other().connect_libvirt("m1", "10.0.0.2")
    await asyncio.wait_for(target.reached.wait(), 5)
    assert (target.seen, target.open) == ([["10.0.0.2"]], ["10.0.0.2"])
    await close()
    await asyncio.wait_for(target.closed.wait(), 5)
    assert target.open == []


async def test_a_source_that_stays_after_it_is_over_is_shown_out(target: Target) -> None:
    pieces, _, close = await target.other().connect_libvirt("m1", "10.0.0.2")
    await asyncio.wait_for(target.reached.wait(), 5)
    target.coming.over = True
    await asyncio.wait_for(target.closed.wait(), 5)
    assert (target.open, [piece async for piece in pieces]) == ([], [])
    await close()


@pytest.mark.parametrize("name", ["quantix:host:h3", "alice"])
async def test_it_opens_to_nobody_but_the_source(target: Target, name: str) -> None:
    with pytest.raises(TransientError, match="403"):
        await target.other(name).connect_libvirt("m1", "10.0.0.3")
    assert (target.seen, target.open) == ([], [])


@pytest.mark.parametrize("said", ["", "h2", "10.0.0.0/8", "fe80::1%eth0", "10.0.0.2 accept"])
async def test_what_is_no_address_opens_nothing(target: Target, said: str) -> None:
    with pytest.raises(TransientError, match="400"):
        await target.other().connect_libvirt("m1", said)
    assert (target.seen, target.open) == ([], [])


async def test_nothing_is_sent_where_the_door_does_not_open(target: Target) -> None:
    target.refusal = TransientError("NetworkDown", "nft does not answer.")
    with pytest.raises(TransientError, match="503"):
        await target.other().connect_libvirt("m1", "10.0.0.2")
    assert target.seen == []


async def test_a_migration_has_no_more_than_two_ways_at_once(target: Target) -> None:
    ways = [await target.other().connect_libvirt("m1", "10.0.0.2") for _ in range(2)]
    with pytest.raises(TransientError, match="429"):
        await target.other().connect_libvirt("m1", "10.0.0.2")
    assert len(target.open) == 2
    _, _, close = ways[0]
    await close()
    await asyncio.wait_for(target.closed.wait(), 5)
    ways.append(await target.other().connect_libvirt("m1", "10.0.0.2"))
    for _, _, close in ways[1:]:
        await close()


@pytest.mark.parametrize("body", [b"", b"no JSON", b"\xff\xfe", b"[]", b'{"epoch": true}', b'{"epoch": -1}'])
@pytest.mark.parametrize("asked", ["switching", "handed-over"])
async def test_a_body_that_says_no_epoch_is_refused(target: Target, asked: str, body: bytes) -> None:
    context = ssl.create_default_context(cadata=target.authority.pem)
    target.load(context, "quantix:host:h2")
    url = f"https://127.0.0.1:{target.port}/v1/migrations/m1/{asked}"
    async with (
        ClientSession() as session,
        session.post(url, data=body, ssl=context, server_hostname="h1") as answer,
    ):
        assert (answer.status, await answer.text()) == (400, 'The body is to be {"epoch": N}.')
