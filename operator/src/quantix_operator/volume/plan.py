"""What the operator says of a Volume. Pure; called by the volume controller.

A Volume made for a VM is left to that VM's host: it gets no write from here unless no host takes the VM.
Others get the VMs that attach them, a host where one is needed, the answer to a wish to grow, and the reason
while nobody can make them. What a host says of a Volume that it has no right to is taken back (`right`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quantix_api import Volume
from quantix_api.facts import Fact, fact
from quantix_api.messages import render
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_operator.storagepool.unreached import reached_by_none
from quantix_operator.volume.wishes import Growth, Move, WantedMove, judge_move, refused_move, size_fact
from quantix_operator.volumedata.origin import WAITING_FOR_HOST


@dataclass(frozen=True)
class Claimant:
    """A VM that names the Volume in a disk. `age` sorts the elder first; `gone`: nothing of it is left."""

    uid: str
    name: str
    age: tuple[str, str]
    gone: bool = False


@dataclass(frozen=True)
class Observed:
    """`pool`: the resolved pool, "" when there is none; `place`: the host that would act on it, "" for none;
    `missing_source`: kind and name of what it is made from and is not there; `unmade_source`: reason and
    fields of what is said while the volume that it is made from has no data, None when it has;
    `lost_source`: of HostUnreachable, while the host that keeps that volume is silent; `host_lost`: since
    when its host is silent, "" while it is heard; `successor`: the host that acts on it instead, "" for
    none; `no_room`: the fields of PoolFull while its pool must not promise it; `denied`: its host has no
    right to it; `assigned_host`: the host that its VMs are assigned to, "" for none; `owners`: the names
    of those VMs; `growth`: None when it is as large as spec wants; `stranded`: one of those VMs that no
    host takes for now; `off`: one that is off and has had no host; `move`: None when it is where spec
    wants it; `readable_copy`: the fields of ConfigRefused where it is a copy of an encrypted volume and
    names no Secret; `going`: it is deleted, or will be (`volumedata.collected`); `staying`: what it says
    where it keeps its namespace from being deleted.
    """

    volume: Volume
    claimants: Sequence[Claimant] = ()
    pool: str = ""
    pool_is_shared: bool = False
    place: str = ""
    missing_source: tuple[str, str] | None = None
    unmade_source: tuple[str, Mapping[str, str]] | None = None
    lost_source: Mapping[str, str] | None = None
    host_lost: str = ""
    successor: str = ""
    made_for_vm: bool = False
    no_room: Mapping[str, str] | None = None
    denied: bool = False
    assigned_host: str = ""
    owners: tuple[str, ...] = ()
    growth: Growth | None = None
    stranded: str = ""
    off: str = ""
    move: WantedMove | None = None
    readable_copy: Mapping[str, str] | None = None
    going: bool = False
    staying: Fact | None = None


@dataclass(frozen=True)
class TakeBack:
    """Forget all that `denied` said of the Volume; `host` acts on it from now on, "" for none."""

    denied: str
    host: str
    message: str


@dataclass(frozen=True)
class Plan:
    """`host`: for the scheduler to write, None to leave as it is; `brings`: also over the word of a host;
    `confirmed`: the host that keeps the data for certain, None for none; `ready`: None when hostd says it;
    `size`: the answer to a wish to grow; `take_back`: then nothing else is decided before that is done.
    """

    host: str | None = None
    attached_to: tuple[Claimant, ...] = ()
    pool: str = ""
    ready: Fact | None = None
    release: bool = field(default=False)
    """The finalizer may go."""
    confirmed: str | None = None
    size: Fact | None = None
    take_back: TakeBack | None = None
    brings: bool = False
    moving_to: str = ""
    """The pool that has room for it, and that it may go to."""
    refused_move: Fact | None = None
    staying: Fact | None = None


def plan_volume(observed: Observed) -> Plan:
    volume, status = observed.volume, observed.volume.status
    if observed.denied and status.host:
        return Plan(take_back=_take_back(observed, status.host))
    attached = attachments(observed)
    move = judge_move(observed.move)
    brings = _brings(move) or observed.successor
    confirmed = brings or _confirmed(observed)
    moving_to, refused = _moving_to(observed, move, brings), refused_move(move)
    if volume.deleting:
        release = may_go(observed) and not attached
        host, pool = brings or status.host, status.pool or observed.pool
        return Plan(host, attached, pool, None, release, confirmed, brings=bool(brings), moving_to=moving_to)
    if observed.made_for_vm:
        return Plan(
            brings or status.host,
            attached,
            "",
            _of_vm(observed),
            brings=bool(brings),
            confirmed=confirmed,
            moving_to=moving_to,
            refused_move=refused,
            staying=observed.staying,
        )
    placed = None if status.host else _host(observed, attached=bool(attached) and not _may_be_sent(observed))
    host = brings or status.host or placed
    return Plan(
        host,
        attached,
        status.pool or observed.pool,
        None if placed else _ready(observed, host, bool(attached)),
        brings=bool(brings),
        confirmed=placed or confirmed,
        size=size_fact(observed.growth),
        moving_to=moving_to,
        refused_move=refused,
        staying=observed.staying,
    )


def _brings(move: Move | None) -> str:
    """The host that brings data of a shared pool to another, told before it may begin; "" for any other."""
    return move.host if move is not None and not move.reason else ""


def _moving_to(observed: Observed, move: Move | None, brings: str) -> str:
    """What was promised stays so until its host has let go of it: it may have ended the work meanwhile. To
    one that does not act yet nothing is promised.
    """
    status, ready = observed.volume.status, observed.volume.status.condition("Ready")
    before = status.moving_to or ""
    if observed.volume.deleting:
        # what a silent host has in that pool is its to take away, and no other host's to leave there
        return before if observed.host_lost else ""
    if brings and brings != status.host:
        return ""
    if before not in ("", status.pool) and ready is not None and ready.reason == "Moving":
        return before
    return move.pool if move is not None and not move.reason else ""


def _take_back(observed: Observed, denied: str) -> TakeBack:
    owners = " and ".join(f"VM {name}" for name in observed.owners)
    message = render("Denied", host=denied, volume=observed.volume.metadata.name, vm=owners).text
    return TakeBack(denied, observed.assigned_host, message)


def _confirmed(observed: Observed) -> str | None:
    """A host is confirmed while no VM has the Volume: the next VM could not tell whether it is the right one.

    Hosts take only what a VM has, and that word was judged by that VM.
    """
    status = observed.volume.status
    if not observed.made_for_vm and not status.attached_to:
        return status.host
    return status.confirmed_host if status.confirmed_host == status.host else None


def attachments(observed: Observed) -> tuple[Claimant, ...]:
    """Who has it: for one writer the one that has it already, else the elder; for several all."""
    if observed.no_room is not None:
        return ()
    alive = sorted((item for item in observed.claimants if not item.gone), key=lambda item: item.age)
    current = {attachment.uid for attachment in observed.volume.status.attached_to}
    owner = observed.volume.metadata.labels.get(LABEL_VIRTUAL_MACHINE_UID)
    if observed.going or owner:
        # who names what goes would keep it for good and never get it, and another VM's would go with that one
        alive = [item for item in alive if item.uid in current or (item.uid == owner and not observed.going)]
    if observed.volume.spec.access_mode != "ReadWriteOnce":
        return tuple(alive)
    holders = [item for item in alive if item.uid in current] or alive
    return tuple(holders[:1])


def may_go(observed: Observed) -> bool:
    """Its data is gone, or no host ever made any."""
    status = observed.volume.status
    if status.data == "Absent":
        return True
    return status.host is None and status.data is None


def _host(observed: Observed, *, attached: bool) -> str | None:
    """A host only for what no VM's host will make, and what can be made without one."""
    if attached or not observed.pool or observed.missing_source is not None or observed.no_room is not None:
        return None
    if observed.unmade_source is not None or observed.readable_copy is not None:
        return None
    blank = observed.volume.spec.source is None
    if blank and not observed.pool_is_shared:
        return None
    return observed.place or None


def _may_be_sent(observed: Observed) -> bool:
    """Whether it waits for a file that may come before its VM has a host, or is on at all: to send it, there
    must be a host that takes it.
    """
    source = observed.volume.spec.source
    return source is not None and source.upload is not None and not observed.assigned_host


def _ready(observed: Observed, host: str | None, attached: bool) -> Fact | None:
    if host is not None or attached or observed.readable_copy is not None:
        return _of_vm(observed)
    spec = observed.volume.spec
    if not observed.pool:
        named = {"pool": spec.pool, "path": "spec.pool"} if spec.pool else {}
        return fact("Ready", "False", "PoolNotFound", **named)
    if observed.missing_source is not None:
        kind, source = observed.missing_source
        return fact("Ready", "False", "SourceNotFound", kind=kind, source=source)
    if observed.unmade_source is not None:
        reason, fields = observed.unmade_source
        return fact("Ready", "False", reason, **fields)
    if observed.no_room is not None:
        return fact("Ready", "False", "PoolFull", **observed.no_room)
    if spec.source is None:
        return fact("Ready", "False", WAITING_FOR_HOST, pool=observed.pool)
    if observed.lost_source is not None:
        return fact("Ready", "False", "HostUnreachable", **observed.lost_source)
    return reached_by_none(observed.pool)


def _of_vm(observed: Observed) -> Fact | None:
    """What is said of a Volume that a VM's host makes, while there is no such host."""
    if observed.readable_copy is not None and not observed.volume.status.host:
        return fact("Ready", "False", "ConfigRefused", **observed.readable_copy)
    kind, source = observed.missing_source or ("", "")
    if kind == "volume" and not observed.volume.status.host:
        return fact("Ready", "False", "SourceNotFound", kind=kind, source=source)
    of_snapshot = observed.volume.spec.source is not None and observed.volume.spec.source.snapshot is not None
    if of_snapshot and observed.unmade_source is not None and not observed.volume.status.host:
        reason, fields = observed.unmade_source
        return fact("Ready", "False", reason, **fields)
    if observed.stranded and observed.lost_source is not None and not observed.volume.status.host:
        return fact("Ready", "False", "HostUnreachable", **observed.lost_source)
    if observed.stranded and not observed.volume.status.host:
        return fact("Ready", "False", WAITING_FOR_HOST, vm=observed.stranded)
    if observed.off and not observed.volume.status.host:
        return fact("Ready", "False", WAITING_FOR_HOST, off=observed.off)
    return _lost(observed)


def _lost(observed: Observed) -> Fact | None:
    """Of what is in a shared pool, every other host has it, too."""
    volume, at = observed.volume, observed.host_lost
    is_elsewhere = observed.pool_is_shared and volume.status.data == "Present"
    if at and volume.status.host and not is_elsewhere and not observed.successor:
        about = {"volume": volume.metadata.name, "keeper": volume.status.host, "at": at}
        return fact("Ready", "Unknown", "HostUnreachable", **about)
    return None
