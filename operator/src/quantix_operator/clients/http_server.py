"""Serves /metrics, /healthz and /readyz, and plans to those who may have them. Started by `service`; loopback
unless told otherwise; no secrets in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from quantix_api.errors import PermanentError
from quantix_operator.clients.plan_door import PlanDoor
from quantix_operator.health import Health

Probe = Callable[[], Health]


@asynccontextmanager
async def serving(
    host: str, port: int, registry: CollectorRegistry, *, live: Probe, ready: Probe, plans: PlanDoor
) -> AsyncIterator[int]:
    """Serve while inside; yields the port. Raises PermanentError (PortTaken)."""

    async def metrics(_request: web.Request) -> web.Response:
        # in a thread: it goes through every object that is known
        text = await asyncio.to_thread(generate_latest, registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def answering(probe: Probe) -> Callable[[web.Request], object]:
        async def answer(_request: web.Request) -> web.Response:
            health = probe()
            return web.Response(text=health.text, status=200 if health.ok else 503)

        return answer

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    application.router.add_get("/healthz", answering(live))  # type: ignore[arg-type]
    application.router.add_get("/readyz", answering(ready))  # type: ignore[arg-type]
    application.add_routes(plans.routes(local=False))
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise PermanentError(
                "PortTaken",
                f"Metrics cannot be served on {host}:{port}: {error.strerror}",
                "choose another --metrics",
            ) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
