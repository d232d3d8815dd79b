"""Keeps the ledger in step with a kind of objects that ask for addresses of networks, and have some.

The controllers of Routers and floating IPs each build one. VMs have a feed of their own (`nics.feed`): what
they have may change with any event, not with their controller's word alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic

from quantix_api.seniority import age_order
from quantix_client.reflector import Change
from quantix_operator.cache import Cache
from quantix_operator.ipam.ledger import Claimant, Ledger
from quantix_operator.objects import Kind, Objects


class ClaimFeed(ABC, Generic[Kind]):
    """Follows the objects of a kind in the cache: what they ask for counts before they are looked at, and
    what they have is in the ledger before anything new is given out. `kind` is set by what derives from it.
    """

    kind: type[Kind]

    def __init__(self, cache: Cache, objects: Objects, ledger: Ledger, cluster_uid: str) -> None:
        self._objects = objects
        self._ledger = ledger
        self._cluster_uid = cluster_uid
        for item in sorted(objects.list(self.kind), key=age_order):
            self._recall(item)
            self._want(item)
        cache.subscribe(self.kind.DEFINITION.resource, self._changed)

    @abstractmethod
    def _wants(self, item: Kind) -> Iterable[tuple[str, str, Claimant]]:
        """What it asks for by name: key of a network, address, and who asks."""

    @abstractmethod
    def _recall(self, item: Kind) -> None:
        """Note in the ledger what it says that it has."""

    def _changed(self, change: Change) -> None:
        if change.type == "DELETED":
            uid = change.object["metadata"].get("uid", "")
            self._ledger.want(uid, ())
            self._ledger.release(uid)
            return
        item = self._objects.get(self.kind, change.key)
        if item is not None:
            self._want(item)

    def _want(self, item: Kind) -> None:
        self._ledger.want(item.metadata.uid, self._wants(item))
