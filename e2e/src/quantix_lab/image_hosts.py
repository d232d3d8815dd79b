"""Hosts that have a copy of one image: for each the TLS door of a hostd over a pool of its own, on loopback.

Used by tests of copies between hosts. The certificates are real, the API server's answers are not: every
host may read images, nobody else may.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from quantix_api.resources import CA_CONFIG_MAP, CONFIG_MAPS, HOSTS, IMAGES, Resource
from quantix_client.api import ApiClient, ListResult
from quantix_client.errors import NotFound, Unreachable
from quantix_client.kubeconfig import Access, load_pair
from quantix_hostd.api.server import ApiServer, bind, server_context
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.peer_source import Trust
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.join.requests import CLIENT, SERVING, Purpose, as_host, new_key, render_request
from quantix_hostd.join.trust import trust_of_hosts
from quantix_hostd.pools import HostPools
from quantix_lab.api_world import ApiWorld
from quantix_lab.small_authority import SmallAuthority

T = TypeVar("T")

UID, KEY = "0a1b2c", "default/disk"
DISK = b"\0" * 510 + b"\x55\xaa" + bytes(range(256)) * 16384
CHECKSUM = f"sha256:{hashlib.sha256(DISK).hexdigest()}"
_ADDRESS = "127.0.0.1"


class BreakingPools(HostPools):
    """Of one host; after `breaks_after` pieces of a file its disk gives no more, and while it is `slow` none
    at all.
    """

    breaks_after: int | None = None
    slow: asyncio.Event | None = None

    async def ask(self, pool: PoolDir, call: Callable[[], T]) -> T:
        if isinstance(call, partial) and call.func is os.pread:
            await self._read()
        return await super().ask(pool, call)

    async def _read(self) -> None:
        if self.slow is not None:
            await self.slow.wait()
        if self.breaks_after is not None:
            if self.breaks_after == 0:
                raise OSError("the disk is gone")
            self.breaks_after -= 1


class ImageHost:
    """One of them. `lost`: the cluster does not hear it."""

    def __init__(self, name: str, root: Path, cluster: ImageHosts) -> None:
        self.name = name
        self.pool = root / "pool"
        (self.pool / "images").mkdir(parents=True)
        self._world, self._cluster = ApiWorld(root), cluster
        spec = {"dir": {"path": str(self.pool)}, "default": True}
        manifests: dict[str, dict[str, Any]] = {"local": {"metadata": {"name": "local"}, "spec": spec}}
        self.pools = BreakingPools(manifests, {}, name, self._world.layout, FileOwner.current())
        self.address = ""
        self.copies: list[str] = []
        self.lost = False
        self._stack = AsyncExitStack()

    def has(self, content: bytes = DISK) -> Self:
        """Give it a copy, and let its Host say so."""
        (self.pool / "images" / UID).write_bytes(content)
        self.copies = [UID]
        return self

    async def start(self, as_name: str = "") -> None:
        """Serve; `as_name`: with the certificate of another host."""
        stores = {**self._world.backend.stores, IMAGES: {}}
        api = cast(ApiClient, self._cluster)
        backend = replace(self._world.backend, host=self.name, pools=self.pools, api=api, stores=stores)
        server = ApiServer(backend)
        self._stack.push_async_callback(self._world.consoles.close)
        self._stack.push_async_callback(server.close)
        listener = bind(_ADDRESS, 0)
        self._stack.callback(listener.close)
        context = server_context(self._cluster.authority.pem)
        load_pair(context, *self._cluster.certified(SERVING, as_name or self.name))
        self.address = f"{_ADDRESS}:{listener.getsockname()[1]}"
        await server.open_tls(listener, context)

    async def stop(self) -> None:
        """Answer no more, at the address that its Host goes on naming."""
        await self._stack.aclose()

    def manifest(self) -> dict[str, Any]:
        ready = {"type": "Ready", "status": "False" if self.lost else "True", "reason": "Unreachable"}
        images = [{"uid": uid} for uid in self.copies]
        status = {"addresses": {"api": self.address}, "images": images, "conditions": [ready]}
        return {"metadata": {"name": self.name, "uid": f"uid-{self.name}"}, "status": status}


class ImageHosts:
    """`async with ImageHosts(path, "h1", "h3") as hosts`: what the API says of them, and who may ask them."""

    def __init__(self, root: Path, *names: str) -> None:
        self.authority = SmallAuthority(datetime.now(UTC) - timedelta(hours=1))
        self.by_name = {name: ImageHost(name, root / name, self) for name in names}
        self.image = image_manifest()
        self.is_away = False

    async def __aenter__(self) -> Self:
        for host in self.by_name.values():
            await host.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self.by_name.values():
            await host.stop()

    def __getitem__(self, name: str) -> ImageHost:
        return self.by_name[name]

    def certified(self, purpose: Purpose, name: str) -> tuple[str, str]:
        """Certificate and key of a host."""
        key = new_key()
        names = [name, _ADDRESS] if purpose is SERVING else []
        request = render_request(as_host(purpose, name, names), key)
        begins = datetime.now(UTC) - timedelta(minutes=1)
        return self.authority.sign(request, begins, usages=purpose.usages[1:]), key

    def trust_of(self, name: str) -> Trust:
        """What host `name` trusts and shows."""
        certificate, key = self.certified(CLIENT, name)
        api = _Seen(self, Access("https://api.example", certificate_pem=certificate, key_pem=key))
        return partial(trust_of_hosts, cast(ApiClient, api))

    # the verbs of the API that hosts use

    async def list(self, resource: Resource) -> ListResult:
        if self.is_away:
            raise Unreachable("The API server does not answer.")
        if resource is IMAGES:
            return ListResult([self.image] if self.image else [], "1")
        assert resource is HOSTS
        return ListResult([host.manifest() for host in self.by_name.values()], "1")

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        if resource is CONFIG_MAPS and name == CA_CONFIG_MAP:
            return {"data": {"ca.crt": self.authority.pem}}
        if (resource, f"{namespace}/{name}") != (IMAGES, KEY):
            raise NotFound(f"There is no {resource.kind} {name}.")
        return self.image

    async def request(self, method: str, path: str, *, json: dict[str, Any]) -> dict[str, Any]:
        assert path.endswith("/subjectaccessreviews")
        return {"status": {"allowed": json["spec"]["user"].startswith("quantix:host:")}}


@dataclass(frozen=True)
class _Seen:
    """The API as one host reaches it."""

    hosts: ImageHosts
    access: Access

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        return await self.hosts.get(resource, name, namespace)


def image_manifest(**spec: Any) -> dict[str, Any]:
    """The image, checked, on host h1; `spec` is its source."""
    status = {"host": "h1", "data": "Present", "checksum": CHECKSUM, "format": "Raw", "virtualSize": "8Mi"}
    ready = {"type": "Ready", "status": "True", "reason": "Verified"}
    return {
        "metadata": {"name": "disk", "namespace": "default", "uid": UID, "generation": 1},
        "spec": spec or {"upload": {}},
        "status": {**status, "conditions": [ready]},
    }
