"""The operator's table of contents: settings → clients → cache → election → controllers.

Every process keeps a warm cache; one leads and decides. It exits when it loses the lease, when kopf ends or
when the API was restored, and whoever supervises it starts it anew.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from quantix_api.errors import QuantixError, TransientError
from quantix_api.resources import (
    CSRS,
    NAMESPACE_SYSTEM,
    NAMESPACES,
    QUANTIX_RESOURCES,
)
from quantix_client.api import ApiClient
from quantix_client.clock import SystemClock
from quantix_client.events import EventRecorder
from quantix_client.kubeconfig import load
from quantix_client.lease import LeaderLease
from quantix_client.logs import configure_logging
from quantix_operator.cache import Cache
from quantix_operator.certificates.expiry import ExpiryWatch
from quantix_operator.certificates.token import TokenRenewal
from quantix_operator.clients.http_server import serving
from quantix_operator.clients.plan_door import PlanDoor
from quantix_operator.context import Context
from quantix_operator.controllers import build_controllers
from quantix_operator.dispatch import Dispatcher
from quantix_operator.error_report import ErrorReport
from quantix_operator.handlers import KopfThread, quiet_kopf
from quantix_operator.health import Health, liveness, readiness
from quantix_operator.leader import LEADER_LEASE, ensure_cluster_uid, work_while_leading
from quantix_operator.lease_thread import LeaseThread
from quantix_operator.lease_watch import LeaseWatch
from quantix_operator.metrics import Metrics
from quantix_operator.objects import Objects
from quantix_operator.resync import Resync
from quantix_operator.settings import Settings, parse
from quantix_operator.whatif.answer import Planner

WATCHED = (*QUANTIX_RESOURCES, CSRS, NAMESPACES)

log = structlog.get_logger(__name__)


class Operator:
    """The parts of one process, and the order in which they live. `die` ends the process at once: for a
    former leader whose work does not end.
    """

    def __init__(
        self, settings: Settings, client: ApiClient, metrics: Metrics, die: Callable[[], None]
    ) -> None:
        self.settings = settings
        self.die = die
        self.client = client
        self.clock = SystemClock()
        self.metrics = metrics
        self.cache = Cache(WATCHED)
        self.events = EventRecorder(client, settings.host_name, clock=self.clock)
        self.watches = KopfThread(lambda: load(settings.kubeconfig), self.cache, self.metrics)
        self.leases = LeaseWatch(client, self.clock)
        self.metrics.watch_cache(self.cache, self.leases.silent_s)
        self.expiry = ExpiryWatch(client, self.metrics, self.clock)
        self.token = TokenRenewal(client, settings.kubeconfig, self.clock)
        self.resync = Resync(client, self.cache, self.metrics, period_s=settings.resync_s, clock=self.clock)
        self.lease = LeaseThread(self.open_lease, die)
        self.planner = Planner(client)

    async def run(self) -> None:
        """Until cancelled, or until something ends that must not: then raises it."""
        door = PlanDoor(self.client, self.planner.answer, self.planner.answer_balance)
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(
                serving(
                    self.settings.metrics_host,
                    self.settings.metrics_port,
                    self.metrics.registry,
                    live=self.liveness,
                    ready=self.readiness,
                    plans=door,
                )
            )
            await stack.enter_async_context(door.serving_root(self.settings.layout.operator_socket))
            log.info("operator started", identity=self.settings.identity, metrics_port=port)
            stack.push_async_callback(self.watches.stopped)
            await stack.enter_async_context(self.lease)
            await self.resync.fill()
            await self.resync.await_discovery(WATCHED)
            async with asyncio.TaskGroup() as group:
                group.create_task(self.watches.run(), name="watches")
                group.create_task(self.leases.run(), name="host-leases")
                group.create_task(self.resync.run(), name="resync")
                group.create_task(self.events.run(), name="events")
                group.create_task(self.expiry.run(), name="expiry")
                group.create_task(self.token.run(), name="token")
                group.create_task(self.lead(), name="leader")

    @asynccontextmanager
    async def open_lease(self) -> AsyncIterator[LeaderLease]:
        """The lease of the leader, over a connection of its own."""
        async with open_client(self.settings, self.metrics) as client:
            yield LeaderLease(
                client, LEADER_LEASE, NAMESPACE_SYSTEM, self.settings.identity, clock=self.clock
            )

    async def lead(self) -> None:
        """Wait for leadership, decide as long as it lasts, then raise (LeadershipLost)."""
        await self.lease.acquire()
        try:
            await work_while_leading(self.lease, self.control, self.die)
        finally:
            self.metrics.leader.set(0)
            self.planner.give_way()
            await self.lease.release()
        raise TransientError("LeadershipLost", "Another operator leads now, or the API was away for too long")

    async def control(self) -> None:
        """Run the controllers. Only called while this process leads."""
        context = Context(
            settings=self.settings,
            api=self.client,
            cache=self.cache,
            events=self.events,
            metrics=self.metrics,
            clock=self.clock,
            leases=self.leases,
            cluster_uid=await ensure_cluster_uid(self.client),
        )
        report = ErrorReport(self.client, self.cache, self.metrics)
        objects = Objects(self.cache)
        async with build_controllers(context, objects) as controllers:
            self.metrics.leader.set(1)
            self.planner.lead(objects)
            await Dispatcher(self.cache, controllers, self.metrics, report=report, clock=self.clock).run()

    def liveness(self) -> Health:
        return liveness(synced=self.cache.synced.is_set(), watching=self.watches.alive)

    def readiness(self) -> Health:
        return readiness(synced=self.cache.synced.is_set(), watching=self.watches.alive)


def open_client(settings: Settings, metrics: Metrics) -> ApiClient:
    """A client that counts its requests. Raises PermanentError when the kubeconfig is unusable."""
    return ApiClient.from_kubeconfig(
        settings.kubeconfig, user_agent="quantix-operator", on_answer=metrics.requests
    )


async def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT (0), or until the process should be started anew (1)."""
    loop = asyncio.get_running_loop()
    metrics = Metrics()
    async with open_client(settings, metrics) as client:
        operator = Operator(settings, client, metrics, die=lambda: os._exit(1))
        running = asyncio.create_task(operator.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        try:
            await running
        except asyncio.CancelledError:
            log.info("operator stopped")
            return 0
        except ExceptionGroup as group:
            for error in group.exceptions:
                _explain(error)
    return 1


def _explain(error: Exception) -> None:
    if isinstance(error, QuantixError):
        log.error("operator ends, to be started anew", reason=error.reason, error=str(error))
    else:
        log.error("operator ends, to be started anew", exc_info=error)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entrance of `quantix-operator`. Exit codes: 0 stopped, 1 to be started anew, 2 wrong flags."""
    settings = parse(sys.argv[1:] if arguments is None else arguments)
    configure_logging(json=settings.json_logs)
    quiet_kopf()
    try:
        code = asyncio.run(serve(settings))
    except QuantixError as error:
        log.error("operator cannot run", reason=error.reason, error=str(error))
        code = 1
    sys.exit(code)
