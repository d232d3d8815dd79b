"""A libvirt domain as it is found: states, snapshots, events and figures, in libvirt's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


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


# virDomainPausedReason, in its own words (virsh(1), domstate --reason)
PAUSED_REASONS = (
    *("unknown", "user", "migrating", "saving", "dumping", "ioerror", "watchdog", "from_snapshot"),
    *("shutting_down", "creating_snapshot", "crashed", "starting_up", "postcopy", "postcopy_failed"),
)
PAUSED_BY_USER = 1
PAUSED_IO_ERROR = 5
PAUSED_MIGRATING, PAUSED_STARTING_UP = 2, 11
PAUSED_POST_COPY, PAUSED_POST_COPY_FAILED = 12, 13
# virDomainRunningReason
RUNNING_POST_COPY, RUNNING_POST_COPY_FAILED = 10, 11


_STANDS_FOR_GOOD = (PAUSED_POST_COPY, PAUSED_POST_COPY_FAILED)


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

    @property
    def stands_for_good(self) -> bool:
        """Whether it is the source of a post-copy, which is never to go on: another host may have it."""
        return self.state is DomainState.PAUSED and self.reason in _STANDS_FOR_GOOD

    @property
    def sends_its_last(self) -> bool:
        """Whether it stands still while the rest of its memory is sent to another host."""
        return self.state is DomainState.PAUSED and self.reason == PAUSED_MIGRATING

    @property
    def awaits_memory(self) -> bool:
        """Whether it runs here by post-copy, and not all of its memory is here."""
        return self.state is DomainState.RUNNING and self.reason == RUNNING_POST_COPY

    @property
    def lost_memory(self) -> bool:
        """Whether it runs here by post-copy, and the rest of its memory does not come."""
        return self.state is DomainState.RUNNING and self.reason == RUNNING_POST_COPY_FAILED

    @property
    def is_half(self) -> bool:
        """Whether it is one end of a post-copy that never becomes whole: it is ended, and not asked."""
        return self.stands_for_good or self.lost_memory


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
    BLOCK_JOB = "BlockJob"


@dataclass(frozen=True)
class DomainEvent:
    """`detail` is libvirt's own word in capitals (GUEST, HOST, FAILED, …), or what an I/O error said."""

    domain_name: str
    kind: EventKind
    detail: str = ""


@dataclass(frozen=True)
class DomainStats:
    """Numbers and words as virConnectGetAllDomainStats names them, e.g. "cpu.time" in nanoseconds among the
    `values`, "block.0.name" among the `names`.
    """

    domain_name: str
    values: Mapping[str, int]
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A guest's screen as the hypervisor tells it: PNG or PPM (P6). The guest chose size and content."""

    data: bytes


class ShutdownMode(StrEnum):
    ACPI = "ACPI"
    AGENT = "Agent"
