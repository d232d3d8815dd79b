"""ApiClient's connections by TLS at its end, against a server that does not answer the good-bye."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from quantix_api.resources import VIRTUAL_MACHINES
from quantix_client import transport
from quantix_client.api import ApiClient

_BOOKMARK = b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "2"}}}\n'
_WATCH_BEGINS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%s\r\n" % (len(_BOOKMARK), _BOOKMARK)
)


class DeafServer:
    """Begins an answer to whoever asks, and reads nothing more of them."""

    def __init__(self, folder: Path) -> None:
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=x"
        subprocess.run(
            [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        # a client that never comes fails its test, and does not keep `close` waiting for ever
        self._listener.settimeout(20)
        self.answered: list[ssl.SSLSocket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.kubeconfig = folder / "config"
        cluster = {"server": f"https://127.0.0.1:{self._listener.getsockname()[1]}"}
        config = {
            "current-context": "deaf",
            "contexts": [{"name": "deaf", "context": {"cluster": "deaf", "user": "deaf"}}],
            "clusters": [{"name": "deaf", "cluster": cluster | {"certificate-authority": str(certificate)}}],
            "users": [{"name": "deaf", "user": {"token": "any"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))
        self.kubeconfig.chmod(0o600)

    def _serve(self) -> None:
        """One connection, which is all that the test makes."""
        accepted, _ = self._listener.accept()
        connection = self._context.wrap_socket(accepted, server_side=True)
        connection.recv(65536)
        connection.sendall(_WATCH_BEGINS)
        self.answered.append(connection)

    def close(self) -> None:
        self._thread.join()
        for connection in self.answered:
            connection.close()
        self._listener.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DeafServer]:
    server = DeafServer(tmp_path)
    yield server
    server.close()


async def test_a_watch_that_was_given_up_leaves_no_connection_behind_its_client(
    server: DeafServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets: list[socket.socket] = []
    make = transport._keepalive_socket

    def remembered(info: tuple[object, ...]) -> socket.socket:
        sockets.append(make(info))
        return sockets[-1]

    monkeypatch.setattr(transport, "_keepalive_socket", remembered)
    async with ApiClient.from_kubeconfig(server.kubeconfig, user_agent="test") as client:
        began = asyncio.Event()

        async def watch() -> None:
            async for _ in client.watch(VIRTUAL_MACHINES, resource_version="1"):
                began.set()

        watching = asyncio.create_task(watch())
        async with asyncio.timeout(20):
            await began.wait()
        watching.cancel()
        await asyncio.wait([watching])
    assert [one.fileno() for one in sockets] == [-1]
