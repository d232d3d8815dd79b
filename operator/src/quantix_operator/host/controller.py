"""Reconciles one Host: its load, whether it takes more, whether it is heard. Run by the dispatcher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

import structlog

from quantix_api import Host, VirtualMachine
from quantix_api.errors import TransientError
from quantix_api.messages import render
from quantix_api.resources import (
    HOSTS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.errors import Conflict, NotFound
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf, own_key
from quantix_operator.finalizers import Finalizers, has_finalizer
from quantix_operator.host.drains import Drains, blocked
from quantix_operator.host.load import Figure, amounts, amounts_unread
from quantix_operator.host.status import (
    LOST_AFTER_S,
    Derived,
    Load,
    Observed,
    derive_status,
    is_heard,
    is_lost,
    leaving_status,
    only_figures_differ,
)
from quantix_operator.indexers import assigned_host, moving_to, working_host
from quantix_operator.lease_watch import LeaseWatch
from quantix_operator.objects import Objects
from quantix_operator.parts import as_work, vm_as_load
from quantix_operator.scheduling import host_reading
from quantix_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)

_AGAIN_S = 0.05
# many VMs that come at once are few writes of a figure that nobody waits for
_FIGURES_S = 1.0
_LOOK_S = 1.0
_WORK = (VIRTUAL_MACHINE_SNAPSHOTS, VIRTUAL_MACHINE_RESTORES)
"""What a host may have to do for VMs that have no host."""


def _of_vm(vm: Manifest, _cache: Cache) -> Iterable[str]:
    status = vm.get("status") or {}
    hosts = ((status.get("assignment") or {}).get("host"), (status.get("migration") or {}).get("targetHost"))
    return tuple(host for host in hosts if host)


def _of_work(obj: Manifest, _cache: Cache) -> Iterable[str]:
    host = (obj.get("status") or {}).get("host")
    return (host,) if host else ()


class Chassis(Protocol):
    """The hosts as OVN knows them (`clients.ovn_sb`)."""

    async def remove_chassis(self, name: str) -> None: ...


class HostController:
    """`await reconcile("name")`."""

    name = "host"
    concurrency = 4
    resource: Resource | None = HOSTS
    watches: Mapping[Resource, Mapper] = {
        HOSTS: own_key,
        VIRTUAL_MACHINES: OnChangeOf(vm_as_load, _of_vm),
        **dict.fromkeys(_WORK, OnChangeOf(as_work, _of_work)),
    }

    def __init__(
        self,
        context: Context,
        objects: Objects,
        leases: LeaseWatch,
        drains: Drains,
        network: Chassis | None = None,
    ) -> None:
        self._events = context.events
        self._objects = objects
        self._leases = leases
        self._network = network
        self._drains = drains
        self._cache, self._clock = context.cache, context.clock
        self._writer = StatusWriter(context.api, context.cache)
        self._finalizers = Finalizers(context.api, context.cache, HOSTS)
        self._said_lost_at_s: dict[str, float] = {}
        self._next_figures_s: dict[str, float] = {}

    async def reconcile(self, key: str) -> float | None:
        """One look; comes back by itself when the host could have become silent."""
        host = self._objects.get(Host, key)
        live = self._objects.manifest(host) if host is not None else None
        if host is None or live is None:
            self._next_figures_s.pop(key, None)
            return None
        observed = Observed(
            host=host,
            live=live,
            load=self._load(host),
            blocked=blocked(self._drains, live),
            silent_s=self._leases.silent_s(key),
            said_s=self._said_s(key),
        )
        try:
            # also a VM that is not understood has its host
            if host.deleting and has_finalizer(live) and not self._is_kept(observed):
                return await self._let_go(observed)
            derived = derive_status(observed, datetime.now(UTC))
            early_s = self._next_figures_s.get(key, 0.0) - self._clock.monotonic()
            if early_s > 0 and only_figures_differ(self._writer.owned(live), derived.status):
                return early_s
            await self._say(observed, derived)
        except NotFound:
            return None
        except Conflict:
            return _AGAIN_S
        return _next_look_s(observed)

    async def _let_go(self, observed: Observed) -> float | None:
        """Of one that is deleted: what it left in the network goes first."""
        try:
            if self._network is not None:
                await self._network.remove_chassis(observed.host.metadata.uid)
        except TransientError as error:
            status = leaving_status(observed, error, datetime.now(UTC))
            await self._writer.write(HOSTS, observed.live, status, on_version=True)
            return _LOOK_S
        await self._finalizers.release(observed.live)
        return None

    async def _say(self, observed: Observed, derived: Derived) -> None:
        written = await self._writer.write(
            HOSTS, observed.live, derived.status, on_version=True, leave_ready=not derived.says_ready
        )
        if written:
            self._next_figures_s[observed.host.metadata.name] = self._clock.monotonic() + _FIGURES_S
        if derived.says_ready:
            self._said_lost_at_s[observed.host.metadata.name] = self._clock.monotonic()
        if written and derived.says_ready and not host_reading.lost(observed.host):
            log.warning("host is silent", host=observed.host.metadata.name, silent_s=observed.silent_s)
            said = render("HostSuspect")
            self._events.record(observed.live, said.reason, said.text, type="Warning", action="Watch")

    def _said_s(self, host: str) -> float | None:
        said_at_s = self._said_lost_at_s.get(host)
        return None if said_at_s is None else self._clock.monotonic() - said_at_s

    def _load(self, host: Host) -> Load:
        """What its VMs are to the host. Summed up as they change: it is asked at each change of each."""
        name = host.metadata.name
        vms, cpus, memory = (
            self._objects.total(VirtualMachine, amounts, (figure, name), amounts_unread) for figure in Figure
        )
        work = self._work(name) if host.deleting else ""
        return Load(vms, cpus, memory, awaits=self._awaits(name), work=work)

    def _is_kept(self, observed: Observed) -> bool:
        """By its VMs; by what it still has to do, while it is not lost: else that would never end; and while
        it is heard, for it would be here again at once under another UID, from which its switch would keep
        the address of its tunnels.
        """
        host = observed.host.metadata.name
        has_vms = bool(self._cache.by(VIRTUAL_MACHINES, assigned_host, host)) or self._awaits(host)
        return has_vms or is_heard(observed) or (observed.load.work != "" and not is_lost(observed))

    def _work(self, host: str) -> str:
        """Something that it still has to do, "" for nothing."""
        return min(
            (
                f"{resource.kind} {key_of(obj)}"
                for resource in _WORK
                for obj in self._cache.by(resource, working_host, host)
            ),
            default="",
        )

    def _awaits(self, host: str) -> bool:
        """Whether a VM is on its way to it."""
        return bool(self._cache.by(VIRTUAL_MACHINES, moving_to, host))


def _next_look_s(observed: Observed) -> float:
    """Soon while silent or unknown; else when it could have been silent for too long."""
    if observed.silent_s is None or observed.silent_s > LOST_AFTER_S or is_lost(observed):
        return _LOOK_S
    return max(LOST_AFTER_S - observed.silent_s, 0.0) + 0.1
