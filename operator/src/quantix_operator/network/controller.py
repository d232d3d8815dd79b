"""Networks: keeps their northbound rows and their status as spec, hosts and guests say.

Built by `networking`. A Network that VMs are in does not go; its ports are `nics`' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address

from quantix_api import Host, Network, Router, VirtualMachine
from quantix_api.errors import WaitingError
from quantix_api.facts import Fact, fact, render_conditions, subject_in
from quantix_api.resources import (
    FLOATING_IPS,
    HOSTS,
    LOCAL_PHYSICAL_NETWORK,
    NETWORKS,
    ROUTERS,
    VIRTUAL_MACHINES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_operator.clients.ovn_nb_errors import NorthboundUnreachable
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.finalizers import Finalizers
from quantix_operator.ipam.occupancy import free_pool
from quantix_operator.network import watches
from quantix_operator.network.names import dns_records, named_ports
from quantix_operator.network.rows import NetworkPlan, network_rows
from quantix_operator.network.unfit import unfit
from quantix_operator.network_context import RETRY_S, SLOW_S, NetworkContext, unreachable
from quantix_operator.status_writer import StatusWriter
from quantix_operator.tenancy import users_as_told
from quantix_operator.topology.overlap import overlap_on_wire
from quantix_operator.topology.reach import has_wire, refused_wire
from quantix_operator.topology.view import (
    NetworkView,
    choose_automatic,
    choose_mtu,
    make_view,
    mtus_for,
)

QUIET_S = 0.5
"""The shortest time between two looks at one network: a thousand guests that start are one change."""


class NetworkController:
    """See the module."""

    name = "network"
    concurrency = 4
    resource: Resource | None = NETWORKS

    def __init__(self, context: NetworkContext) -> None:
        self._context = context
        self._writer = StatusWriter(context.api, context.cache)
        self._finalizers = Finalizers(context.api, context.cache, NETWORKS)
        self._looked_s: dict[str, float] = {}
        self.watches: Mapping[Resource, Mapper] = {
            NETWORKS: watches.of_network,
            VIRTUAL_MACHINES: OnChangeOf(watches.part_of_vm, watches.of_vm),
            ROUTERS: watches.of_router,
            FLOATING_IPS: OnChangeOf(watches.part_of_floating_ip, watches.of_floating_ip),
            HOSTS: OnChangeOf(watches.part_of_host, watches.of_host),
        }

    async def reconcile(self, key: str) -> float | None:
        """Bring one Network about."""
        network = self._context.objects.get(Network, key)
        live = self._context.cache.get(NETWORKS, key)
        if network is None or live is None:
            self._looked_s.pop(key, None)
            return None
        now_s = self._context.clock.monotonic()
        wait_s = self._looked_s.get(key, -QUIET_S) + QUIET_S - now_s
        if wait_s > 0:
            return wait_s
        self._looked_s[key] = now_s
        if network.deleting:
            return await self._delete(network, live)
        held = await self._finalizers.ensure(live)
        if held is None:
            return None
        return await self._program(network, held)

    async def _program(self, network: Network, live: Manifest) -> float | None:
        context = self._context
        others = (item for item in context.objects.list(Network) if item.metadata.uid != network.metadata.uid)
        automatic = choose_automatic(context.cluster_uid, network, others)
        view = make_view(context.cluster_uid, network, automatic)
        hosts = context.objects.list(Host)
        mtu, keep = choose_mtu(network, mtus_for(network, hosts))
        ready = await self._converge(view, mtu, hosts, live)
        await self._write(live, self._status(view, mtu if keep else None, ready, live))
        return SLOW_S if ready.status == "True" else RETRY_S

    async def _converge(self, view: NetworkView, mtu: int, hosts: Iterable[Host], live: Manifest) -> Fact:
        context = self._context
        wrong = unknown_wire(view.network, hosts) or overlap_on_wire(view, context.ledger.others(view))
        if wrong is not None:
            return wrong
        guests = context.objects.list(VirtualMachine)
        ports = [port for vm in guests for port in named_ports(vm, view.uid)]
        try:
            plan = NetworkPlan(
                view=view,
                mtu=mtu,
                resolvers=tuple(view.network.spec.dns.servers) or context.resolvers,
                records=dns_records(ports, view.network.spec.dns.domain),
                routed=is_routed(view.network, filter(context.in_force, context.objects.list(Router))),
                capabilities=await context.northbound.capabilities(),
            )
            await context.northbound.converge(view.uid, network_rows(plan))
        except NorthboundUnreachable:
            return unreachable(live)
        except WaitingError:
            return fact("Ready", "False", "Programming")
        lacking = unfit(view, mtu, mtus_for(view.network, hosts)) or unusable_wire(view.network, hosts)
        return lacking or fact("Ready", "True", "Programmed")

    def _status(self, view: NetworkView, mtu: int | None, ready: Fact, live: Manifest) -> Manifest:
        status: Manifest = {
            "observedGeneration": int(live["metadata"].get("generation") or 0),
            "ports": self._context.ledger.ports(view.uid),
            "subnets": [subnet.cidr for subnet in view.subnets],
            "conditions": render_conditions([ready], subject_in(NETWORKS, live), datetime.now(UTC)),
        }
        if mtu is not None:
            status["mtu"] = mtu
        if view.v4 is not None:
            ledger = self._context.ledger
            pool = free_pool(view.v4, view, ledger)
            given = (ip_address(address) for address in ledger.addresses(view.wire) if ":" not in address)
            used = sum(1 for address in given if not pool.reserved(int(address)))
            status["addressesFree"] = max(0, pool.size - used)
        return status

    async def _delete(self, network: Network, live: Manifest) -> float | None:
        users = sorted(
            vm.key
            for vm in self._context.objects.list(VirtualMachine)
            if any(nic.network == network.metadata.uid for nic in vm.status.nics)
        )
        if users or self._context.ledger.ports(network.metadata.uid):
            named = users_as_told(users, network.metadata.namespace or "") or "VMs that are being deleted"
            await self._say(network, live, fact("Ready", "False", "InUse", users=named))
            return RETRY_S
        try:
            await self._context.northbound.converge(network.metadata.uid, [])
        except NorthboundUnreachable:
            await self._say(network, live, unreachable(live))
            return RETRY_S
        await self._finalizers.release(live)
        return None

    async def _say(self, network: Network, live: Manifest, ready: Fact) -> None:
        view = make_view(self._context.cluster_uid, network)
        await self._write(live, self._status(view, network.status.mtu, ready, live))

    async def _write(self, live: Manifest, status: Manifest) -> None:
        await self._writer.write(NETWORKS, live, status)


def unknown_wire(network: Network, hosts: Iterable[Host]) -> Fact | None:
    """PhysicalNetworkUnknown when the Network wants a wire that no host has."""
    physical = network.spec.physical
    if physical is None or physical.name == LOCAL_PHYSICAL_NETWORK:
        return None
    if any(has_wire(host, physical) for host in hosts):
        return None
    return fact("Ready", "False", "PhysicalNetworkUnknown", physical=physical.name)


def unusable_wire(network: Network, hosts: Iterable[Host]) -> Fact | None:
    """PhysicalNetworkUnusable when each host that is to have its wire says that it cannot."""
    physical = network.spec.physical
    having = [host for host in hosts if physical is not None and has_wire(host, physical)]
    if physical is None or not having:
        return None
    refused = {host.metadata.name: refused_wire(host, physical) for host in having}
    if not all(refused.values()):
        return None
    host = min(refused)
    about = {"physical": physical.name, "host": host, "said": refused[host]}
    return fact("Ready", "False", "PhysicalNetworkUnusable", **about)


def is_routed(network: Network, routers: Iterable[Router]) -> bool:
    """Whether one of the Routers in force answers at the Network's gateway."""
    return any(
        item.name == network.metadata.name and item.address is None
        for router in routers
        if router.metadata.namespace == network.metadata.namespace
        for item in router.spec.networks
    )
