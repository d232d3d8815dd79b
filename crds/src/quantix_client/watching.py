"""The wire format of a watch: one JSON object a line, in chunks of any size.

Used by `ApiClient.watch`; pure but for reading the stream.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from quantix_client.errors import ServerFault, from_status

# Twice the size of the largest object that etcd takes, managedFields included
_MAX_LINE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class WatchEvent:
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK; a BOOKMARK's object has a resourceVersion only."""

    type: str
    object: dict[str, Any]

    @property
    def resource_version(self) -> str:
        return str(self.object.get("metadata", {}).get("resourceVersion", ""))


async def read_events(stream: aiohttp.StreamReader) -> AsyncIterator[WatchEvent]:
    """Events until the server ends the watch. An ERROR event is raised (410: `Gone`)."""
    async for line in _lines(stream):
        event = parse_event(line)
        if event is not None:
            yield event


def parse_event(line: bytes) -> WatchEvent | None:
    """One event; None for an empty line or a line cut off by the end of the connection."""
    if not line.strip():
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("object"), dict):
        raise ServerFault("The API server sent a watch event that is none")
    kind, body = str(document.get("type", "")), document["object"]
    if kind == "ERROR":
        raise from_status(int(body.get("code") or 500), body)
    return WatchEvent(kind, body)


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Splits by newline without aiohttp's limit on the length of a line."""
    buffer = bytearray()
    async for chunk in stream.iter_any():
        start = len(buffer)
        buffer += chunk
        while (end := buffer.find(b"\n", start)) >= 0:
            yield bytes(buffer[:end])
            del buffer[: end + 1]
            start = 0
        if len(buffer) > _MAX_LINE_BYTES:
            raise ServerFault(f"The API server sent a watch event of more than {_MAX_LINE_BYTES} bytes")
    if buffer:
        yield bytes(buffer)
