"""libvirt's event loop in a thread of its own, and its events in our words.

libvirt takes one event loop a process and calls back on it; a loop of its own keeps those callbacks (and what
libvirt does to file descriptors from any thread) away from hostd's main loop. Used by `clients/libvirt.py`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import libvirt
import libvirtaio

from quantix_hostd.clients.hypervisor import DomainEvent, EventKind

EventSink = Callable[[DomainEvent], None]

# libvirt registers timers from other threads, which does not wake the loop; this bounds how late they begin
_TICK_S = 0.5
_LIFECYCLE = {
    libvirt.VIR_DOMAIN_EVENT_DEFINED: EventKind.DEFINED,
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: EventKind.UNDEFINED,
    libvirt.VIR_DOMAIN_EVENT_STARTED: EventKind.STARTED,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: EventKind.SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: EventKind.RESUMED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: EventKind.STOPPED,
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: EventKind.SHUTDOWN,
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: EventKind.PMSUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: EventKind.CRASHED,
}
_DETAILS = {
    (libvirt.VIR_DOMAIN_EVENT_SHUTDOWN, libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_GUEST): "GUEST",
    (libvirt.VIR_DOMAIN_EVENT_SHUTDOWN, libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_HOST): "HOST",
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN): "SHUTDOWN",
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED): "DESTROYED",
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED): "CRASHED",
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED): "FAILED",
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_MIGRATED): "MIGRATED",
    (libvirt.VIR_DOMAIN_EVENT_CRASHED, libvirt.VIR_DOMAIN_EVENT_CRASHED_PANICKED): "PANICKED",
    (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR): "IOERROR",
    (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED): "PAUSED",
}

_lock = threading.Lock()
_thread: threading.Thread | None = None


def ensure_event_loop() -> None:
    """Start libvirt's event loop unless it runs; it lives as long as the process."""
    global _thread
    with _lock:
        if _thread is not None:
            return
        # libvirt prints every error to stderr unless told otherwise; the caller gets it as an exception
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        ready = threading.Event()
        _thread = threading.Thread(target=_run, args=(ready,), name="libvirt-events", daemon=True)
        _thread.start()
        ready.wait()


def register(connection: Any, sink: EventSink) -> None:
    """Send every event of `connection` to `sink`, which is called in the event loop's thread."""

    def lifecycle(_connection: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
        kind = _LIFECYCLE.get(event)
        if kind is not None:
            sink(DomainEvent(domain.name(), kind, _DETAILS.get((event, detail), str(detail))))

    def reboot(_connection: Any, domain: Any, _opaque: Any) -> None:
        sink(DomainEvent(domain.name(), EventKind.REBOOT))

    def io_error(
        _connection: Any, domain: Any, _path: str, alias: str, _action: int, why: str, _opaque: Any
    ) -> None:
        sink(DomainEvent(domain.name(), EventKind.IO_ERROR, f"{alias} {why}".strip()))

    def agent(_connection: Any, domain: Any, state: int, _reason: int, _opaque: Any) -> None:
        connected = state == libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED
        sink(DomainEvent(domain.name(), EventKind.AGENT, "CONNECTED" if connected else "DISCONNECTED"))

    def removed(_connection: Any, domain: Any, alias: str, _opaque: Any) -> None:
        sink(DomainEvent(domain.name(), EventKind.DEVICE_REMOVED, alias))

    handlers = {
        libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE: lifecycle,
        libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: reboot,
        libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: io_error,
        libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE: agent,
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: removed,
    }
    for event_id, handler in handlers.items():
        connection.domainEventRegisterAny(None, event_id, handler, None)


def _run(ready: threading.Event) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    libvirtaio.virEventRegisterAsyncIOImpl(loop)

    async def tick() -> None:
        ready.set()
        while True:  # noqa: ASYNC110 - there is nothing to wait for: it only wakes the loop
            await asyncio.sleep(_TICK_S)

    loop.run_until_complete(tick())
