"""Hosts of one pool in Ceph, in memory, with Volumes that no VM has, and hostds that can be killed at each
change of a claim: for tests of what becomes of their work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from quantix_api.errors import QuantixError, TransientError
from quantix_api.host_spec import HostSpec
from quantix_api.layout import Layout
from quantix_api.messages import as_error
from quantix_client.api import ApiClient
from quantix_client.clock import SystemClock
from quantix_hostd.claims import Claim, ClaimChangedError, VolumeMissingError, VolumePlace, new_claim
from quantix_hostd.clients import rbd_calls
from quantix_hostd.clients.ceph_claims import claim_object
from quantix_hostd.clients.ceph_connection import CephAccess
from quantix_hostd.clients.claim_notes import ClaimNote, ClaimNotes
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import Space
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.rbd_import import RbdImport
from quantix_hostd.clients.state_store import StateObjects
from quantix_hostd.pools import HostPools
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.transfer.room import Room
from quantix_hostd.volume import rbd_disk
from quantix_hostd.volume.controller import VolumeController
from quantix_hostd.volume.live_moves import LiveMoves
from quantix_hostd.volume.passphrases import Passphrases
from quantix_hostd.volume.rbd_disk import RbdDiskMaker
from quantix_hostd.volume.storage import StorageByKind
from quantix_hostd.volume.tools import VolumeTools
from quantix_lab.fake_status_api import FakeStatusApi
from quantix_lab.images_in_memory import Images, Stored, pool_in_memory
from quantix_lab.mortality import HostdKilledError
from quantix_lab.one_volume import Departed, SlowCopies
from quantix_lab.told_events import ToldEvents
from quantix_lab.volume_uploads import volume_uploads

CLUSTER, POOL, MIB = "cluster-1", "fast", 1 << 20
_RBD = {"monitors": ["m"], "pool": "p", "user": "u", "secretRef": {"name": "s"}}

Manifest = dict[str, Any]


class NoSuchObjectError(Exception):
    """As librados raises it."""


class Stepped(Images):
    """The images of the pool, and its claims by the names of their objects."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[str, Claim] = {}

    def stat(self, name: str) -> None:
        if name not in self.claims:
            raise NoSuchObjectError(name)

    def remove_object(self, name: str) -> None:
        self.claims.pop(name, None)


@dataclass(frozen=True)
class PoolsInCeph(HostPools):
    """All that this host reaches is in Ceph."""

    made: Callable[[str], PoolRbd] = field(kw_only=True)

    async def pool(self, name: str | None) -> Pool:
        return self.made(self.find(name).metadata.name)


class Process:
    """hostd of one host, until it is killed. `dies_at`: right before its n-th step, 0 the next: each change
    of a claim is two, one before it and one after, and each removal of an image is one.
    """

    def __init__(self, ceph: CephInMemory, host: str) -> None:
        self.ceph, self.host, self.dies_at, self.dead = ceph, host, -1, False
        self.volumes: dict[str, Manifest] = {}
        self.copying, self.may_copy = 0, asyncio.Event()
        self.notes = ClaimNotes(Layout(ceph.root / host).claims_for_work)
        pool = PoolRbd(POOL, host, cast(Any, self), cast(Any, ceph.root))
        layout = Layout(ceph.root / host)
        pools = PoolsInCeph(ceph.pools, {}, host, layout, FileOwner.current(), made=lambda _: pool)
        maker = RbdDiskMaker(cast(RbdImport, None), self, cast(StateObjects, None), CLUSTER, lambda _: pool)
        self.departed = Departed()
        self.controller = VolumeController(
            self._tools(pools, StorageByKind(cast(Any, None), maker)), lambda key: None
        )

    def _tools(self, pools: HostPools, maker: StorageByKind) -> VolumeTools:
        api = self.ceph.api
        return VolumeTools(
            api=cast(ApiClient, api),
            passphrases=Passphrases(SecretValues(cast(ApiClient, api))),
            volumes=self.volumes,
            images={},
            snapshots={},
            restores={},
            machines={},
            namespaces={},
            pools=pools,
            copies=SlowCopies(),
            uploads=volume_uploads(self.volumes, pools, self.host, api=api),
            maker=maker,
            room=Room(),
            claims=self,
            guests=self.departed,
            events=ToldEvents(),
            live_moves=LiveMoves(pools, maker, lambda key: None, HostSpec, SystemClock()),
            cluster_uid=CLUSTER,
            host=self.host,
        )

    def step(self) -> None:
        if self.dies_at == 0:
            self.dead = True
        self.dies_at -= 1
        self._check()

    def _check(self) -> None:
        if self.dead:
            raise HostdKilledError
        if self.ceph.away == self.host:
            raise as_error(TransientError, "PoolUnreachable", host=self.host, pool=POOL, said="it is away")

    # as `clients.ceph.CephClients`

    @contextmanager
    def opened(self, _: object) -> Iterator[Images]:
        self._check()
        yield self.ceph.images

    def known_access(self, _: object) -> CephAccess:
        return CephAccess(("192.0.2.1",), "quantix", "hosts", "a key")

    # as `claims.ClaimStore`

    def create(self, place: VolumePlace, claim: Claim) -> None:
        self._check()
        if claim_object(place.handle) in self.ceph.images.claims:
            raise as_error(ClaimChangedError, "VolumeInUse", handle=place.handle)
        self.ceph.images.claims[claim_object(place.handle)] = claim

    def read(self, place: VolumePlace) -> Claim | None:
        self._check()
        found = self.ceph.images.claims.get(claim_object(place.handle))
        if found is None and place.handle not in self.ceph.images:
            raise as_error(VolumeMissingError, "DataMissing", place=place.shown)
        return found

    def compare_and_set(
        self, place: VolumePlace, expected: Claim, wanted: Claim, *, rewrite: bool = False
    ) -> None:
        self.step()
        if self.ceph.images.claims.get(claim_object(place.handle)) != expected:
            raise as_error(ClaimChangedError, "VolumeInUse", handle=place.handle)
        self.ceph.images.claims[claim_object(place.handle)] = wanted
        self.step()

    # what a test does

    def noted(self) -> list[ClaimNote]:
        return list(self.notes.read())

    async def start(self) -> None:
        """As hostd does before it looks at anything else."""
        await self.controller.remember()
        await self.controller.noted.look()

    async def look(self, name: str) -> str:
        """One look at a volume, as far as it lives; the reason that is told."""
        key = f"default/{name}"
        with suppress(QuantixError, HostdKilledError):
            await self.controller.reconcile(key)
        found = self.ceph.api.objects.get(f"uid-{name}")
        if found is None:
            return ""
        if key in self.volumes:
            self.volumes[key] = found
        conditions = (found.get("status") or {}).get("conditions") or []
        return next((str(item["reason"]) for item in conditions if item["type"] == "Ready"), "")


class CephInMemory:
    """The pool, and the API. `away`: the host that does not reach the pool."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        pool_in_memory(monkeypatch, root)
        monkeypatch.setattr(rbd_calls, "rados", lambda: SimpleNamespace(ObjectNotFound=NoSuchObjectError))
        monkeypatch.setattr(rbd_disk, "convert", self._convert)
        monkeypatch.setattr(rbd_disk, "remove_gone", lambda _: None)
        monkeypatch.setattr(PoolRbd, "_remove_own", lambda pool, name: self._remove_own(pool, name))
        monkeypatch.setattr(PoolRbd, "space", lambda _: Space(1 << 40, 1 << 40))
        monkeypatch.setattr(PoolRbd, "full", lambda _: "")
        monkeypatch.setattr(PoolRbd, "drafted_bytes", lambda _pool, _handle: 0)
        self.root, self.images, self.api, self.away = root, Stepped(), FakeStatusApi(), ""
        about = {"name": POOL, "uid": "uid-fast"}
        self.pools: dict[str, Manifest] = {POOL: {"metadata": about, "spec": {"rbd": _RBD, "default": True}}}
        self.processes: list[Process] = []

    def start(self, host: str) -> Process:
        """Another process of hostd there: what an earlier one was at it knows nothing of."""
        before = next((found for found in reversed(self.processes) if found.host == host), None)
        made = Process(self, host)
        if before is not None:
            before.dead = True
            made.volumes.update(before.volumes)
        self.processes.append(made)
        return made

    def put(self, name: str, spec: Manifest, host: str, *, deleted: bool = False, **status: Any) -> None:
        """A Volume that `host` acts on, as the watches of the living see it."""
        about: Manifest = {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1}
        if deleted:
            about["deletionTimestamp"] = "2026-01-02T00:00:00Z"
        before = self.api.objects.get(f"uid-{name}", {}).get("status") or {}
        told = self.api.put({"metadata": about, "spec": spec, "status": before | {"host": host} | status})
        for process in self.processes:
            process.volumes.pop(f"default/{name}", None)
            if process.host == host:
                process.volumes[f"default/{name}"] = told

    def put_there(
        self, name: str, spec: Manifest, host: str, *, deleted: bool = False, **status: Any
    ) -> None:
        """The same of one whose data is there."""
        self.images[f"uid-{name}"] = Stored(MIB)
        self.images.claims[claim_object(f"uid-{name}")] = new_claim(CLUSTER)
        there = {"data": "Present", "capacity": "1Mi", "pool": POOL, "handle": f"uid-{name}"}
        self.put(name, spec, host, deleted=deleted, **there | status)

    def gone(self, name: str) -> None:
        """The API has it no more."""
        self.api.objects.pop(f"uid-{name}", None)
        for process in self.processes:
            process.volumes.pop(f"default/{name}", None)

    def claim(self, name: str) -> Claim | None:
        return self.images.claims.get(claim_object(f"uid-{name}"))

    def holder(self, name: str) -> str:
        """The host that holds its claim, "" for none."""
        claim = self.claim(name)
        return claim.holder.host if claim is not None and claim.holder is not None else ""

    async def _convert(self, *_: object) -> None:
        process = next(found for found in reversed(self.processes) if not found.dead)
        process.copying += 1
        await process.may_copy.wait()

    def _remove_own(self, pool: PoolRbd, name: str) -> bool:
        cast(Process, pool.ceph).step()
        return self.images.pop(name, None) is not None
