"""What this host remembers of a VM between two looks: a small file each, and the last events beside it.

Read by `observe`, written by `apply` and by the sink of libvirt's events. It is a memory, never a permission:
that is the claim in the storage. A file that cannot be read counts as none. Calls block for under 1 ms.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import structlog

from quantix_api.layout import Layout
from quantix_hostd.claims import VolumePlace, place_recorded
from quantix_hostd.facts.domain import EventKind
from quantix_hostd.migration.leaving import LeavingRecord, parse_leaving

log = structlog.get_logger(__name__)

_RECORD, _EVENTS = "record.json", "events.json"
_MAX_EVENTS = 8


class StopReason(StrEnum):
    """Why hostd ends a guest."""

    REQUESTED = "Requested"
    RESTART = "Restart"
    DELETING = "Deleting"
    HOST_SHUTDOWN = "HostShutdown"
    ORPHANED = "Orphaned"
    WATCHDOG = "Watchdog"


@dataclass(frozen=True)
class StopRequest:
    """A stop under way. Times in seconds since the machine booted; `asked_s`: when it was last asked."""

    why: StopReason
    since_s: float
    asked_s: float | None = None


@dataclass(frozen=True)
class LastExit:
    """`reason` as in `status.runtime.lastExit` (api.md, section 3); `at` in RFC 3339."""

    reason: str
    at: str


@dataclass(frozen=True)
class Remains:
    """What the guest of a VM that the API no longer has is to give back.

    Kept from the moment its end is ordered, since its domain, which alone tells it, goes before its claims.
    """

    uuid: str
    epoch: int
    places: tuple[VolumePlace, ...]
    ports: tuple[str, ...]


@dataclass(frozen=True)
class Unplug:
    """A device that the guest was asked to let go, and has not yet: `asked_s` the last time, of `times`."""

    name: str
    asked_s: float
    times: int


@dataclass(frozen=True)
class Cable:
    """Which network (its UID) a NIC of the running guest is in. `back_s`: its link is down until then."""

    name: str
    network: str
    back_s: float = 0.0


@dataclass(frozen=True)
class Bites:
    """How the guest's watchdog fired. `seen`: the mark of the last time that was dealt with. `at_s` is when
    it did (seconds since the boot), the `times`-th time in a row. `reset_at`: the guest is to be reset for it
    then; `held`: it is paused for it.
    """

    seen: str = ""
    at_s: float = 0.0
    times: int = 0
    reset_at: str = ""
    held: bool = False


@dataclass(frozen=True)
class MoveTry:
    """A try to copy a volume into another pool: `begun`, or to be begun again from `next_s` on (seconds since
    the boot) after so many `failures`, the last for `reason`.
    """

    volume_uid: str
    pool: str
    begun: bool = False
    failures: int = 0
    next_s: float = 0.0
    reason: str = ""

    def is_of(self, volume_uid: str, pool: str) -> bool:
        return (self.volume_uid, self.pool) == (volume_uid, pool)


@dataclass(frozen=True)
class Record:
    """What happened under `epoch`.

    `started`: QEMU was created and its end has not been dealt with yet. `ended`: it shall not start again
    under this epoch. `released`: all was given back, so it cannot. `failures` in a row; `next_start_s` is the
    earliest next start (`next_start_at` as written), `resumed_s` the last try after an I/O error. Numbers are
    seconds since the boot `boot_id`, so that no clock that is set counts (`boot_time`). `pid` is its QEMU's,
    once seen; `out_of_memory`: the last failure was the kernel's want of memory. `remains`: the VM
    is missing in the API, and its guest is being ended by order. `places` are the volumes whose claims it
    took, or was about to take: the domain and its pools may be gone when they are to be freed. `unplugs` are
    the devices that the running guest is to let go, `cables` its NICs. `first_boot_mark`: with which
    first-boot settings it was started. `bites` are those of the guest's watchdog. `move`: the copying of one
    of its disks. `put_down_s`: the last try to put claims down that may still be held, 0: there is none.
    `leaving`: how it goes to another host.
    """

    epoch: int = 0
    started: bool = False
    ended: bool = False
    released: bool = False
    started_at: str = ""
    started_s: float = 0.0
    boot_id: str = ""
    stop: StopRequest | None = None
    failures: int = 0
    next_start_s: float = 0.0
    next_start_at: str = ""
    pid: int = 0
    out_of_memory: bool = False
    failure: str = ""
    restarts: int = 0
    resumed_s: float = 0.0
    handled_restart_at: str = ""
    last_exit: LastExit | None = None
    remains: Remains | None = None
    places: tuple[VolumePlace, ...] = ()
    unplugs: tuple[Unplug, ...] = ()
    cables: tuple[Cable, ...] = ()
    first_boot_mark: str = ""
    bites: Bites = Bites()
    move: MoveTry | None = None
    put_down_s: float = 0.0
    leaving: LeavingRecord | None = None

    def for_epoch(self, epoch: int) -> Record:
        """This record under a new assignment: what belongs to the VM stays, what belongs to a run goes, and
        what was not given back is still to be.
        """
        if epoch == self.epoch:
            return self
        return Record(
            epoch,
            handled_restart_at=self.handled_restart_at,
            last_exit=self.last_exit,
            places=self.places,
            leaving=self.leaving,
        )

    def with_stop(self, why: StopReason, now_s: float) -> Record:
        return self if self.stop else replace(self, stop=StopRequest(why, now_s))


@dataclass(frozen=True)
class SeenEvent:
    kind: EventKind
    detail: str


class RecordStore:
    """The files below `layout.vm_data(uid)`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def load(self, vm_uid: str) -> Record:
        raw = self._read(vm_uid, _RECORD)
        try:
            return _parse_record(raw) if isinstance(raw, dict) else Record()
        except (LookupError, TypeError, ValueError) as error:
            log.warning("record is damaged, begun anew", uid=vm_uid, error=str(error))
            return Record()

    def save(self, vm_uid: str, record: Record) -> None:
        self._write(vm_uid, _RECORD, asdict(record))

    def events(self, vm_uid: str) -> tuple[SeenEvent, ...]:
        """The events since QEMU started last, oldest first."""
        raw = self._read(vm_uid, _EVENTS)
        try:
            return _parse_events(raw) if raw is not None else ()
        except (TypeError, ValueError) as error:
            log.warning("file of a VM is damaged", uid=vm_uid, file=_EVENTS, error=str(error))
            return ()

    def add_event(self, vm_uid: str, event: SeenEvent) -> None:
        """Remember an event; a start begins a new list."""
        before = () if event.kind is EventKind.STARTED else self.events(vm_uid)
        kept = (*before, event)[-_MAX_EVENTS:]
        self._write(vm_uid, _EVENTS, [[seen.kind.value, seen.detail] for seen in kept])

    def known_uids(self) -> tuple[str, ...]:
        """The VMs that this host remembers."""
        parent = self._layout.vm_data("x").parent
        if not parent.is_dir():
            return ()
        return tuple(sorted(path.parent.name for path in parent.glob(f"*/{_RECORD}")))

    def clear_events(self, vm_uid: str) -> None:
        """Before a start: what is seen from now on is about the new QEMU."""
        (self._layout.vm_data(vm_uid) / _EVENTS).unlink(missing_ok=True)

    def forget(self, vm_uid: str) -> None:
        """Remove both files, and the VM's directory when nothing else is in it."""
        directory = self._layout.vm_data(vm_uid)
        for name in (_RECORD, _EVENTS):
            (directory / name).unlink(missing_ok=True)
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()

    def _read(self, vm_uid: str, name: str) -> Any:
        try:
            return json.loads((self._layout.vm_data(vm_uid) / name).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.warning("file of a VM is damaged", uid=vm_uid, file=name, error=str(error))
            return None

    def _write(self, vm_uid: str, name: str, content: Any) -> None:
        directory = self._layout.vm_data(vm_uid)
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / name
        temporary = path.with_name(f".{name}.new")
        # not synced: after a power cut no guest runs, and the claim is what counts
        temporary.write_text(json.dumps(content, default=str))
        temporary.replace(path)


def _parse_events(raw: Any) -> tuple[SeenEvent, ...]:
    """Pairs of kind and detail; a kind that this version does not know is passed over."""
    if not isinstance(raw, list):
        raise TypeError(f"{raw!r} is no list of events")
    known = {kind.value: kind for kind in EventKind}
    seen = []
    for kind, detail in raw:
        if not (isinstance(kind, str) and isinstance(detail, str)):
            raise TypeError(f"{kind!r}, {detail!r} is no event")
        if kind in known:
            seen.append(SeenEvent(known[kind], detail))
    return tuple(seen)


def _parse_record(raw: dict[str, Any]) -> Record:
    stop, last_exit, remains = (raw.pop(name, None) for name in ("stop", "last_exit", "remains"))
    places = _parse_places(raw.pop("places", ()))
    # its name in records of guests that run since before it told of sysprep, too
    raw.setdefault("first_boot_mark", raw.pop("seed_mark", ""))
    unplugs = tuple(Unplug(**item) for item in raw.pop("unplugs", ()))
    cables = tuple(Cable(**item) for item in raw.pop("cables", ()))
    bites = Bites(**raw.pop("bites", {}))
    move, leaving = raw.pop("move", None), raw.pop("leaving", None)
    if stop:
        stop = StopRequest(StopReason(stop["why"]), float(stop["since_s"]), stop.get("asked_s"))
    return Record(
        **raw,
        stop=stop or None,
        last_exit=LastExit(**last_exit) if last_exit else None,
        remains=_parse_remains(remains) if remains else None,
        places=places,
        unplugs=unplugs,
        cables=cables,
        bites=bites,
        move=MoveTry(**move) if move else None,
        leaving=parse_leaving(leaving) if leaving else None,
    )


def _parse_remains(raw: dict[str, Any]) -> Remains:
    return Remains(raw["uuid"], int(raw["epoch"]), _parse_places(raw["places"]), tuple(raw["ports"]))


def _parse_places(raw: Any) -> tuple[VolumePlace, ...]:
    return tuple(map(place_recorded, raw))
