"""What the operator says of a Volume. Pure; called by the volume controller.

A Volume made for a VM is left to that VM's host: it gets no write from here. Others get the VMs that attach
them, a host where one is needed, and the reason while nobody can make them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quantix_api import Volume
from quantix_api.facts import Fact, fact


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
    `missing_source`: kind and name of what it is made from and is not there; `host_lost`: its host is silent;
    `no_room`: the fields of PoolFull while its pool must not promise it.
    """

    volume: Volume
    claimants: Sequence[Claimant] = ()
    pool: str = ""
    pool_is_shared: bool = False
    place: str = ""
    missing_source: tuple[str, str] | None = None
    host_lost: bool = False
    made_for_vm: bool = False
    no_room: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Plan:
    """`host`: for the scheduler to write, None to leave as it is; `ready`: None when hostd says it."""

    host: str | None = None
    attached_to: tuple[Claimant, ...] = ()
    pool: str = ""
    ready: Fact | None = None
    release: bool = field(default=False)
    """The finalizer may go."""


def plan_volume(observed: Observed) -> Plan:
    volume = observed.volume
    attached = attachments(observed)
    if volume.deleting:
        release = may_go(observed) and not attached
        return Plan(volume.status.host, attached, volume.status.pool or observed.pool, release=release)
    if observed.made_for_vm:
        return Plan(None, attached, "", _lost(observed))
    host = volume.status.host or _host(observed, attached=bool(attached))
    return Plan(host, attached, volume.status.pool or observed.pool, _ready(observed, host, bool(attached)))


def attachments(observed: Observed) -> tuple[Claimant, ...]:
    """Who has it: for one writer the one that has it already, else the elder; for several all."""
    if observed.no_room is not None:
        return ()
    alive = sorted((item for item in observed.claimants if not item.gone), key=lambda item: item.age)
    if observed.volume.spec.access_mode != "ReadWriteOnce":
        return tuple(alive)
    current = {attachment.uid for attachment in observed.volume.status.attached_to}
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
    blank = observed.volume.spec.source is None
    if blank and not observed.pool_is_shared:
        return None
    return observed.place or None


def _ready(observed: Observed, host: str | None, attached: bool) -> Fact | None:
    lost = _lost(observed)
    if host is not None or attached:
        return lost
    spec = observed.volume.spec
    if not observed.pool:
        return fact("Ready", "False", "PoolNotFound", **({"pool": spec.pool} if spec.pool else {}))
    if observed.missing_source is not None:
        kind, source = observed.missing_source
        return fact("Ready", "False", "SourceNotFound", kind=kind, source=source)
    if observed.no_room is not None:
        return fact("Ready", "False", "PoolFull", **observed.no_room)
    if spec.source is None:
        return fact("Ready", "False", "WaitingForHost", pool=observed.pool)
    said = "no host that is Ready reaches it"
    return fact("Ready", "False", "PoolUnreachable", host="The cluster", pool=observed.pool, said=said)


def _lost(observed: Observed) -> Fact | None:
    if observed.host_lost and observed.volume.status.host:
        return fact("Ready", "Unknown", "HostFailed", host=observed.volume.status.host)
    return None
