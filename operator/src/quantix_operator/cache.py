"""The newest known state of everything that the operator watches.

Written by `handlers` (kopf's events) and `resync` (full lists); read by every controller and by `dispatch`.
Objects are plain dicts, shared: nobody may change one. Older news never replaces newer, so the two writers
need no order between them. It does no I/O.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from quantix_api.resources import Resource
from quantix_client.api import ListResult, Manifest
from quantix_client.reflector import Change, key_of

log = structlog.get_logger(__name__)

Subscriber = Callable[[Change], None]
Manifests = list[Manifest]
Indexer = Callable[[Manifest], Iterable[str]]
"""What objects are found by: the values that one object has. Pure, and content with half-filled objects."""

# Deleted uids are remembered so that a list read before the deletion does not bring the object back
_TOMBSTONES = 10_000


@dataclass(frozen=True)
class Differences:
    """What a full list knows and the cache does not: objects that are newer, and keys that are gone."""

    resource: Resource
    newer: tuple[Manifest, ...]
    gone: tuple[Manifest, ...]

    def __len__(self) -> int:
        return len(self.newer) + len(self.gone)


class Cache:
    """Objects by resource and key (`namespace/name`, or `name`). `synced` is set once every resource was
    listed.
    """

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._objects: dict[Resource, dict[str, Manifest]] = {resource: {} for resource in resources}
        self._subscribers: dict[Resource, list[Subscriber]] = {resource: [] for resource in self._objects}
        self._indexes: dict[tuple[Resource, Indexer], dict[str, dict[str, Manifest]]] = {}
        self._unlisted = set(self._objects)
        self._tombstones: OrderedDict[str, None] = OrderedDict()
        self._newest = dict.fromkeys(self._objects, 0)
        self.synced = asyncio.Event()

    @property
    def resources(self) -> tuple[Resource, ...]:
        """What is watched."""
        return tuple(self._objects)

    def get(self, resource: Resource, key: str) -> Manifest | None:
        """The object, or None when there is none (or it was not seen yet)."""
        return self._objects[resource].get(key)

    def list(self, resource: Resource, namespace: str | None = None) -> Manifests:
        """All objects of a resource, or those of one namespace, in no particular order."""
        items = self._objects[resource].values()
        if namespace is None:
            return [*items]
        return [item for item in items if item["metadata"].get("namespace") == namespace]

    def by(self, resource: Resource, indexer: Indexer, value: str) -> Manifests:
        """The objects that have `value` by `indexer`, in no particular order, without a look at all others.

        The first question of an indexer builds its index, every change keeps it: pass the same function
        always, never a lambda.
        """
        index = self._indexes.get((resource, indexer))
        if index is None:
            index = self._indexes[resource, indexer] = defaultdict(dict)
            for key, obj in self._objects[resource].items():
                for found in _values(indexer, obj):
                    index[found][key] = obj
        return [*index[value].values()] if value in index else []

    def newest_version(self, resource: Resource) -> int:
        """The highest resourceVersion that any news of a resource had; an API behind it was restored."""
        return self._newest[resource]

    def subscribe(self, resource: Resource, subscriber: Subscriber) -> None:
        """Call `subscriber` with every later change: in the event loop, quick, not raising."""
        self._subscribers[resource].append(subscriber)

    def put(self, resource: Resource, obj: Manifest) -> bool:
        """Take the state `obj`; False when it is old news."""
        metadata = obj["metadata"]
        key, version = key_of(obj), version_of(obj)
        previous = self._objects[resource].get(key)
        if metadata.get("uid") in self._tombstones:
            return False
        if previous is not None and version <= version_of(previous):
            return False
        if previous is not None and previous["metadata"].get("uid") != metadata.get("uid"):
            self.remove(resource, previous)
            previous = None
        self._newest[resource] = max(self._newest[resource], version)
        self._objects[resource][key] = obj
        self._index(resource, key, previous, obj)
        self._tell(resource, Change("ADDED" if previous is None else "MODIFIED", key, obj, previous))
        return True

    def remove(self, resource: Resource, obj: Manifest) -> bool:
        """Drop the object with the key and uid of `obj`; False when it is not there."""
        key, uid = key_of(obj), obj["metadata"].get("uid", "")
        self._tombstones[uid] = None
        if len(self._tombstones) > _TOMBSTONES:
            self._tombstones.popitem(last=False)
        previous = self._objects[resource].get(key)
        if previous is None or previous["metadata"].get("uid", "") != uid:
            return False
        del self._objects[resource][key]
        self._index(resource, key, previous, None)
        self._newest[resource] = max(self._newest[resource], version_of(obj))
        self._tell(resource, Change("DELETED", key, obj, previous))
        return True

    def differences(self, resource: Resource, listed: ListResult) -> Differences:
        """How the cache differs from a full list; objects newer than the list are not its business."""
        known = self._objects[resource]
        fresh = {key_of(item): item for item in listed.items}
        newer = [
            item
            for key, item in fresh.items()
            if item["metadata"].get("uid") not in self._tombstones
            and (key not in known or version_of(item) > version_of(known[key]))
        ]
        list_version = int(listed.resource_version or 0)
        gone = [item for key, item in known.items() if key not in fresh and version_of(item) <= list_version]
        return Differences(resource, tuple(newer), tuple(gone))

    def adopt(self, differences: Differences) -> int:
        """Take over what is still different; returns how much that was."""
        adopted = sum(self.put(differences.resource, item) for item in differences.newer)
        for item in differences.gone:
            current = self.get(differences.resource, key_of(item))
            if current is not None and version_of(current) == version_of(item):
                adopted += self.remove(differences.resource, current)
        return adopted

    def mark_listed(self, resource: Resource) -> None:
        """Note that a full list of `resource` was adopted."""
        self._unlisted.discard(resource)
        if not self._unlisted:
            self.synced.set()

    def _index(self, resource: Resource, key: str, previous: Manifest | None, obj: Manifest | None) -> None:
        for (indexed, indexer), index in self._indexes.items():
            if indexed != resource:
                continue
            for value in _values(indexer, previous):
                index[value].pop(key, None)
                if not index[value]:
                    del index[value]
            for value in _values(indexer, obj):
                if obj is not None:
                    index[value][key] = obj

    def _tell(self, resource: Resource, change: Change) -> None:
        for subscriber in self._subscribers[resource]:
            subscriber(change)


def _values(indexer: Indexer, obj: Manifest | None) -> set[str]:
    """What an object is found by: nothing, and a word in the log, where a part of it is not of the kind that
    the indexer reads. Its news still counts.
    """
    if obj is None:
        return set()
    try:
        return set(indexer(obj))
    except (AttributeError, KeyError, TypeError, ValueError):
        log.exception("object is not indexed", object=key_of(obj))
        return set()


def version_of(obj: Manifest) -> int:
    """The resourceVersion as the ordered number that it is (Kubernetes 1.35 and later)."""
    return int(obj["metadata"].get("resourceVersion") or 0)
