"""An upload that breaks off in the middle, as from a qx that is killed."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path


def send_half(door: Path, path: str, content: bytes) -> None:
    """Half of the file through hostd's own socket, then silence. `path` is that of the object's upload."""
    unix = socket.socket(socket.AF_UNIX)
    unix.connect(str(door))
    connection = http.client.HTTPConnection("hostd")
    connection.sock = unix
    connection.putrequest("PUT", path)
    connection.putheader("Content-Length", str(len(content)))
    connection.endheaders()
    connection.send(content[: len(content) // 2])
    connection.close()
