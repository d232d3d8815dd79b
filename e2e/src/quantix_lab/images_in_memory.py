"""RBD images in memory, in the place of librbd's own: for tests of what is done with them, without a Ceph."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from quantix_hostd.clients import pool_rbd, rbd_calls, rbd_import, rbd_snapshots, rbd_watchers
from quantix_hostd.clients.ceph_connection import CephAccess
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.volume import rbd_disk

OWN_CLIENT, OWN_ID = "192.0.2.1:0/1", 4100
_IDS, _STEPS = count(0x1A), 1000
_MODULES = (pool_rbd, rbd_calls, rbd_import, rbd_snapshots, rbd_watchers, rbd_disk)


class ImageNotFoundError(Exception):
    """As librbd raises it for an image or a snapshot."""


class ImageBusyError(Exception):
    """As librbd raises it."""


class ImageExistsError(Exception):
    """As librbd raises it."""


class OperationCanceledError(Exception):
    """As librbd raises it for what a caller has ended."""


class Stored:
    """What RBD has of an image. `snapshots`: what they hold, by name; `watchers`: who has it open, by the
    addresses of clients.
    """

    def __init__(self, size_bytes: int = 1 << 20) -> None:
        self.id, self.snapshots = f"{next(_IDS):x}", dict[str, bytes]()
        self.size_bytes, self.content, self.watchers = size_bytes, b"", list[str]()


class Images(dict[str, Stored]):
    """The pool. `calls`: what was asked of it, in order; `shut_out`: the clients that were. `on_flatten` is
    told of each step of a flattening, and may take its time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.shut_out = list[str](), list[str]()
        self.on_flatten: Callable[[], None] = lambda: None

    def remove_object(self, name: str) -> None:
        """There is one."""


class Image:
    """An image that is open."""

    def __init__(self, images: Images, name: str, snapshot: str = "", read_only: bool = False) -> None:
        images.calls.append(f"open {name}@{snapshot}" if snapshot else f"open {name}")
        if name not in images or (snapshot and snapshot not in images[name].snapshots):
            raise ImageNotFoundError(name)
        self._images, self._stored, self._watches = images, images[name], not read_only
        if self._watches:
            self._stored.watchers.append(OWN_CLIENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._watches:
            self._stored.watchers.remove(OWN_CLIENT)

    def id(self) -> str:
        return self._stored.id

    def size(self) -> int:
        return self._stored.size_bytes

    def resize(self, size_bytes: int) -> None:
        self._stored.size_bytes = size_bytes

    def metadata_set(self, name: str, value: str) -> None:
        """Nobody asks for it."""

    def watchers_list(self) -> list[Any]:
        return [
            {"addr": client, "id": OWN_ID if client == OWN_CLIENT else OWN_ID + number}
            for number, client in enumerate(self._stored.watchers, 1)
        ]

    def list_snaps(self) -> list[dict[str, Any]]:
        return [{"name": name, "namespace": 0} for name in sorted(self._stored.snapshots)]

    def create_snap(self, name: str) -> None:
        self._images.calls.append(f"create {name}")
        self._stored.snapshots[name] = self._stored.content

    def rollback_to_snap(self, name: str) -> None:
        self._stored.content = self._stored.snapshots[name]

    def remove_snap(self, name: str) -> None:
        self._images.calls.append(f"remove {name}")
        if name not in self._stored.snapshots:
            raise ImageNotFoundError(name)
        del self._stored.snapshots[name]

    def flatten(self, on_progress: Callable[[int, int], int]) -> None:
        for step in range(_STEPS):
            self._images.on_flatten()
            if on_progress(step, _STEPS) < 0:
                raise OperationCanceledError("flatten")


class Rbd:
    """The functions of a pool; images are by their names."""

    def list(self, images: Images) -> list[str]:
        images.calls.append("list")
        return sorted(images)

    def create(self, images: Images, name: str, size_bytes: int, **_: object) -> None:
        if name in images:
            raise ImageExistsError(name)
        images[name] = Stored(size_bytes)

    def clone(self, images: Images, name: str, snapshot: str, _: object, new: str, **__: object) -> None:
        with Image(images, name, snapshot) as parent:
            self.create(images, new, parent.size())

    def rename(self, images: Images, name: str, new: str) -> None:
        assert new not in images
        images[new] = images.pop(name)

    def remove(self, images: Images, name: str) -> None:
        if images[name].watchers:
            raise ImageBusyError(name)
        del images[name]


class Cluster:
    """Its monitors, as a client of host 192.0.2.1 sees them."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def get_instance_id(self) -> int:
        return OWN_ID

    def get_addrs(self) -> str:
        return OWN_CLIENT

    def mon_command(self, command: str, _: bytes) -> tuple[int, bytes, str]:
        asked = json.loads(command)
        assert (asked["prefix"], asked["blocklistop"]) == ("osd blocklist", "add")
        self._images.shut_out.append(asked["addr"])
        for stored in self._images.values():
            stored.watchers = [client for client in stored.watchers if client != asked["addr"]]
        return 0, b"", ""

    def wait_for_latest_osdmap(self) -> None:
        self._images.calls.append("wait for the map")


class Ceph:
    """Always answers."""

    def __init__(self) -> None:
        self.images = Images()

    @contextmanager
    def opened(self, _: object) -> Iterator[Images]:
        yield self.images

    @contextmanager
    def monitored(self, _: object) -> Iterator[Cluster]:
        yield Cluster(self.images)

    def known_access(self, _: object) -> CephAccess:
        return CephAccess(("192.0.2.1",), "quantix", "hosts", "a key")


def pool_in_memory(monkeypatch: pytest.MonkeyPatch, staging: Path) -> tuple[PoolRbd, Images]:
    """Pool `fast` of host `h1`, and the images in it."""
    library = SimpleNamespace(
        RBD=Rbd,
        Image=Image,
        ImageNotFound=ImageNotFoundError,
        ImageBusy=ImageBusyError,
        ImageExists=ImageExistsError,
        OperationCanceled=OperationCanceledError,
    )
    for module in _MODULES:
        monkeypatch.setattr(module, "rbd", lambda: library)
    ceph: Any = Ceph()
    place: Any = staging
    return PoolRbd("fast", "h1", ceph, place), ceph.images
