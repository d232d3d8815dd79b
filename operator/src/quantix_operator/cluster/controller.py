"""What the network needs besides any Network: options, base groups, and the hosts' own legs.

Built by `networking`; one key, `cluster`. The legs hang on the Router `default` of quantix-shared, so that
the machines reach the guests; what a host needs for its end stands in `Host.status.hostLeg`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_interface

from quantix_api import Host, HostLeg, Network, Router, to_manifest
from quantix_api.errors import WaitingError
from quantix_api.messages import render
from quantix_api.resources import (
    FLOATING_IPS,
    HOSTS,
    MANAGER_NETWORK,
    NAMESPACE_SHARED,
    NETWORKS,
    ROUTERS,
    SECURITY_GROUPS,
    VIRTUAL_MACHINES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.reflector import key_of
from quantix_client.workqueue import WorkQueue
from quantix_operator.cache import Cache
from quantix_operator.cluster.hostleg import (
    PREFIX_CANDIDATES,
    HostLegPlan,
    HostPort,
    choose_prefix,
    host_leg_rows,
    host_leg_status,
    place_hosts,
)
from quantix_operator.cluster.sweep import Sweep
from quantix_operator.dispatch import Mapper
from quantix_operator.network_context import RETRY_S, SLOW_S, NetworkContext
from quantix_operator.northbound.groups import cluster_groups
from quantix_operator.northbound.rows import Owner, SharedKeys
from quantix_operator.router.observe import observe_router
from quantix_operator.router.plan import plan_legs
from quantix_operator.router.rows import router_owner
from quantix_operator.status_writer import StatusWriter
from quantix_operator.topology.view import DEFAULT_UNDERLAY_MTU, GENEVE_OVERHEAD_BYTES, underlay_mtus

KEY = "cluster"
DEFAULT_ROUTER = f"{NAMESPACE_SHARED}/default"
QUEUES: Mapping[str, tuple[str, Resource]] = {
    "Network": ("network", NETWORKS),
    "Router": ("router", ROUTERS),
    "FloatingIP": ("floatingip", FLOATING_IPS),
    "SecurityGroup": ("securitygroup", SECURITY_GROUPS),
    "VirtualMachine": ("virtualmachine", VIRTUAL_MACHINES),
}
"""Kinds of rows' owners: the controller that looks after them, and where they are listed."""

OPTIONS = {
    "bfd-min-rx": "300",
    "bfd-min-tx": "300",
    "bfd-mult": "3",
    "northd_probe_interval": "60000",
}


class ClusterController:
    """See the module."""

    name = "network-cluster"
    concurrency = 1
    resource: Resource | None = None

    def __init__(self, context: NetworkContext, sweep: Sweep) -> None:
        self._context = context
        self._sweep = sweep
        self._writer = StatusWriter(context.api, context.cache, MANAGER_NETWORK)
        cluster = context.cluster_uid
        self._owner = Owner(cluster, cluster, "Cluster", "cluster")
        self.watches: Mapping[Resource, Mapper] = {
            HOSTS: _the_one_key,
            ROUTERS: _the_one_key,
            NETWORKS: _the_one_key,
        }

    def attach(self, queues: Mapping[str, WorkQueue]) -> None:
        """Let changes that others make in the northbound database wake the controllers: whoever owns the
        rows; everybody after a full dump, because the database may be a new one.
        """

        def touched(kind: str, name: str) -> None:
            if kind in ("", self._owner.kind):
                queues[self.name].add(KEY)
            for owner_kind, (queue, resource) in QUEUES.items():
                if queue not in queues:
                    continue
                if kind == owner_kind:
                    queues[queue].add(name)
                elif not kind:
                    for item in self._context.cache.list(resource):
                        queues[queue].add(key_of(item))

        self._context.northbound.subscribe(touched)

    async def reconcile(self, key: str) -> float | None:
        """Bring the cluster's rows about, then tell the hosts; sweep what nobody owns."""
        northbound = self._context.northbound
        options = SharedKeys(await northbound.global_ref(), "options", OPTIONS)
        groups = list(cluster_groups(self._owner))
        plan = await self._plan_legs()
        legs = host_leg_rows(plan) if plan is not None else []
        await northbound.converge(self._owner.uid, [*groups, *legs], [options])
        await self._tell_hosts(plan)
        settled = await self._sweep.run()
        return SLOW_S if plan is not None and settled else RETRY_S

    async def _plan_legs(self) -> HostLegPlan | None:
        """The legs, None while the Router `default` is not there."""
        context = self._context
        router = context.objects.get(Router, DEFAULT_ROUTER)
        if router is None or not context.in_force(router):
            return None
        owner = router_owner(context.cluster_uid, router)
        here = owner.ref("Logical_Router")
        observed = await context.northbound.observe(owner.uid, [here])
        if here not in observed.known:
            return None
        hosts = self._hosts()
        recorded = {
            host.metadata.uid: address for host in hosts for address in _recorded(host.status.host_leg)
        }
        try:
            prefix = choose_prefix(recorded.values(), self._taken(hosts))
        except ValueError as full:
            said = render("SubnetOverlap", prefixes=", ".join(PREFIX_CANDIDATES))
            raise WaitingError(said.reason, said.sentence, said.hint, retry_after_s=SLOW_S) from full
        addresses = {uid: str(ip_interface(address).ip) for uid, address in recorded.items()}
        placed = place_hosts(prefix, [(host.metadata.name, host.metadata.uid) for host in hosts], addresses)
        return HostLegPlan(self._owner, owner, prefix, placed)

    def _hosts(self) -> list[Host]:
        """The hosts that have joined, the elder first (it keeps its address)."""
        joined = [host for host in self._context.objects.list(Host) if not host.deleting]
        return sorted(joined, key=lambda host: (host.status.host_leg is None, host.metadata.uid))

    def _taken(self, hosts: Iterable[Host]) -> list[str]:
        """Prefixes and addresses that the legs must not overlap."""
        networks = [
            subnet.cidr for network in self._context.objects.list(Network) for subnet in network.spec.subnets
        ]
        return [*networks, *(address for host in hosts for address in host.status.storage_addresses)]

    async def _tell_hosts(self, plan: HostLegPlan | None) -> None:
        router = self._context.objects.get(Router, DEFAULT_ROUTER)
        if plan is None or router is None:
            return
        hosts = self._hosts()
        legs = plan_legs(observe_router(self._context, router), self._context.ledger)
        prefixes = [subnet.cidr for leg in legs.inside for subnet in leg.view.subnets]
        mtu = min(underlay_mtus(hosts), default=DEFAULT_UNDERLAY_MTU) - GENEVE_OVERHEAD_BYTES
        for port in plan.hosts:
            await self._tell(port, host_leg_status(plan, port, prefixes, mtu))

    async def _tell(self, port: HostPort, leg: HostLeg) -> None:
        live = self._context.cache.get(HOSTS, port.name)
        if live is not None and live["metadata"].get("uid") == port.uid:
            await self._writer.write(HOSTS, live, {"hostLeg": to_manifest(leg)})


def _recorded(leg: HostLeg | None) -> list[str]:
    return [address for address in leg.addresses if ":" not in address] if leg is not None else []


def _the_one_key(_obj: Manifest, _cache: Cache) -> Iterable[str]:
    return (KEY,)
