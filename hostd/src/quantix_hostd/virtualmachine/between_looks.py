"""What the reconciler keeps of each VM between two looks, as long as this host has to do with the VM.

Nothing of it decides whether a guest may run: that is on disk and in the claims. A VM that is gone is
forgotten, or a host on which VMs come and go would remember all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from quantix_hostd.virtualmachine.objects import Manifest


@dataclass(eq=False)
class Kept:
    """`passing_since`: since when (monotonic seconds) it is in a state that is not worth a write yet.

    `written`: the object as our last write left it, until the watch has seen that. `released`: reported as
    released. `is_being_ended`: the API does not have it, and what is left of it goes. `detained`: nothing of
    it is left but what it holds in a pool that is away.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    passing_since: float | None = None
    written: Manifest | None = None
    released: bool = False
    is_being_ended: bool = False
    detained: bool = False
    lent: bool = False
    """Somebody else acts on its guest, for as long as that takes."""


class Memory:
    """All VMs of this host that were looked at, by UID."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Kept] = {}

    def uids(self) -> frozenset[str]:
        """Those that anything is kept of."""
        return frozenset(self._by_uid)

    def of(self, uid: str) -> Kept:
        """What is kept of this VM: to be changed by who holds it (`hold`)."""
        return self._by_uid.setdefault(uid, Kept())

    def is_held(self, uid: str) -> bool:
        """Whether somebody works on this VM now."""
        kept = self._by_uid.get(uid)
        return kept is not None and kept.lock.locked()

    def is_lent(self, uid: str) -> bool:
        """Whether somebody else acts on its guest now."""
        kept = self._by_uid.get(uid)
        return kept is not None and kept.lent

    @asynccontextmanager
    async def hold(self, uid: str) -> AsyncIterator[Kept]:
        """Work on this VM, one at a time."""
        kept = self.of(uid)
        kept.users += 1
        try:
            async with kept.lock:
                yield kept
        finally:
            kept.users -= 1

    @asynccontextmanager
    async def lend(self, uid: str) -> AsyncIterator[None]:
        """Let somebody else act on its guest meanwhile."""
        async with self.hold(uid) as kept:
            kept.lent = True
            try:
                yield
            finally:
                kept.lent = False

    def forget(self, uid: str) -> None:
        """Keep nothing of it, unless somebody waits to work on it: a second lock would let two at it."""
        kept = self._by_uid.get(uid)
        if kept is not None and kept.users == 0:
            del self._by_uid[uid]

    def released(self) -> set[str]:
        """Those whose release was reported."""
        return {uid for uid, kept in self._by_uid.items() if kept.released}

    def detained(self) -> set[str]:
        """Those that only a pool which is away keeps from being released."""
        return {uid for uid, kept in self._by_uid.items() if kept.detained}

    def being_ended(self) -> set[str]:
        """Those that the API does not have, and that are being ended."""
        return {uid for uid, kept in self._by_uid.items() if kept.is_being_ended}


def version_of(manifest: Manifest) -> int:
    """The resourceVersion, to be compared with those of the same object."""
    return int(manifest["metadata"]["resourceVersion"])
