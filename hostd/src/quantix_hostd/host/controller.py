"""Keeps this machine's Host as it is: makes it when the machine joins, then reports what changes.

`assembly` calls `register` once, before anything else runs, and feeds `reconcile` from a queue (key: the
host's name).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from quantix_api import Host, Network
from quantix_api.errors import PermanentError, QuantixError
from quantix_api.resources import HOSTS
from quantix_client.api import ApiClient
from quantix_client.errors import AlreadyExists, NotFound
from quantix_client.reading import model_of
from quantix_hostd.clients.huge_pages import HugePages
from quantix_hostd.facts.load import MachineLoad
from quantix_hostd.facts.machine import KvmVerdict, MachineFacts
from quantix_hostd.facts.orphans import OrphanGuest, OrphanVolume
from quantix_hostd.host.deleted_pools import DeletedPools
from quantix_hostd.host.host_metrics import HostMoment
from quantix_hostd.host.model import HostObserved, NetworkFacts, PoolFacts
from quantix_hostd.host.network.controller import HostNetwork
from quantix_hostd.host.pages import HostPages
from quantix_hostd.host.pool_looks import PoolLooks
from quantix_hostd.host.pressure import Pressure
from quantix_hostd.host.status import derive_status
from quantix_hostd.pools import HostPools
from quantix_hostd.report import report
from quantix_hostd.virtualmachine.cpu_entries import NodePages
from quantix_hostd.virtualmachine.device_book import DeviceBook

_LOOK_AGAIN_S = 30.0
_APPARMOR = Path("/sys/module/apparmor/parameters/enabled")

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Self:
    """What this process found out about its machine when it started, and where it serves its API."""

    name: str
    machine: MachineFacts
    kvm: KvmVerdict
    versions: Mapping[str, str]
    api_address: str


@dataclass(frozen=True)
class HostTools:
    """Everything the host controller acts with. `network` is None when it is to leave the network alone."""

    api: ApiClient
    hosts: Mapping[str, Manifest]
    networks: Mapping[str, Manifest]
    pools: HostPools
    network: HostNetwork | None
    southbound_problem: Callable[[], tuple[str, str] | None]
    libvirt_works: Callable[[], bool]
    cpu_model: Callable[[], str]
    huge_pages: HugePages
    pages: HostPages
    devices: DeviceBook
    orphans: Callable[[], Awaitable[Iterable[OrphanGuest]]]
    orphan_volumes: Callable[[], Awaitable[Iterable[OrphanVolume]]]
    deleted_pools: DeletedPools
    pressure: Pressure


class HostController:
    """One for a process. `facts` is how the network was at the last look, `orphan_volumes` the data of no
    Volume that was found then, `pools` how the pools were, `node_pages` the huge pages of each NUMA node.
    """

    def __init__(self, tools: HostTools, myself: Self) -> None:
        self._tools = tools
        self._self = myself
        self.facts = NetworkFacts()
        self.shutting_down = False
        self.orphan_volumes: tuple[OrphanVolume, ...] | None = None
        self.pools: tuple[PoolFacts, ...] = ()
        self.node_pages: NodePages = {}
        self._pool_looks = PoolLooks(tools.pools)
        self._orphans: tuple[OrphanGuest, ...] = ()

    async def register(self) -> Host:
        """Make the Host, or claim the one that an administrator applied; returns it with our hostUID.

        Raises PermanentError (SecondMachine) when another machine has this name, ApiError.
        """
        name = self._self.name
        try:
            found = await self._tools.api.get(HOSTS, name)
        except NotFound:
            body = {"metadata": {"name": name}, "spec": {}}
            try:
                found = await self._tools.api.create(HOSTS, {**_kind(), **body})
                log.info("host object made", host=name)
            except AlreadyExists:
                found = await self._tools.api.get(HOSTS, name)
        host = model_of(Host, found)
        known, own = host.status.host_uid, self._self.machine.host_uid
        if known and known != own:
            raise PermanentError(
                "SecondMachine",
                f"Host {name} is another machine already (its hostUID is {known}, this one's {own})",
                f"give this machine another --name; or, if it replaces that one, kubectl delete host {name}",
            )
        if self._tools.network is not None:
            # VMs may be rendered before the first look at the network, and depend on the kind of switch
            self.facts = await self._tools.network.first_facts()
        return host

    async def reconcile(self, key: str) -> float | None:
        """Put the host's network right and report; seconds until the next look."""
        if key != self._self.name:
            return None
        manifest = self._tools.hosts.get(key)
        if manifest is None:
            await self.register()
            return 1.0
        host = model_of(Host, manifest)
        await self._put_right(host)
        observed = await self._observe(host)
        await report(self._tools.api, HOSTS, manifest, derive_status(observed, datetime.now(UTC)))
        return _LOOK_AGAIN_S

    def open_to(self, address: str) -> AbstractAsyncContextManager[None]:
        """Guests may come from `address` while this lasts. Raises TransientError."""
        network = self._tools.network
        return network.door.open_to(address) if network is not None else nullcontext()

    def moment(self, load: MachineLoad, states: Sequence[str] | None) -> HostMoment:
        """The host for its metrics: `load` is of now, `states` of its domains, the rest of the last look."""
        return HostMoment(
            name=self._self.name,
            accelerator=self._self.kvm.accelerator,
            load=load,
            versions=self._self.versions,
            pools=self.pools,
            states=states,
            orphan_guests=len(self._orphans),
            orphan_volume_pools=[orphan.pool for orphan in self.orphan_volumes or ()],
        )

    async def _put_right(self, host: Host) -> None:
        if self._tools.network is not None:
            networks = [model_of(Network, item) for item in self._tools.networks.values()]
            self.facts = await self._tools.network.ensure(host, networks)
            if self.facts.problem is None:
                self.facts = replace(self.facts, problem=self._tools.southbound_problem())
        await self._tools.deleted_pools.put_away()
        await self._tools.pages.ensure(host.spec.reserved, self._self.machine.boot_id)

    async def _observe(self, host: Host) -> HostObserved:
        self.pools, images = await self._pool_looks.look()
        self._tools.pressure.remember(host.status.pressure)
        await self._look_at_devices()
        self.node_pages = await asyncio.to_thread(self._tools.huge_pages.by_node)
        return HostObserved(
            host=host,
            huge_pages=await asyncio.to_thread(self._tools.huge_pages.there),
            node_pages=self.node_pages,
            devices=self._tools.devices.entries().uses(),
            machine=self._self.machine,
            kvm=self._self.kvm,
            network=self.facts,
            api_address=self._self.api_address,
            libvirt=self._tools.libvirt_works(),
            confined=await asyncio.to_thread(_apparmor_enabled),
            cpu_model=self._tools.cpu_model(),
            versions=self._self.versions,
            pools=self.pools,
            images=images,
            orphans=await self._look_for_orphans(),
            orphan_volumes=await self._look_for_orphan_volumes(),
            pressure=self._tools.pressure.told(),
            shutting_down=self.shutting_down,
        )

    async def _look_at_devices(self) -> None:
        """What was known before stays true while libvirt or sysfs cannot be asked."""
        try:
            await self._tools.devices.look()
        except (QuantixError, OSError) as error:
            log.warning("devices not looked at", error=str(error))

    async def _look_for_orphans(self) -> tuple[OrphanGuest, ...]:
        """What was known before stays true while libvirt cannot be asked."""
        try:
            self._orphans = tuple(await self._tools.orphans())
        except QuantixError as error:
            log.warning("orphans not looked for", reason=error.reason, error=str(error))
        return self._orphans

    async def _look_for_orphan_volumes(self) -> tuple[OrphanVolume, ...] | None:
        """What was known before stays true while the API or a pool cannot be asked; None: nothing was."""
        try:
            self.orphan_volumes = tuple(await self._tools.orphan_volumes())
        except (QuantixError, OSError) as error:
            log.warning("volumes without an object not looked for", error=str(error))
        return self.orphan_volumes


def _apparmor_enabled() -> bool:
    return _APPARMOR.exists() and _APPARMOR.read_text().strip() == "Y"


def _kind() -> Manifest:
    return {"apiVersion": HOSTS.api_version, "kind": HOSTS.kind}
