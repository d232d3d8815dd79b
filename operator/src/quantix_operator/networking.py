"""Puts the network's controllers together around one connection to the northbound database.

Called by `quantix_operator.controllers`, which hands `ports` to the VM controller.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from quantix_operator.clients.ovn_nb import Northbound
from quantix_operator.clients.resolvers import read_resolvers
from quantix_operator.cluster.controller import ClusterController
from quantix_operator.cluster.figures import NetworkFigures
from quantix_operator.cluster.sweep import Sweep
from quantix_operator.context import Context
from quantix_operator.dispatch import Controller
from quantix_operator.floatingip.controller import FloatingIPController
from quantix_operator.ipam.ledger import Ledger
from quantix_operator.network.controller import NetworkController
from quantix_operator.network_context import NetworkContext
from quantix_operator.nics.feed import LedgerFeed
from quantix_operator.nics.ports import NicPorts
from quantix_operator.objects import Objects
from quantix_operator.router.controller import RouterController
from quantix_operator.securitygroup.controller import SecurityGroupController
from quantix_operator.virtualmachine.ports import Ports


@dataclass(frozen=True)
class Networking:
    """What the operator runs for the network."""

    controllers: tuple[Controller, ...]
    ports: Ports


@asynccontextmanager
async def networking(context: Context, remote: str, objects: Objects) -> AsyncIterator[Networking]:
    """The network's controllers, connected (or connecting) while inside. `remote` is the northbound
    database. The cache must be synced.
    """
    figures = NetworkFigures(context.metrics)
    northbound = Northbound(remote, context.cluster_uid, on_transaction=figures.transaction)
    shared = NetworkContext(
        api=context.api,
        cache=context.cache,
        objects=objects,
        northbound=northbound,
        ledger=Ledger(objects.takes_in),
        clock=context.clock,
        resolvers=await asyncio.to_thread(read_resolvers),
    )
    feed = LedgerFeed(context.cache, objects, shared.ledger, context.cluster_uid)
    controllers: tuple[Controller, ...] = (
        ClusterController(shared, Sweep(shared, figures)),
        NetworkController(shared),
        RouterController(shared),
        FloatingIPController(shared),
        SecurityGroupController(shared),
    )
    ports = NicPorts(context.api, objects, northbound, shared.ledger, feed)
    connection = asyncio.create_task(northbound.run(), name="northbound")
    try:
        yield Networking(controllers, ports)
    finally:
        connection.cancel()
        with suppress(asyncio.CancelledError):
            await connection
