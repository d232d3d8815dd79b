"""What hostd needs of a hypervisor: the protocol that libvirt's client and the tests' fake both fulfil.

No libvirt here. Every call names a domain of ours; implementations refuse domains that are not with
InvariantError (hypervisor.md, section 1), and translate foreign errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol


class DomainState(IntEnum):
    """virDomainState (libvirt-domain.h)."""

    NOSTATE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6
    PMSUSPENDED = 7


class ShutoffReason(IntEnum):
    """virDomainShutoffReason; what of it tells causes of death apart."""

    UNKNOWN = 0
    SHUTDOWN = 1
    DESTROYED = 2
    CRASHED = 3
    MIGRATED = 4
    FAILED = 6


# virDomainPausedReason
PAUSED_BY_USER = 1
PAUSED_IO_ERROR = 5


@dataclass(frozen=True)
class DomainSummary:
    """One line of the inventory; `vm_uid` is None when the domain is not ours."""

    name: str
    uuid: str
    state: DomainState
    reason: int
    vm_uid: str | None

    @property
    def active(self) -> bool:
        return self.state not in (DomainState.NOSTATE, DomainState.SHUTOFF)


@dataclass(frozen=True)
class DomainSnapshot:
    """A domain at one moment; `live_xml` is None while it does not run."""

    name: str
    uuid: str
    state: DomainState
    reason: int
    inactive_xml: str
    live_xml: str | None

    @property
    def active(self) -> bool:
        return self.live_xml is not None


class EventKind(StrEnum):
    DEFINED = "Defined"
    UNDEFINED = "Undefined"
    STARTED = "Started"
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"
    STOPPED = "Stopped"
    SHUTDOWN = "Shutdown"
    PMSUSPENDED = "PMSuspended"
    CRASHED = "Crashed"
    REBOOT = "Reboot"
    IO_ERROR = "IOError"
    AGENT = "Agent"
    WATCHDOG = "Watchdog"
    DEVICE_REMOVED = "DeviceRemoved"


@dataclass(frozen=True)
class DomainEvent:
    """`detail` is libvirt's own word in capitals (GUEST, HOST, FAILED, …), or what an I/O error said."""

    domain_name: str
    kind: EventKind
    detail: str = ""


@dataclass(frozen=True)
class DomainStats:
    """`values` as virConnectGetAllDomainStats names them, e.g. "cpu.time" in nanoseconds."""

    domain_name: str
    values: Mapping[str, int]


class ShutdownMode(StrEnum):
    ACPI = "ACPI"
    AGENT = "Agent"


class Hypervisor(Protocol):
    """Every method may raise TransientError (libvirt away, deadline) besides what it names."""

    @property
    def connected(self) -> bool: ...

    async def domains(self) -> tuple[DomainSummary, ...]:
        """Every domain of the host, foreign ones too."""

    async def domain(self, name: str) -> DomainSnapshot | None: ...

    async def define(self, xml: str) -> None:
        """Define or redefine; PermanentError(ConfigRefused) when libvirt or QEMU cannot."""

    async def create_paused(self, name: str) -> None:
        """Start QEMU with the guest paused, never from a saved image."""

    async def resume(self, name: str) -> None: ...

    async def suspend(self, name: str) -> None: ...

    async def shutdown(self, name: str, mode: ShutdownMode) -> None:
        """Ask the guest; it may ignore it."""

    async def reset(self, name: str) -> None: ...

    async def destroy(self, name: str, *, graceful: bool) -> None:
        """End QEMU; graceful fails (TransientError) rather than kill one that is stuck in I/O."""

    async def undefine(self, name: str) -> None:
        """Forget an inactive domain; NVRAM and TPM state stay. A domain that is not there is no error."""

    async def set_metadata(self, name: str, xml: str) -> None:
        """Replace our metadata, in the definition and in the running domain."""

    async def resize_disk(self, name: str, target: str, size_bytes: int) -> None: ...

    async def set_link(self, name: str, alias: str, *, up: bool) -> None: ...

    async def stats(self) -> tuple[DomainStats, ...]:
        """Figures of the active domains of ours."""
