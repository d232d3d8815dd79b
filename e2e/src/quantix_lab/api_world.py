"""What hostd's API acts with, in tests of its handlers: a backend below a short root, and who takes what is
asked of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from quantix_api.disk_image import ImageFacts, ImageFormat
from quantix_api.errors import PermanentError, QuantixError
from quantix_api.layout import Layout
from quantix_api.messages import as_error
from quantix_api.resources import IMAGES, STORAGE_POOLS, VIRTUAL_MACHINES, VOLUMES
from quantix_client.api import ApiClient
from quantix_client.reviews import Access, Identity
from quantix_hostd.api.backend import Backend
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.facts.domain import Picture
from quantix_hostd.pools import HostPools
from quantix_hostd.transfer.draft import Note
from quantix_hostd.transfer.received import Received
from quantix_hostd.virtualmachine.console import ConsoleHub
from quantix_hostd.virtualmachine.orphans import Orphan
from quantix_lab.told_events import ToldEvents

UID = "daaee2dc-3de5-4c5e-afa3-06beae8d3c1b"


class Receiver:
    """Takes uploads, or refuses them."""

    def __init__(self) -> None:
        self.got = b""
        self.offset_bytes = 0
        self.kept: Note | None = None
        self.refusal: QuantixError | None = None

    async def kept_of_upload(self, key: str) -> Note | None:
        return self.kept

    async def receive_upload(
        self, key: str, chunks: AsyncIterator[bytes], length_bytes: int, offset_bytes: int = 0
    ) -> Received:
        self.offset_bytes = offset_bytes
        async for chunk in chunks:
            self.got += chunk
        if self.refusal is not None:
            raise self.refusal
        return Received(ImageFacts(ImageFormat.RAW, length_bytes), "sha256:abc")


class OneOrphan:
    """A host on which one guest has no VM."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def orphans(self) -> tuple[Orphan, ...]:
        return (Orphan(UID, f"qx-{UID}", "default/gone", True, (42,), "", ("v1",), ("p1",), ending=False),)

    async def end_orphan(self, uid: str) -> Orphan:
        if uid != UID:
            raise as_error(PermanentError, "NoOrphan", uid=uid, host="h1")
        self.ended.append(uid)
        return (await self.orphans())[0]


class Screen:
    """Shows `picture`; None: the VM is off."""

    def __init__(self) -> None:
        self.picture: bytes | None = None
        self.asked: list[str] = []

    async def screenshot(self, name: str, most_bytes: int) -> Picture | None:
        self.asked.append(name)
        return None if self.picture is None else Picture(self.picture[:most_bytes])


class Recording:
    """A guard that lets everybody in and remembers what they wanted."""

    local = False

    def __init__(self) -> None:
        self.asked: list[Access] = []

    async def admit(self, request: web.Request, access: Access) -> Identity:
        self.asked.append(access)
        return Identity("alice")


class ApiWorld:
    """A backend below a short root, with one VM, one Image and one Volume."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.consoles = ConsoleHub()
        self.events = ToldEvents()
        self.receiver, self.volume_receiver = Receiver(), Receiver()
        self.orphans = OneOrphan()
        self.screens = Screen()
        self.guard = Recording()
        stores: dict[Any, dict[str, Any]] = {
            VIRTUAL_MACHINES: {"default/web-1": {"metadata": {"name": "web-1", "uid": UID}}},
            IMAGES: {"default/tiny": {"metadata": {"uid": "0a1b"}}},
            VOLUMES: {"default/data": {"metadata": {"uid": "0c1d"}}},
            STORAGE_POOLS: {},
        }
        self.backend = Backend(
            host="h1",
            layout=self.layout,
            api=ApiClient.__new__(ApiClient),
            stores=stores,
            consoles=self.consoles,
            events=self.events,
            uploads=self.receiver,
            volume_uploads=self.volume_receiver,
            orphans=self.orphans,
            screens=self.screens,
            pools=HostPools(stores[STORAGE_POOLS], {}, "h1", self.layout, FileOwner.current()),
            metrics=self.metrics,
            shut_down=self.shut_down,
            guests=self.guests,
        )

    async def metrics(self, vm_uid: str | None) -> bytes:
        return f'quantix_vm_vcpus{{uid="{vm_uid or UID}"}} 1.0\n'.encode()

    async def guests(self) -> dict[str, int]:
        return {"default/web-1": 60}

    async def shut_down(self) -> list[str]:
        return ["default/web-1"]
