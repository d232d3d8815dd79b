"""From one libvirtd to another as two hostds give it, without their network: for contract tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quantix_api.layout import Layout
from quantix_hostd.clients.files import write_atomically
from quantix_hostd.clients.libvirt_packets import PacketGate
from quantix_hostd.clients.libvirt_relay import Pieces, Send, relay
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.small_authority import SmallAuthority


async def way_to(layout: Layout, gate: PacketGate, stack: AsyncExitStack) -> tuple[Pieces, Send]:
    """To the libvirtd of the host with this layout, in the place of the WebSocket between two hosts; `stack`
    ends it, as the death of either hostd does.
    """
    there: asyncio.Queue[bytes | None] = asyncio.Queue()
    back: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def serve() -> None:
        try:
            await relay(layout.libvirt_socket, gate, _pieces(there), back.put)
        finally:
            back.put_nowait(None)

    serving = asyncio.create_task(serve())

    async def end() -> None:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    stack.push_async_callback(end)
    return _pieces(back), there.put


async def _pieces(queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
    while (piece := await queue.get()) is not None:
        yield piece


def certify(host: LibvirtHost, authority: SmallAuthority, name: str) -> None:
    """Give its QEMUs certificates as the host called `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = (
        x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(names, critical=False)
    )
    request = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    certificate = authority.sign(request, datetime.now(UTC) - timedelta(hours=1))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    content = {"ca-cert.pem": authority.pem.encode()}
    for side in ("server", "client"):
        content |= {f"{side}-key.pem": key.private_bytes(*form), f"{side}-cert.pem": certificate.encode()}
    for file, text in content.items():
        write_atomically(host.layout.migration_pki / file, text, mode=0o440, owner=host.qemu.files)
