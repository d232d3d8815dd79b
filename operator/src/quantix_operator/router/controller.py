"""Routers: keeps their northbound rows and their status as spec, networks and hosts say.

Built by `networking`. Addresses outside are chosen once and kept in status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from quantix_api import FloatingIP, Host, Router
from quantix_api.errors import WaitingError
from quantix_api.facts import Fact, fact, render_conditions, subject_in
from quantix_api.message_table_phrases import GOES_AFTER
from quantix_api.resources import FLOATING_IPS, HOSTS, NETWORKS, ROUTERS, Resource
from quantix_client.api import Manifest
from quantix_operator.clients.ovn_nb_errors import NorthboundUnreachable
from quantix_operator.dispatch import Mapper, OnChangeOf, own_key
from quantix_operator.finalizers import Finalizers
from quantix_operator.indexers import leading_through
from quantix_operator.network_context import RETRY_S, SLOW_S, NetworkContext, unreachable
from quantix_operator.router import watches
from quantix_operator.router.addresses import OUTSIDE
from quantix_operator.router.claims import RouterFeed, record
from quantix_operator.router.observe import observe_router
from quantix_operator.router.plan import Legs, plan_legs
from quantix_operator.router.routes import Routes, plan_routes
from quantix_operator.router.rows import RouterPlan, router_owner, router_rows
from quantix_operator.status_writer import StatusWriter
from quantix_operator.tenancy import users_as_told


class RouterController:
    """See the module."""

    name = "router"
    concurrency = 2
    resource: Resource | None = ROUTERS

    def __init__(self, context: NetworkContext) -> None:
        self._context = context
        self._writer = StatusWriter(context.api, context.cache)
        self._finalizers = Finalizers(context.api, context.cache, ROUTERS)
        self.watches: Mapping[Resource, Mapper] = {
            ROUTERS: own_key,
            NETWORKS: watches.of_network,
            HOSTS: OnChangeOf(watches.part_of_host, watches.of_host),
            FLOATING_IPS: watches.of_floating_ip,
        }
        self._feed = RouterFeed(context.cache, context.objects, context.ledger, context.cluster_uid)

    async def reconcile(self, key: str) -> float | None:
        """Bring one Router about."""
        router = self._context.objects.get(Router, key)
        live = self._context.cache.get(ROUTERS, key)
        if router is None or live is None:
            return None
        users = self._users(router) if router.deleting else ()
        if router.deleting and not users:
            return await self._delete(router, live)
        held = await self._finalizers.ensure(live)
        if held is None:
            return None
        legs = plan_legs(observe_router(self._context, router), self._context.ledger)
        # With no await since the ledger was asked
        record(router, legs.held, self._context.ledger)
        routes = plan_routes(router.spec.routes, legs)
        legs = replace(legs, problem=legs.problem or routes.problem)
        ready = await self._converge(router, legs, routes, held)
        if users:
            ready = kept_by(users, router)
        await self._writer.write(ROUTERS, held, self._status(legs, ready, held))
        return SLOW_S if ready.status == "True" else RETRY_S

    def _users(self, router: Router) -> tuple[FloatingIP, ...]:
        """The floating IPs that lead through a Router: until they are gone it is in force as if nobody had
        deleted it.
        """
        return tuple(self._context.objects.by(FloatingIP, leading_through, router.key))

    async def _converge(self, router: Router, legs: Legs, routes: Routes, live: Manifest) -> Fact:
        context = self._context
        try:
            plan = RouterPlan(
                owner=router_owner(context.cluster_uid, router),
                inside=legs.inside,
                outside=legs.outside if legs.outside is not None and legs.outside.addresses else None,
                routes=routes.kept,
                capabilities=await context.northbound.capabilities(),
            )
            await context.northbound.converge(router.metadata.uid, router_rows(plan))
        except NorthboundUnreachable:
            return unreachable(live)
        except WaitingError:
            return legs.problem or fact("Ready", "False", "Programming")
        return legs.problem or fact("Ready", "True", "Programmed")

    def _status(self, legs: Legs, ready: Fact, live: Manifest) -> Manifest:
        names = {host.metadata.uid: host.metadata.name for host in self._context.objects.list(Host)}
        status: Manifest = {
            "observedGeneration": int(live["metadata"].get("generation") or 0),
            "conditions": render_conditions([ready], subject_in(ROUTERS, live), datetime.now(UTC)),
        }
        outside = legs.held.get(OUTSIDE)
        if outside is not None and outside.addresses:
            status["address"] = outside.addresses[0]
            status["addresses"] = list(outside.addresses)
        if legs.outside is not None:
            status["gatewayHosts"] = [names[uid] for uid in legs.outside.gateways if uid in names]
        return status

    async def _delete(self, router: Router, live: Manifest) -> float | None:
        try:
            await self._context.northbound.converge(router.metadata.uid, [])
        except NorthboundUnreachable:
            ready = unreachable(live)
            outside = self._context.ledger.allocation(router.metadata.uid, OUTSIDE)
            held = {OUTSIDE: outside} if outside is not None else {}
            await self._writer.write(ROUTERS, live, self._status(Legs((), None, None, held), ready, live))
            return RETRY_S
        self._context.ledger.release(router.metadata.uid)
        await self._finalizers.release(live)
        return None


def kept_by(users: Sequence[FloatingIP], router: Router) -> Fact:
    """What a Router that is deleted waits for: somebody, or that those go which are deleted, too."""
    staying = sorted(item.key for item in users if not item.deleting)
    told = users_as_told(
        staying or sorted(item.key for item in users), router.metadata.namespace or "", "floating IP"
    )
    if not staying:
        return fact("Ready", "False", "Deleting", what=GOES_AFTER.format(users=told))
    return fact("Ready", "False", "InUse", floating_ips=told)
