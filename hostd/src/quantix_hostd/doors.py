"""Opens hostd's own API over the parts of the process. Built by `assembly`; the handlers are in `api`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from quantix_api.errors import PermanentError
from quantix_api.resources import HOSTS, VIRTUAL_MACHINES, Resource
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_hostd.api.backend import Backend
from quantix_hostd.api.server import ApiServer, server_context
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.machine_load import read_machine_load
from quantix_hostd.dispatch import Dispatcher
from quantix_hostd.events import Events
from quantix_hostd.host.controller import HostController
from quantix_hostd.host.guest_stats import GuestStats
from quantix_hostd.host.metrics import HostdMetrics, Moment, render_metrics, render_vm_metrics
from quantix_hostd.host.vm_metrics import state_of
from quantix_hostd.image.controller import ImageController
from quantix_hostd.join.kept import KeptCertificate
from quantix_hostd.join.requests import SERVING, as_host, ends_at
from quantix_hostd.join.trust import published_authority
from quantix_hostd.migration.incoming import IncomingMoves
from quantix_hostd.pools import HostPools
from quantix_hostd.settings import Settings
from quantix_hostd.virtualmachine.console import ConsoleHub
from quantix_hostd.virtualmachine.orphan_plan import GRACE_S
from quantix_hostd.virtualmachine.reconciler import VirtualMachineReconciler
from quantix_hostd.volume.uploads import VolumeUploads

_LOOK_S = 0.5


@dataclass(frozen=True)
class Parts:
    """The parts of the process that the API reaches."""

    settings: Settings
    api: ApiClient
    clock: Clock
    stores: Mapping[Resource, Mapping[str, Mapping[str, Any]]]
    consoles: ConsoleHub
    events: Events
    images: ImageController
    volume_uploads: VolumeUploads
    pools: HostPools
    libvirt: Hypervisor
    machines: VirtualMachineReconciler
    host: HostController
    dispatcher: Dispatcher
    metrics: HostdMetrics
    known: Callable[[], Awaitable[object]]
    moves: IncomingMoves


class Doors:
    """The unix socket and TLS of one process."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        lanes = parts.dispatcher.lanes
        parts.metrics.queues.update({resource.plural: lane.queue for resource, lane in lanes.items()})
        self._guests = GuestStats(parts.libvirt.stats, parts.metrics.vm_stats_seconds.observe, parts.clock)
        self._server = ApiServer(
            Backend(
                host=parts.settings.name,
                layout=parts.settings.layout,
                api=parts.api,
                stores=parts.stores,
                consoles=parts.consoles,
                events=parts.events,
                uploads=parts.images,
                volume_uploads=parts.volume_uploads,
                orphans=parts.machines,
                screens=parts.libvirt,
                pools=parts.pools,
                metrics=self._metrics,
                shut_down=self._shut_guests_down,
                guests=self._guests_here,
                known=parts.known,
                moves=parts.moves,
                open_to=parts.host.open_to,
            )
        )

    async def open_socket(self) -> None:
        """Serve root on this machine."""
        await self._server.open_socket(self._parts.settings.layout.hostd_socket)

    async def serve_tls(self, listener: socket.socket, address: str) -> None:
        """Until cancelled: serve on `listener` from the first certificate on, and keep it renewed."""
        parts, opened = self._parts, False
        pki, name = parts.settings.layout.pki, parts.settings.name
        context = server_context(await self._client_ca())
        kept = KeptCertificate(pki / "serving.crt", pki / "serving.key", parts.clock)
        wanted = as_host(SERVING, name, [name, address])

        async def show() -> None:
            nonlocal opened
            context.load_cert_chain(kept.certificate, kept.key)
            if not opened:
                opened = True
                await self._server.open_tls(listener, context)

        await kept.keep(lambda: kept.ensure(parts.api, wanted, show), lambda error: None)

    async def close(self) -> None:
        await self._server.close()
        await self._guests.close()

    async def _client_ca(self) -> str:
        """Whom the API server trusts for client certificates; hostd trusts the same."""
        api = self._parts.api
        return await published_authority(api) or api.access.ca_pem or ""

    async def _metrics(self, vm_uid: str | None) -> bytes:
        """A scrape: what is known is put together here, and written down in a thread."""
        parts = self._parts
        stats = await self._guests.read() if parts.libvirt.connected else None
        known = parts.stores[VIRTUAL_MACHINES].values()
        machines = {manifest["metadata"]["uid"]: manifest for manifest in known}
        if vm_uid is not None:
            return await asyncio.to_thread(render_vm_metrics, vm_uid, stats or (), machines)
        states = None if stats is None else [state_of(domain) for domain in stats]
        moment = Moment(
            host=parts.host.moment(await asyncio.to_thread(read_machine_load), states),
            stats=stats,
            machines=machines,
            libvirt=parts.libvirt.connected,
            certificate_ends=await asyncio.to_thread(self._certificate_ends),
        )
        return await asyncio.to_thread(render_metrics, parts.metrics.registry, moment)

    def _certificate_ends(self) -> dict[str, float]:
        """Unix times; what is not there (yet), or damaged, is left out."""
        layout = self._parts.settings.layout
        files = {"serving": layout.pki / "serving.crt", "ovn": layout.ovn_certificate}
        found = {name: path.read_text() if path.exists() else "" for name, path in files.items()}
        found["client"] = self._parts.api.access.certificate_pem or ""
        ends: dict[str, float] = {}
        for name, pem in found.items():
            with contextlib.suppress(PermanentError):
                ends[name] = ends_at(pem)
        return ends

    async def _guests_here(self) -> dict[str, int]:
        """Keys of the guests that are left here (UIDs where the API has no such VM), and their grace periods
        in seconds.
        """
        parts = self._parts
        known = {vm["metadata"]["uid"]: (key, vm) for key, vm in parts.stores[VIRTUAL_MACHINES].items()}
        found = {}
        for uid in await parts.machines.guests_left():
            key, vm = known.get(uid, (uid, {}))
            said = (vm.get("spec") or {}).get("gracePeriodSeconds")
            found[key] = int(GRACE_S) if said is None else int(said)
        return dict(sorted(found.items()))

    async def _shut_guests_down(self) -> list[str]:
        """For `qx down` and the machine's own shutdown: returns when no guest is left on this host."""
        parts = self._parts
        parts.host.shutting_down = True
        parts.dispatcher.add(HOSTS, parts.settings.name)
        vms = parts.stores[VIRTUAL_MACHINES]
        names, going = {vm["metadata"]["uid"]: key for key, vm in vms.items()}, deleted(vms)
        guests = await parts.machines.guests_left()
        await parts.machines.shut_down_guests()
        left = guests
        while left:
            await asyncio.sleep(_LOOK_S)
            # also those that somebody deletes meanwhile; what is released is seen no more
            going |= deleted(vms)
            left = await parts.machines.guests_left()
        return coming_back(guests, names, going)


def deleted(vms: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """UIDs of those VMs (by key) that are being deleted."""
    return {vm["metadata"]["uid"] for vm in vms.values() if vm["metadata"].get("deletionTimestamp")}


def coming_back(guests: Iterable[str], names: Mapping[str, str], going: Container[str]) -> list[str]:
    """Of the guests (UIDs) that were shut down, those that start again with Quantix, by their key in `names`
    (one that the API does not have: by its UID). `going`: UIDs of VMs that are being deleted.
    """
    return sorted(names.get(uid, uid) for uid in guests if uid not in going)
