"""The only door to libvirtd: calls in threads with a limit and a deadline, events to a sink, reconnects.

Made by `assembly`, used by the VM's reconciler, the inventory and metrics. It never touches a domain that is
not ours (no `qx-` name, or no metadata of ours), never uses createXML, autostart or a saved image. Source for
calls and codes: libvirt 9.0, libvirt-domain.h and virterror.h.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar
from xml.etree import ElementTree

import libvirt
import structlog

from quantix_api.errors import InvariantError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.libvirt_agent import LibvirtAgents
from quantix_hostd.clients.libvirt_calls import (
    FORGET,
    close_quietly,
    is_ours,
    lookup,
    lookup_uuid,
    snapshot_of,
    summaries,
    unconnected,
)
from quantix_hostd.clients.libvirt_copies import DiskCopies
from quantix_hostd.clients.libvirt_events import register
from quantix_hostd.clients.libvirt_live import LiveChanges
from quantix_hostd.clients.libvirt_looks import LibvirtLooks
from quantix_hostd.clients.libvirt_loop import ensure_event_loop
from quantix_hostd.clients.libvirt_migration import GuestMoves
from quantix_hostd.clients.libvirt_moments import GuestMoments
from quantix_hostd.clients.libvirt_secrets import (
    forget_left_secrets,
    forget_secret,
    set_pool_key,
    set_secret,
)
from quantix_hostd.clients.libvirt_threads import About, Kind, LibvirtThreads
from quantix_hostd.domainxml.metadata import METADATA_KEY
from quantix_hostd.domainxml.spec import METADATA_NAMESPACE
from quantix_hostd.facts.domain import (
    DomainEvent,
    DomainSnapshot,
    DomainStats,
    DomainSummary,
    Picture,
    ShutdownMode,
)

T = TypeVar("T")

log = structlog.get_logger(__name__)

_DEADLINE_S = 60.0
_RECONNECT_S = 0.5
# libvirt's client may sleep over an answer while another thread waits on the same connection, until something
# else arrives there (9.0, virnetclient.c: g_main_loop_quit before g_main_loop_run): this does
_KEEPALIVE_S, _KEEPALIVE_COUNT = 1, 15
_BOTH = libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG


class LibvirtClient(LiveChanges, DiskCopies, GuestMoves, GuestMoments):
    """Fulfils `Hypervisor`. `run` keeps the connection; `on_reset` is called after each (re)connection."""

    def __init__(
        self,
        uri: str,
        *,
        on_event: Callable[[DomainEvent], None],
        on_reset: Callable[[], None] = lambda: None,
        deadline_s: float = _DEADLINE_S,
    ) -> None:
        self.uri = uri
        self._on_event = on_event
        self._on_reset = on_reset
        self._connection: Any = None
        # for all that may wait for a QEMU, which delays whatever else waits on the same connection
        self._of_guests: Any = None
        self._registered: dict[Any, tuple[int, ...]] = {}
        self._lost = asyncio.Event()
        self._threads = LibvirtThreads(deadline_s, self._drop)
        self.agents = LibvirtAgents(lambda: self._of_guests)
        self.looks = LibvirtLooks(lambda: self._of_guests, deadline_s, self._threads.late)

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def run(self) -> None:
        """Connect, and connect again whenever libvirtd went away, until cancelled."""
        try:
            while True:
                try:
                    await self.connect()
                except TransientError as error:
                    log.warning("libvirt is away", reason=error.reason, said=error.message)
                    await asyncio.sleep(_RECONNECT_S)
                    continue
                await self._lost.wait()
                log.warning("libvirt closed the connection")
                await self._close_dropped()
        finally:
            await self.close()

    async def connect(self) -> None:
        """Open the connection once; raises TransientError when libvirtd does not answer."""
        loop = asyncio.get_running_loop()
        self._lost = asyncio.Event()

        def event(found: DomainEvent) -> None:
            loop.call_soon_threadsafe(self._on_event, found)

        def closed(connection: Any, _reason: int, _opaque: Any) -> None:
            loop.call_soon_threadsafe(self._drop, connection)

        def opened() -> Any:
            connection = libvirt.open(self.uri)
            self._registered[connection] = ()
            if not self.uri.startswith("test:"):
                connection.registerCloseCallback(closed, None)
                connection.setKeepAlive(_KEEPALIVE_S, _KEEPALIVE_COUNT)
            return connection

        def connect() -> tuple[Any, Any]:
            ensure_event_loop()
            connection, of_guests = opened(), opened()
            self._registered[connection] = register(connection, event)
            if not self.uri.startswith("test:"):
                forget_left_secrets(connection)
            return connection, of_guests

        self._connection, self._of_guests = await self._threads.run(connect)
        self._on_reset()

    async def close(self) -> None:
        self._connection = self._of_guests = None
        await self._close_dropped()
        self._threads.close()
        self.close_movers()
        self.close_keepers()
        self.looks.close()
        self.agents.close()

    async def wait_for_answer(self) -> None:
        """Return once libvirtd has answered. Asked for their number it looks at each domain, by one call for
        all of them, since it is asked every few seconds. Raises TransientError (LibvirtDown).
        """
        await self._call(lambda connection: connection.numOfDomains())

    async def domains(self) -> tuple[DomainSummary, ...]:
        return await self._call(summaries)

    async def domain(self, name: str) -> DomainSnapshot | None:
        return await self._call(lambda connection: snapshot_of(connection, name), About(Kind.LOOK, name))

    async def define(self, xml: str) -> None:
        root = ElementTree.fromstring(xml)
        name, uuid = root.findtext("name", ""), root.findtext("uuid", "")

        def define(connection: Any) -> None:
            for found in (lookup(connection, name), lookup_uuid(connection, uuid)):
                if found is not None and (found.name() != name or not is_ours(found)):
                    raise as_error(InvariantError, "IdentityConflict", uuid=uuid)
            connection.defineXML(xml)

        await self._call(define, About(Kind.START, name))

    async def create_paused(self, name: str) -> None:
        if self.uri.startswith("test:"):
            # libvirt's test driver knows no flags (9.0, testDomainCreateWithFlags)
            await self._on_own(name, lambda domain: (domain.create(), domain.suspend()), Kind.START)
            return
        flags = libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_FORCE_BOOT
        await self._on_own(name, lambda domain: domain.createWithFlags(flags), Kind.START)

    async def set_secret(self, uuid: str, passphrase: str) -> None:
        await self._call(lambda connection: set_secret(connection, uuid, passphrase))

    async def set_pool_key(self, pool: str, key: str) -> None:
        await self._call(lambda connection: set_pool_key(connection, pool, key))

    async def forget_secret(self, uuid: str) -> None:
        await self._call(lambda connection: forget_secret(connection, uuid))

    async def resume(self, name: str) -> None:
        await self.on_own(name, lambda domain: domain.resume())

    async def suspend(self, name: str) -> None:
        await self.on_own(name, lambda domain: domain.suspend())

    async def shutdown(self, name: str, mode: ShutdownMode) -> None:
        if mode is ShutdownMode.AGENT:
            await self.agents.shut_down(name)
            return
        flags = libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
        await self.on_own(name, lambda domain: domain.shutdownFlags(flags))

    async def reset(self, name: str) -> None:
        await self.on_own(name, lambda domain: domain.reset(0))

    async def destroy(self, name: str, *, graceful: bool) -> None:
        flags = libvirt.VIR_DOMAIN_DESTROY_GRACEFUL if graceful else libvirt.VIR_DOMAIN_DESTROY_DEFAULT

        def destroy(domain: Any) -> None:
            try:
                if domain.isActive():
                    domain.destroyFlags(flags)
            except libvirt.libvirtError:
                # it may have ended by itself in between
                if domain.isActive():
                    raise

        await self._on_own(name, destroy, Kind.END, missing_ok=True)

    async def undefine(self, name: str) -> None:
        def undefine(domain: Any) -> None:
            if domain.isActive():
                # it would become transient, and lose its TPM state at the next power-off
                raise InvariantError("InternalError", f"Domain {name} runs and cannot be undefined.")
            domain.undefineFlags(FORGET)

        await self._on_own(name, undefine, Kind.END, missing_ok=True)

    async def set_metadata(self, name: str, xml: str) -> None:
        kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT

        def write(domain: Any) -> None:
            flags = _BOTH if domain.isActive() else libvirt.VIR_DOMAIN_AFFECT_CONFIG
            domain.setMetadata(kind, xml, METADATA_KEY, METADATA_NAMESPACE, flags)

        await self.on_own(name, write)

    async def resize_disk(self, name: str, target: str, size_bytes: int) -> None:
        flags = libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES
        await self.on_own(name, lambda domain: domain.blockResize(target, size_bytes, flags))

    async def screenshot(self, name: str, most_bytes: int) -> Picture | None:
        return await self.looks.screenshot(name, most_bytes)

    async def stats(self) -> tuple[DomainStats, ...]:
        return await self.looks.stats()

    async def on_own(self, name: str, act: Callable[[Any], object], *, missing_ok: bool = False) -> None:
        await self._on_own(name, act, Kind.ACT, missing_ok=missing_ok)

    async def _on_own(
        self, name: str, act: Callable[[Any], object], kind: Kind, *, missing_ok: bool = False
    ) -> None:
        def run(connection: Any) -> None:
            domain = lookup(connection, name)
            if domain is None:
                if missing_ok:
                    return
                raise TransientError("InternalError", f"libvirt has no domain {name}.")
            if not is_ours(domain):
                raise as_error(InvariantError, "IdentityConflict", domain=name)
            act(domain)

        await self._call(run, About(kind, name))

    async def _call(self, act: Callable[[Any], T], about: About | None = None) -> T:
        acts = about is not None and about.waits_for_guest
        connection = self._of_guests if acts else self._connection
        if connection is None:
            raise unconnected()
        return await self._threads.run(lambda: act(connection), connection, about)

    async def _close_dropped(self) -> None:
        """Close every connection but the present ones, so that no descriptor or callback of it is left."""
        present = (self._connection, self._of_guests)
        dropped = [connection for connection in self._registered if connection not in present]
        for connection in dropped:
            await asyncio.to_thread(close_quietly, connection, self._registered.pop(connection))

    def _drop(self, connection: Any) -> None:
        """Forget a connection that closed or hangs, so that `run` opens another."""
        if connection in (self._connection, self._of_guests) or self._connection is None:
            self._connection = self._of_guests = None
            self._lost.set()
