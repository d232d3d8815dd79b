"""Removes what this host made for pools that were deleted, and tells what stays. Called by the host
controller at each of its looks.

Only the files of images that the API has go: each lies in another pool here too, or is fetched from its URL
again. One that was sent and lies nowhere else stays, and so does what the API does not know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from quantix_api import Image
from quantix_api.errors import QuantixError, TransientError
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
                removable = await self._removable(pool, images.values())
                remains = await self.pools.put_away(uid, removable)
            except (QuantixError, OSError) as error:
                log.warning("deleted pool not put away", pool=pool.name, error=str(error))
                continue
            log.info("deleted pool put away", pool=pool.name, path=str(pool.path), stays=remains is not None)
            if remains is not None:
                only = next((images[uid] for uid in remains.names if uid in images.keys() - removable), None)
                self._tell(_told(pool, remains, only))

    async def _removable(self, deleted: PoolDir, images: Iterable[Image]) -> frozenset[str]:
        """UIDs of those whose file in a deleted pool is not the only one. Raises OSError, and TransientError
        where a pool hangs that may have another.
        """
        images = list(images)
        fetched = {image.metadata.uid for image in images if image.spec.url or image.deleting}
        alone = frozenset(image.metadata.uid for image in images) - fetched
        alone = await self.pools.ask(deleted, partial(_lying_in, deleted, alone))
        elsewhere: set[str] = set()
        silent: TransientError | None = None
        for pool in self.pools.directories():
            if not alone - elsewhere:
                break
            try:
                elsewhere |= await self.pools.ask(pool, partial(_lying_in, pool, alone))
            except TransientError as error:
                silent = error
        if silent is not None and alone - elsewhere:
            raise silent
        return frozenset(fetched | elsewhere)

    def _tell(self, message: Message) -> None:
        log.warning("what a deleted pool had stays", said=message.text)
        manifest = self.hosts.get(self.pools.host)
        if manifest is not None:
            tell(self.events, HOSTS, manifest, Told(message.reason, message.text, "Warning"))


def _lying_in(pool: PoolDir, images: Collection[str]) -> frozenset[str]:
    """Those of the images (UIDs) that have a file in the pool. Blocks; raises OSError."""
    return frozenset(uid for uid in images if pool.image(uid).is_file())


def _told(pool: PoolDir, remains: Remains, only: Image | None) -> Message:
    """`only`: an image that lies nowhere else."""
    about = {"pool": pool.name, "host": pool.host, "path": remains.path}
    if only is not None:
        return render("PoolLeft", **about, image=only.key, place=pool.path)
    return render("PoolLeft", **about, found=first_of(remains.names))
