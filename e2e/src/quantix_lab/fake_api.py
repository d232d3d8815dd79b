"""A small API server for unit tests: stores objects, speaks watch, and misbehaves when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from quantix_lab.kubeconfig import write_kubeconfig

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeApi:
    """`script` answers the next requests instead of the store; `watches` records what was asked."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 100
        self.script: list[Handler] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Any] = []
        self.page_size = 0
        self.refuse_versions_below = 0
        self._streams: list[tuple[web.StreamResponse, asyncio.Event]] = []
        self._opened = asyncio.Event()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self.server = TestServer(application)

    def write_kubeconfig(self, path: Path, **user: str) -> Path:
        """A kubeconfig for this server with the given members of `user`."""
        server = str(self.server.make_url("")).rstrip("/")
        return write_kubeconfig(path, server, **user)

    def put(self, name: str, **fields: Any) -> dict[str, Any]:
        """Store an object with the next version; does not tell watchers."""
        self.version += 1
        uid = fields.pop("uid", f"uid-{name}")
        metadata = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(self.version)}
        self.objects[name] = {"metadata": metadata, **fields}
        return self.objects[name]

    def drop(self, name: str) -> dict[str, Any]:
        """Delete an object; does not tell watchers."""
        self.version += 1
        gone = self.objects.pop(name)
        return {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}

    async def tell(self, kind: str, obj: dict[str, Any]) -> None:
        """Send an event to every open watch."""
        line = json.dumps({"type": kind, "object": obj}).encode() + b"\n"
        for stream, _ in self._streams:
            # In two pieces: events do not come in whole lines
            await stream.write(line[:7])
            await stream.write(line[7:])

    async def end_watches(self) -> None:
        """End every watch as the server does when its time is up."""
        for stream, ended in self._streams:
            await stream.write_eof()
            ended.set()
        self._streams.clear()
        self._opened.clear()

    async def wait_for_watch(self) -> None:
        """Until a watch is open."""
        await self._opened.wait()

    @property
    def watched_from(self) -> list[str]:
        return [params["resourceVersion"] for _, _, params in self.requests if params.get("watch")]

    @property
    def full_lists(self) -> int:
        return sum(
            method == "GET" and not params.get("watch") and params.get("limit") == "500"
            for method, _, params in self.requests
        )

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        params = dict(request.query)
        self.requests.append((request.method, request.path, params))
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.json() if request.can_read_body else None)
        if self.script:
            return await self.script.pop(0)(request)
        if params.get("watch"):
            return await self._watch(request)
        return web.json_response(self._page(params))

    def _page(self, params: dict[str, str]) -> dict[str, Any]:
        items = list(self.objects.values())
        metadata = {"resourceVersion": str(self.version)}
        if self.page_size:
            start = int(params.get("continue") or 0)
            if start + self.page_size < len(items):
                metadata["continue"] = str(start + self.page_size)
            items = items[start : start + self.page_size]
        return {"metadata": metadata, "items": items}

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if int(request.query["resourceVersion"]) < self.refuse_versions_below:
            return status(410, "Expired", "too old resource version")
        stream = web.StreamResponse()
        await stream.prepare(request)
        ended = asyncio.Event()
        self._streams.append((stream, ended))
        self._opened.set()
        await ended.wait()
        return stream


def status(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """A `metav1.Status` refusal."""
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}
    return web.json_response(body, status=code, headers=headers)


def answering(code: int, reason: str, message: str = "no", headers: dict[str, str] | None = None) -> Handler:
    """A scripted refusal."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        return status(code, reason, message, headers)

    return handler


async def breaking(request: web.Request) -> web.StreamResponse:
    """A scripted broken connection: the request arrives, the answer does not."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()
