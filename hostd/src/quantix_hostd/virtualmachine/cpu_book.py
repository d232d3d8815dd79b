"""The book of which CPUs of this host a guest has to itself.

Kept in memory and read again from the running domains, which name them in their metadata: no restart of hostd
moves a guest or gives a CPU twice. `observe` reads its entries to tell what the guest would get
(`cpu_places`), `plan` says what is entered, `apply` enters; all in the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.domainxml.spec import UNBOUND, BoundMemory, NumaNode
from quantix_hostd.virtualmachine.cpu_entries import CpuEntries, NodePages
from quantix_hostd.virtualmachine.running_guests import running_guests


class CpuBook:
    """`nodes` are the host's; `shared` says how many CPUs nobody may have to itself, `changed` is called when
    others have more or less to share, `pages` tells the huge pages of each node.
    """

    def __init__(
        self,
        nodes: Sequence[NumaNode],
        shared: Callable[[], int] = lambda: 1,
        changed: Callable[[], None] = lambda: None,
        pages: Callable[[], NodePages] = lambda: {},
    ) -> None:
        self._nodes = tuple(nodes)
        self._shared = shared
        self._changed = changed
        self._pages = pages
        self._own: dict[str, tuple[int, ...]] = {}
        self._bound: dict[str, BoundMemory] = {}
        self._loading = asyncio.Lock()
        self._loaded = False

    async def load(self, hypervisor: Hypervisor) -> None:
        """Once: enter what the guests that ran before hostd have to themselves."""
        # nobody enters anything before: who was slow to look would bring back what a guest had that stopped
        async with self._loading:
            if self._loaded:
                return
            async for uid, live in running_guests(hypervisor):
                self.enter(uid, live.own_cpus, live.bound)
            self._loaded = True

    def entries(self) -> CpuEntries:
        """As they are now."""
        own, bound = dict(self._own), dict(self._bound)
        return CpuEntries(self._nodes, own, self._shared(), bound, self._pages())

    def enter(self, uid: str, cpus: tuple[int, ...], bound: BoundMemory = UNBOUND) -> None:
        """The guest has these to itself, and `bound` beside them; none: it shares, or does not run."""
        before = self._own.pop(uid, ())
        self._bound.pop(uid, None)
        if cpus:
            self._own[uid], self._bound[uid] = cpus, bound
        if before != cpus:
            self._changed()
