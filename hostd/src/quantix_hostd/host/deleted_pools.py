"""Removes what this host made for pools that were deleted, and tells what stays. Called by the host
controller at each of its looks.

Only the files of images that the API has go: each lies in another pool here too, or is fetched from its URL
again. One that was sent and lies nowhere else stays, and so does what the API does not know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from quantix_api import Image
from quantix_api.errors import QuantixError
from quantix_api.message_text import first_of
from quantix_api.messages import Message, render
from quantix_api.resources import HOSTS, IMAGES
from quantix_client.api import ApiClient
from quantix_client.reading import model_of
from quantix_hostd.clients.pool_dir import PoolDir, Remains
from quantix_hostd.events import Events, tell
from quantix_hostd.pools import HostPools
from quantix_hostd.told import Told

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class DeletedPools:
    """`hosts` is a cache."""

    api: ApiClient
    hosts: Mapping[str, Mapping[str, Any]]
    pools: HostPools
    events: Events

    async def put_away(self) -> None:
        """All of them; one that cannot be put away now is tried again at the next look."""
        for uid, pool in self.pools.deleted().items():
            try:
                listed = await self.api.list(IMAGES)
                images = {item["metadata"]["uid"]: model_of(Image, item) for item in listed.items}
                removable = await self._removable(images.values())
                remains = await self.pools.put_away(uid, removable)
            except (QuantixError, OSError) as error:
                log.warning("deleted pool not put away", pool=pool.name, error=str(error))
                continue
            log.info("deleted pool put away", pool=pool.name, path=str(pool.path), stays=remains is not None)
            if remains is not None:
                only = next((images[uid] for uid in remains.names if uid in images.keys() - removable), None)
                self._tell(_told(pool, remains, only))

    async def _removable(self, images: Iterable[Image]) -> frozenset[str]:
        """UIDs of those whose file is not the only one. Raises OSError."""
        pools = [self.pools.directory(pool) for pool in self.pools.reached()]

        def found() -> frozenset[str]:
            return frozenset(
                uid
                for uid, image in ((image.metadata.uid, image) for image in images)
                if image.spec.url or image.deleting or any(pool.image(uid).is_file() for pool in pools)
            )

        return await asyncio.to_thread(found)

    def _tell(self, message: Message) -> None:
        log.warning("what a deleted pool had stays", said=message.text)
        manifest = self.hosts.get(self.pools.host)
        if manifest is not None:
            tell(self.events, HOSTS, manifest, Told(message.reason, message.text, "Warning"))


def _told(pool: PoolDir, remains: Remains, only: Image | None) -> Message:
    """`only`: an image that lies nowhere else."""
    about = {"pool": pool.name, "host": pool.host, "path": remains.path}
    if only is not None:
        return render("PoolLeft", **about, image=only.key, place=pool.path)
    return render("PoolLeft", **about, found=first_of(remains.names))
