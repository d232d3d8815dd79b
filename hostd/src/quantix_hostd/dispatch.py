"""From a change in the API to the keys that have to be looked at again, and the queues that hold them.

`assembly` builds it and registers the workers. It decides nothing: every worker compares the whole anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from quantix_api import VirtualMachine, Volume
from quantix_api.resources import (
    CONFIG_MAPS,
    HOSTS,
    IMAGES,
    NETWORKS,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.clock import Clock, SystemClock
from quantix_client.reading import model_of
from quantix_client.reflector import Change
from quantix_client.workqueue import AttemptHook, Worker, WorkQueue
from quantix_hostd.clients.patience import told_of_asks
from quantix_hostd.volume.wanted import image_key_of, volume_keys

# A worker that took longer is taken for hanging (ha.md, section Detection)
HANG_S = 20.0
_THEMSELVES = (VOLUMES, IMAGES, VIRTUAL_MACHINE_SNAPSHOTS, VIRTUAL_MACHINE_RESTORES)
_FIGURES = {HOSTS: ("allocated", "virtualMachines"), STORAGE_POOLS: ("allocated", "available")}


@dataclass
class Lane:
    """One queue with its worker. `guarded`: a hanging worker silences this host's lease. `since`: when the
    work on a key began, or an ask of a pool in it began or ended last.
    """

    queue: WorkQueue
    worker: Worker
    concurrency: int
    guarded: bool = False
    clock: Clock = field(default_factory=SystemClock)
    since: dict[str, float] = field(default_factory=dict)

    async def work(self, key: str) -> float | None:
        self.since[key] = self.clock.monotonic()

        def goes_on() -> None:
            if key in self.since:
                self.since[key] = self.clock.monotonic()

        # asks of pools give up by themselves, and several of them may take longer than a hang
        token = told_of_asks.set(goes_on)
        try:
            return await self.worker(key)
        finally:
            told_of_asks.reset(token)
            self.since.pop(key, None)

    def hanging(self) -> bool:
        """Whether every worker has been at one key for too long, so that nothing goes on here."""
        now_s = self.clock.monotonic()
        stuck = [key for key, began in self.since.items() if now_s - began > HANG_S]
        return len(stuck) >= self.concurrency


class Dispatcher:
    """The queues of this process, by resource, and which changes concern which keys."""

    def __init__(self, host: str, stores: Callable[[], Mapping[Resource, Mapping[str, Any]]]) -> None:
        self._host = host
        self._stores = stores
        self._extra: Callable[[Resource, Change], Iterable[str]] = lambda _resource, _change: ()
        self.lanes: dict[Resource, Lane] = {}

    def register(
        self, resource: Resource, worker: Worker, *, concurrency: int, guarded: bool = False
    ) -> None:
        """Let `worker` look at the keys of this kind, `concurrency` at a time."""
        queue = WorkQueue(resource.plural)
        self.lanes[resource] = Lane(queue, worker, concurrency, guarded)

    def vm_keys(self, keys_of: Callable[[Resource, Change], Iterable[str]]) -> None:
        """Which VMs a change concerns is the VM reconciler's to say."""
        self._extra = keys_of

    def add(self, resource: Resource, key: str) -> None:
        """Look at this key soon. Unknown kinds are ignored: their worker may come later."""
        lane = self.lanes.get(resource)
        if lane is not None:
            lane.queue.add(key)

    def on_change(self, resource: Resource, change: Change) -> None:
        """Wire this to every watch."""
        if resource == VIRTUAL_MACHINE_MIGRATIONS:
            self._add_moving(change.object)
            return
        if resource in _THEMSELVES:
            self.add(resource, change.key)
        if not concerns_us(resource, change):
            return
        if resource in (HOSTS, NETWORKS, STORAGE_POOLS, CONFIG_MAPS):
            self.add(HOSTS, self._host)
        if resource == VIRTUAL_MACHINES:
            if change.type == "DELETED":
                # it may have left a guest behind
                self.add(HOSTS, self._host)
            volumes = tuple(volume_keys(model_of(VirtualMachine, change.object)))
            self._add_all(VOLUMES, volumes)
            if _let_go(change):
                # its next start may come soon, and takes them again
                self._add_all(VOLUMES, (clone for volume in volumes for clone in self._clones_of(volume)))
        if resource == IMAGES:
            self._add_all(VOLUMES, self._volumes_of(change.key))
        if resource == VIRTUAL_MACHINE_SNAPSHOTS:
            self._add_all(VOLUMES, self._made_from_snapshot(change.key))
        if resource == VOLUMES:
            self._add_all(VOLUMES, self._clones_of(change.key))
            self._add_all(VOLUMES, self._deleted_source_of(change))
        if resource == STORAGE_POOLS:
            self._add_all(VOLUMES, self._stores()[VOLUMES])
            self._add_all(IMAGES, self._stores()[IMAGES])
        self._add_all(VIRTUAL_MACHINES, self._extra(resource, change))

    def _add_moving(self, found: Mapping[str, Any]) -> None:
        """Of a migration the VM that it is about, or of such a VM itself."""
        uid = (found.get("status") or {}).get("virtualMachineUID") or found["metadata"]["uid"]
        self.add(VIRTUAL_MACHINE_MIGRATIONS, str(uid))
        self.add(VIRTUAL_MACHINES, str(uid))

    def hanging(self) -> bool:
        """Whether a guarded kind makes no progress any more."""
        return any(lane.guarded and lane.hanging() for lane in self.lanes.values())

    async def run(self, observer: Callable[[str], AttemptHook]) -> None:
        """Work until cancelled; `observer` gives who is told of each look, by the kind's plural."""
        async with asyncio.TaskGroup() as group:
            for resource, lane in self.lanes.items():
                looks = lane.queue.run(lane.work, lane.concurrency, on_attempt=observer(resource.plural))
                group.create_task(looks, name=resource.plural)

    def _add_all(self, resource: Resource, keys: Iterable[str]) -> None:
        for key in tuple(keys):
            self.add(resource, key)

    def _volumes_of(self, image: str) -> list[str]:
        """The volumes that are made from this image."""
        return [
            key
            for key, manifest in self._stores()[VOLUMES].items()
            if image_key_of(model_of(Volume, manifest)) == image
        ]

    def _deleted_source_of(self, change: Change) -> list[str]:
        """The volume that this one is made from, if it is deleted: it may wait for this one alone."""
        source = ((change.object.get("spec") or {}).get("source") or {}).get("volume")
        key = f"{change.key.partition('/')[0]}/{source}"
        found = self._stores()[VOLUMES].get(key) if source else None
        return [key] if found and found["metadata"].get("deletionTimestamp") else []

    def _made_from_snapshot(self, snapshot: str) -> list[str]:
        """The volumes that are made from a disk of this one."""
        namespace, _, name = snapshot.partition("/")
        return [
            key
            for key, manifest in self._stores()[VOLUMES].items()
            if key.startswith(f"{namespace}/")
            and ((manifest["spec"].get("source") or {}).get("snapshot") or {}).get("name") == name
        ]

    def _clones_of(self, volume: str) -> list[str]:
        """The volumes that are made from this one: asked at each change of each, so of plain dicts."""
        namespace, _, name = volume.partition("/")
        return [
            key
            for key, manifest in self._stores()[VOLUMES].items()
            if key.startswith(f"{namespace}/")
            and (manifest["spec"].get("source") or {}).get("volume") == name
        ]


def concerns_us(resource: Resource, change: Change) -> bool:
    """Whether more changed of a Host or StoragePool than how much the operator promised there, which it says
    anew with every VM.
    """
    if resource not in _FIGURES or change.type != "MODIFIED" or change.previous is None:
        return True
    figures = _FIGURES[resource]
    return _without(change.previous, figures) != _without(change.object, figures)


def _let_go(change: Change) -> bool:
    """Whether a VM has just given its volumes back: its host says so only once that is done."""
    phases = [
        (manifest.get("status") or {}).get("phase") for manifest in (change.previous or {}, change.object)
    ]
    return phases[1] in ("Stopped", "Failed") and phases[0] != phases[1]


def _without(manifest: Mapping[str, Any], figures: Collection[str]) -> tuple[list[Any], dict[str, Any]]:
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    seen = {name: value for name, value in status.items() if name not in figures}
    return [metadata.get(name) for name in ("generation", "labels", "deletionTimestamp")], seen
