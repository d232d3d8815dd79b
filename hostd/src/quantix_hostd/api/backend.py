"""What the handlers of hostd's API act with: one frozen bundle, built by `assembly`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from quantix_api.errors import PermanentError
from quantix_api.layout import Layout
from quantix_api.messages import as_error
from quantix_api.resources import IMAGES, VIRTUAL_MACHINES, Resource
from quantix_client.api import ApiClient
from quantix_hostd.events import Events
from quantix_hostd.facts.domain import Picture
from quantix_hostd.migration.coming import IncomingMove
from quantix_hostd.migration.sent_domain import Awaited
from quantix_hostd.pace import Pace
from quantix_hostd.pools import HostPools
from quantix_hostd.transfer.draft import Note
from quantix_hostd.transfer.received import Received
from quantix_hostd.virtualmachine.console import ConsoleHub
from quantix_hostd.virtualmachine.orphans import Orphan

Manifest = Mapping[str, Any]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Uploads(Protocol):
    """Takes what somebody sends (`image.controller`, `volume.uploads`)."""

    async def kept_of_upload(self, key: str) -> Note | None: ...

    async def receive_upload(
        self, key: str, chunks: AsyncIterator[bytes], length_bytes: int, offset_bytes: int = 0
    ) -> Received: ...


class Screens(Protocol):
    """Pictures of what guests show (`clients.hypervisor`)."""

    async def screenshot(self, name: str, most_bytes: int) -> Picture | None: ...


class Orphans(Protocol):
    """Guests whose VM the API does not have (`virtualmachine.reconciler`)."""

    async def orphans(self) -> tuple[Orphan, ...]: ...

    async def end_orphan(self, uid: str) -> Orphan: ...


class Switched(Protocol):
    """Those of them that come by post-copy (`migration.switched`)."""

    async def switching(self, move: IncomingMove, epoch: int) -> None: ...

    async def may_go_on(self, move: IncomingMove) -> bool: ...


class Moves(Protocol):
    """Guests that come from other hosts (`migration.incoming`)."""

    def move(self, uid: str) -> IncomingMove | None: ...

    def awaited(self, uid: str) -> Awaited | None: ...

    def half(self, uid: str) -> IncomingMove | None: ...

    @property
    def switched(self) -> Switched: ...

    async def handed_over(self, move: IncomingMove, epoch: int) -> None: ...


def _no_door(_address: str) -> AbstractAsyncContextManager[None]:
    """Where no packet filter is kept."""
    return nullcontext()


async def _at_once() -> None:
    """What is known already."""


@dataclass(frozen=True)
class Backend:
    """`known` returns once the API's objects are in `stores`; `shut_down` shuts every guest of this host down
    and returns the keys of those that start again with Quantix; `guests` are the keys of those that are here,
    each with the seconds that it may take to shut down; `metrics` is Prometheus' text, of the VM with a UID
    or of all that this process knows; QEMU takes guests from an address while what `open_to` returns lasts.
    """

    host: str
    layout: Layout
    api: ApiClient
    stores: Mapping[Resource, Mapping[str, Manifest]]
    consoles: ConsoleHub
    events: Events
    uploads: Uploads
    volume_uploads: Uploads
    orphans: Orphans
    screens: Screens
    pools: HostPools
    metrics: Callable[[str | None], Awaitable[bytes]]
    shut_down: Callable[[], Awaitable[list[str]]]
    guests: Callable[[], Awaitable[Mapping[str, int]]]
    moves: Moves | None = None
    open_to: Callable[[str], AbstractAsyncContextManager[None]] = _no_door
    known: Callable[[], Awaitable[object]] = _at_once
    upload_pace: Pace = Pace()  # noqa: RUF009 - it is frozen

    def vm(self, key: str) -> Manifest:
        """Raises PermanentError (NotHere)."""
        return self.found(VIRTUAL_MACHINES, key)

    def image(self, key: str) -> Manifest:
        """Raises PermanentError (NotHere)."""
        return self.found(IMAGES, key)

    def found(self, resource: Resource, key: str) -> Manifest:
        """Raises PermanentError (NotHere)."""
        manifest = self.stores[resource].get(key)
        if manifest is None:
            target = f"{resource.kind.lower()}/{key.rpartition('/')[2]}"
            about = {"kind": resource.kind, "name": key, "host": self.host, "target": target}
            raise as_error(PermanentError, "NotHere", **about)
        return manifest
