"""Pictures and figures of running domains through libvirt, where nobody who runs a guest waits for them.

A part of `clients.libvirt`. libvirt waits for a QEMU that hangs for as long as it hangs, and so does the
thread: each domain keeps one at most of each kind, and the connection stays everybody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import libvirt

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.libvirt_calls import (
    domain_stats,
    is_ours,
    lookup,
    screenshot,
    silent,
    translated,
    unconnected,
)
from quantix_hostd.domainxml.spec import vm_uid_of
from quantix_hostd.facts.domain import DomainStats, Picture

# with the threads of `clients.libvirt` and its agents below the connection's max_client_requests (128)
_PICTURES = 8
# the next question leaves out the guest that keeps the one before
_FIGURES = 16
_STATS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
# without waiting for a domain that is busy: that one then tells less
_STATS_OF = (
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
)


class LibvirtLooks:
    """`connection` gives the one to libvirtd, None while there is none; `late` raises what it means that an
    answer about one domain does not come in `deadline_s` (`LibvirtThreads.late`).
    """

    def __init__(
        self,
        connection: Callable[[], Any],
        deadline_s: float,
        late: Callable[[Any, TimeoutError, float], Awaitable[NoReturn]],
    ) -> None:
        self._connection = connection
        self._deadline_s = deadline_s
        self._late = late
        self._pictures = ThreadPoolExecutor(_PICTURES, thread_name_prefix="libvirt-picture")
        self._figures = ThreadPoolExecutor(_FIGURES, thread_name_prefix="libvirt-figures")
        self._taken: set[str] = set()

    def close(self) -> None:
        """Take no more calls."""
        self._pictures.shutdown(wait=False, cancel_futures=True)
        self._figures.shutdown(wait=False, cancel_futures=True)

    async def screenshot(self, name: str, most_bytes: int) -> Picture | None:
        """As `Hypervisor.screenshot`. TransientError(ScreenHangs) while an earlier one is not there yet."""
        if name in self._taken:
            raise as_error(TransientError, "ScreenHangs", domain=name)
        connection = self._connected()

        def take() -> Picture | None:
            try:
                domain = lookup(connection, name)
                if domain is None or not is_ours(domain) or not domain.isActive():
                    return None
                return screenshot(connection, domain, most_bytes)
            finally:
                self._taken.discard(name)

        self._taken.add(name)
        # apart from its waiting caller, whose end would else end it before a thread has begun it
        call = asyncio.wrap_future(self._pictures.submit(translated, take, connection))
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.shield(call)
        except TimeoutError as error:
            await self._late(connection, error, self._deadline_s)

    async def stats(self) -> tuple[DomainStats, ...]:
        """As `Hypervisor.stats`."""
        connection = self._connected()

        def read() -> tuple[DomainStats, ...]:
            found = connection.getAllDomainStats(_STATS, _STATS_OF)
            return tuple(
                domain_stats(domain.name(), values) for domain, values in found if vm_uid_of(domain.name())
            )

        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.wrap_future(self._figures.submit(translated, read, connection))
        except TimeoutError as error:
            # which guest keeps it is not known, and the connection stays everybody's
            raise silent(self._deadline_s) from error

    def _connected(self) -> Any:
        connection = self._connection()
        if connection is None:
            raise unconnected()
        return connection
