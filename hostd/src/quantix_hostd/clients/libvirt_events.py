"""libvirt's events in our words. Used by `clients/libvirt.py`; called back in the event loop's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt

from quantix_hostd.facts.domain import DomainEvent, EventKind

EventSink = Callable[[DomainEvent], None]

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
    (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED): "MIGRATED",
}


def register(connection: Any, sink: EventSink) -> tuple[int, ...]:
    """Send every event of `connection` to `sink`, which is called in the event loop's thread.

    Returns what `deregister` needs: until then the connection cannot close.
    """

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

    def watchdog(_connection: Any, domain: Any, _action: int, _opaque: Any) -> None:
        sink(DomainEvent(domain.name(), EventKind.WATCHDOG))

    def agent(_connection: Any, domain: Any, state: int, _reason: int, _opaque: Any) -> None:
        connected = state == libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED
        sink(DomainEvent(domain.name(), EventKind.AGENT, "CONNECTED" if connected else "DISCONNECTED"))

    def removed(_connection: Any, domain: Any, alias: str, _opaque: Any) -> None:
        sink(DomainEvent(domain.name(), EventKind.DEVICE_REMOVED, alias))

    def block_job(_connection: Any, domain: Any, disk: str, _type: int, status: int, _opaque: Any) -> None:
        sink(DomainEvent(domain.name(), EventKind.BLOCK_JOB, f"{disk} {status}"))

    handlers = {
        libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE: lifecycle,
        libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: reboot,
        libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: io_error,
        libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG: watchdog,
        libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE: agent,
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: removed,
        libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2: block_job,
    }
    return tuple(
        connection.domainEventRegisterAny(None, event_id, handler, None)
        for event_id, handler in handlers.items()
    )


def deregister(connection: Any, registered: tuple[int, ...]) -> None:
    """Undo `register`."""
    for callback_id in registered:
        connection.domainEventDeregisterAny(callback_id)
