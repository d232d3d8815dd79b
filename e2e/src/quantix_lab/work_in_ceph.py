"""A host's work on idle volumes in a real Ceph, by a process that is killed or frozen in the midst of it.

As a program it takes a `Task` as JSON from its standard input, does that as host `h1` does, and sends itself
the task's signal at the task's moment; tests use `HostInCeph` for the hosts that find what it left.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from quantix_api import Volume
from quantix_api.errors import QuantixError
from quantix_api.layout import Layout
from quantix_client.api import ApiClient
from quantix_hostd.ceph_pools import CephPools
from quantix_hostd.claims import CephPool, Claim, ClaimStore, VolumePlace, release, take
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_claims import CephClaimStore
from quantix_hostd.clients.ceph_connection import CephAccess
from quantix_hostd.clients.ceph_state import CephStateObjects
from quantix_hostd.clients.claim_notes import ClaimNotes
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.rbd_import import RbdImport
from quantix_hostd.clients.state_store import StateByKind, StateFiles
from quantix_hostd.pools import HostPools
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.volume import rbd_disk
from quantix_hostd.volume.actions import Grow, Remove
from quantix_hostd.volume.claimed_work import ClaimedWork
from quantix_hostd.volume.lending import Lending
from quantix_hostd.volume.noted_claims import NotedClaims
from quantix_hostd.volume.observed import VolumeObserved
from quantix_hostd.volume.passphrases import Passphrases
from quantix_hostd.volume.rbd_disk import RbdDiskMaker
from quantix_hostd.volume.recipe import Origin, Recipe
from quantix_hostd.volume.storage import StorageByKind
from quantix_lab.fake_status_api import FakeStatusApi

CLUSTER, MIB, REFUSED = "cluster-1", 1 << 20, 3


@dataclass(frozen=True)
class Task:
    """`work` is grow, remove or copy of `handle`, `copy` the handle of what a copy makes. `moment`: before
    take, after take, in it, before free, after free; a removal frees nothing.
    """

    access: dict[str, Any]
    root: str
    work: str
    handle: str
    copy: str
    moment: str
    signal: int


class Moments:
    """Claims whose n-th change, counted from 0, has a moment before and one after it."""

    def __init__(self, claims: ClaimStore, at: Callable[[str], None]) -> None:
        self._claims, self._at, self._names = claims, at, iter(("take", "free"))
        self.create, self.read = claims.create, claims.read

    def compare_and_set(
        self, place: VolumePlace, expected: Claim, wanted: Claim, *, rewrite: bool = False
    ) -> None:
        name = next(self._names, "more")
        self._at(f"before {name}")
        self._claims.compare_and_set(place, expected, wanted, rewrite=rewrite)
        self._at(f"after {name}")


@dataclass(frozen=True)
class OnePool(HostPools):
    """Of which only its one pool in Ceph is asked for."""

    async def pool(self, name: str | None) -> Pool:
        return self.in_ceph(str(name))


class HostInCeph:
    """A host with pool `fast`; no volume is its own to go on with."""

    def __init__(
        self, access: CephAccess, root: Path, host: str, at: Callable[[str], None] = lambda _: None
    ) -> None:
        self.host, self.clients = host, CephClients(host)
        self.clients.learn(CephPool("fast"), access)
        layout = Layout(root / host)
        self.notes = ClaimNotes(layout.claims_for_work)
        staging = PoolDir("fast", root / host, FileOwner.current(), host)
        self.pool = PoolRbd("fast", host, self.clients, staging)
        self.claims: ClaimStore = Moments(CephClaimStore(self.clients), at)
        secrets = SecretValues(cast(ApiClient, FakeStatusApi()))
        ceph = CephPools(self.clients, secrets, lambda: CLUSTER)
        known = {"fast": {"metadata": {"name": "fast"}}}
        pools = OnePool(known, {}, host, layout, FileOwner.current(), ceph=ceph)
        states = StateByKind(StateFiles(), CephStateObjects(self.clients))
        self.disks = RbdDiskMaker(cast(RbdImport, None), self.claims, states, CLUSTER, lambda _: self.pool)
        self.noted = NotedClaims(self.claims, pools, host, lambda _: False, lambda _: False)
        self.lending = Lending(self.claims, self.noted, host, CLUSTER, lambda _: None)
        maker = StorageByKind(cast(Any, None), self.disks)
        self.work = ClaimedWork(self.claims, maker, Passphrases(secrets), self.noted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clients.close()

    async def start(self) -> None:
        """As hostd does before it looks at anything else."""
        await asyncio.to_thread(self.pool.sweep_drafts)
        await self.noted.remember()
        await self.noted.look()

    async def claim(self, handle: str) -> Claim:
        found = await asyncio.to_thread(self.claims.read, self.pool.place(handle))
        assert found is not None
        return found

    async def do(self, work: str, handle: str, copy: str) -> None:
        """Raises QuantixError, such as that somebody else has the claim."""
        place = self.pool.place(handle)
        if work == "copy":
            origin = Origin("default/data", handle, place, 64 * MIB)
            async with self.lending.lent(origin, "copy"):
                await self.disks.make(self.pool, Recipe(copy, 0, origin=origin))
            return
        about = {"metadata": {"name": "data", "namespace": "default", "uid": handle}, "spec": {}}
        seen = VolumeObserved(Volume.model_validate(about), self.host, CLUSTER, "fast", place)
        found = await self.claim(handle)
        held = take(found, self.host, found.floor + 1, handle, CLUSTER)
        if work == "remove":
            await self.work.remove(self.pool, seen, Remove(found, held))
            return
        freed = release(held, self.host, found.floor + 1)
        await self.work.grow(seen, Grow(found, held, freed, 128 * MIB))


def task(access: CephAccess, root: Path, **about: Any) -> str:
    """What the program reads."""
    return json.dumps(asdict(Task(asdict(access), str(root), **about)))


def _in_it(at: Callable[[str], None]) -> None:
    """A copy whose draft is there, a disk that has grown, a volume that has no name any more."""
    set_aside, resize = PoolRbd._set_aside, rbd_disk._resize

    async def convert(*_: object) -> None:
        at("in it")

    def grown(*arguments: Any) -> None:
        resize(*arguments)
        at("in it")

    def aside(*arguments: Any) -> None:
        set_aside(*arguments)
        at("in it")

    instead: tuple[tuple[Any, str, Any], ...] = (
        (rbd_disk, "convert", convert),
        (rbd_disk, "_resize", grown),
        (PoolRbd, "_set_aside", aside),
    )
    for owner, name, call in instead:
        setattr(owner, name, call)


def main() -> None:
    """Ends with `REFUSED` where something kept it from the work."""
    found = json.load(sys.stdin)
    monitors = tuple(found["access"].pop("monitors"))
    asked = Task(**found)

    def at(moment: str) -> None:
        if moment == asked.moment:
            os.kill(os.getpid(), asked.signal)

    async def work() -> None:
        with HostInCeph(CephAccess(monitors, **asked.access), Path(asked.root), "h1", at) as host:
            await host.do(asked.work, asked.handle, asked.copy)

    _in_it(at)
    try:
        asyncio.run(work())
    except QuantixError as error:
        sys.stderr.write(f"{error.reason}: {error.message}\n")
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
