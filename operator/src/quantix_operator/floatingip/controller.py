"""Floating IPs: keeps their addresses, their translations at routers, and their status.

Built by `networking`. A FloatingIP stays when its VM goes, and says so. It lets go of a VM as soon as that is
to be deleted, before another guest can have the address inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from quantix_api import FloatingIP
from quantix_api.errors import WaitingError
from quantix_api.facts import Fact, fact, render_conditions, subject_in
from quantix_api.resources import FLOATING_IPS, HOSTS, NETWORKS, ROUTERS, VIRTUAL_MACHINES, Resource
from quantix_client.api import Manifest
from quantix_operator.clients.ovn_nb_errors import NorthboundUnreachable
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.finalizers import Finalizers
from quantix_operator.floatingip import watches
from quantix_operator.floatingip.addresses import CLAIM
from quantix_operator.floatingip.claims import FloatingIPFeed, record
from quantix_operator.floatingip.observe import observe_floating_ip
from quantix_operator.floatingip.plan import Outcome, plan_floating_ip
from quantix_operator.floatingip.rows import floating_ip_owner, floating_ip_rows
from quantix_operator.floatingip.status import leads_to, led_to, ready_of
from quantix_operator.network_context import RETRY_S, SLOW_S, NetworkContext, unreachable
from quantix_operator.status_writer import StatusWriter


class FloatingIPController:
    """See the module."""

    name = "floatingip"
    concurrency = 4
    resource: Resource | None = FLOATING_IPS

    def __init__(self, context: NetworkContext) -> None:
        self._context = context
        self._writer = StatusWriter(context.api, context.cache)
        self._finalizers = Finalizers(context.api, context.cache, FLOATING_IPS)
        self.watches: Mapping[Resource, Mapper] = {
            FLOATING_IPS: watches.of_floating_ip,
            VIRTUAL_MACHINES: OnChangeOf(watches.part_of_vm, watches.of_vm),
            NETWORKS: OnChangeOf(watches.part_of_network, watches.of_network),
            ROUTERS: OnChangeOf(watches.part_of_router, watches.of_router),
            HOSTS: OnChangeOf(watches.part_of_host, watches.of_host),
        }
        self._feed = FloatingIPFeed(context.cache, context.objects, context.ledger, context.cluster_uid)

    async def reconcile(self, key: str) -> float | None:
        """Bring one FloatingIP about."""
        floating_ip = self._context.objects.get(FloatingIP, key)
        live = self._context.cache.get(FLOATING_IPS, key)
        if floating_ip is None or live is None:
            return None
        if floating_ip.deleting:
            return await self._delete(floating_ip, live)
        held = await self._finalizers.ensure(live)
        if held is None:
            return None
        outcome = plan_floating_ip(observe_floating_ip(self._context, floating_ip), self._context.ledger)
        # With no await since the ledger was asked
        record(floating_ip, outcome.held, self._context.ledger)
        failed = await self._converge(floating_ip, outcome, held)
        ready = failed or ready_of(floating_ip, outcome)
        where = led_to(floating_ip.status) if failed is not None else leads_to(outcome.attachment)
        await self._say(floating_ip, held, ready, where)
        return SLOW_S if ready.status == "True" else RETRY_S

    async def _converge(self, floating_ip: FloatingIP, outcome: Outcome, live: Manifest) -> Fact | None:
        """Make it so; returns what is said while that is not done."""
        owner = floating_ip_owner(self._context.cluster_uid, floating_ip)
        translation = outcome.attachment.translation if outcome.attachment is not None else None
        try:
            await self._context.northbound.converge(owner.uid, floating_ip_rows(owner, translation))
        except NorthboundUnreachable:
            return unreachable(live)
        except WaitingError:
            return outcome.problem or fact("Ready", "False", "Programming")
        return None

    async def _say(self, floating_ip: FloatingIP, live: Manifest, ready: Fact, where: Manifest) -> None:
        status: Manifest = {
            "observedGeneration": int(live["metadata"].get("generation") or 0),
            "conditions": render_conditions([ready], subject_in(FLOATING_IPS, live), datetime.now(UTC)),
            **where,
        }
        held = self._context.ledger.allocation(floating_ip.metadata.uid, CLAIM)
        if held is not None:
            status["address"] = held.addresses[0]
        await self._writer.write(FLOATING_IPS, live, status)

    async def _delete(self, floating_ip: FloatingIP, live: Manifest) -> float | None:
        try:
            await self._context.northbound.converge(floating_ip.metadata.uid, [])
        except NorthboundUnreachable:
            await self._say(floating_ip, live, unreachable(live), led_to(floating_ip.status))
            return RETRY_S
        self._context.ledger.release(floating_ip.metadata.uid)
        await self._finalizers.release(live)
        return None
