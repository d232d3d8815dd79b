"""The host itself over its API: health, figures, and what only root on it may do."""

from __future__ import annotations

from dataclasses import asdict

import structlog
from aiohttp import web

from quantix_hostd.api.backend import METRICS_TYPE, Backend
from quantix_hostd.api.guard import Guard, access_to

log = structlog.get_logger(__name__)


class HostDoors:
    """Handlers of /healthz, /metrics and below /v1/host."""

    def __init__(self, backend: Backend, guard: Guard) -> None:
        self._backend = backend
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self.health),
            web.get("/metrics", self.metrics),
            web.post("/v1/host/shutdown", self.shut_down),
            web.get("/v1/host/guests", self.guests),
            web.get("/v1/host/orphans", self.orphans),
            web.post("/v1/host/orphans/{uid}/end", self.end_orphan),
        ]

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"host": self._backend.host, "healthy": True})

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus' text."""
        await self._guard.admit(request, access_to("get", "hosts", "metrics", name=self._backend.host))
        text = await self._backend.metrics(None)
        return web.Response(body=text, headers={"Content-Type": METRICS_TYPE})

    async def shut_down(self, _: web.Request) -> web.Response:
        """Shut every guest down; once none is left, answers with the names of those that start again with
        Quantix.
        """
        self._only_root("shuts it down")
        log.info("guests are being shut down", audit=True, user="root")
        return web.json_response({"virtualMachines": await self._backend.shut_down()})

    async def guests(self, _: web.Request) -> web.Response:
        """Whom a shutdown waits for, and for how long: `{"guests": [{"name", "graceSeconds"}]}`."""
        self._only_root("sees its guests")
        found = await self._backend.guests()
        return web.json_response(
            {"guests": [{"name": name, "graceSeconds": seconds} for name, seconds in found.items()]}
        )

    async def orphans(self, _: web.Request) -> web.Response:
        """The guests whose VM the API does not have."""
        self._only_root("sees its orphans")
        found = await self._backend.orphans.orphans()
        return web.json_response({"orphans": [asdict(orphan) for orphan in found]})

    async def end_orphan(self, request: web.Request) -> web.Response:
        """Begin to end one of them; answers with what it is, before it is gone."""
        self._only_root("ends its orphans")
        uid = request.match_info["uid"]
        orphan = await self._backend.orphans.end_orphan(uid)
        log.info("door opened", audit=True, door="host/orphans/end", uid=uid, user="root")
        return web.json_response(asdict(orphan), status=202)

    def _only_root(self, does: str) -> None:
        if not self._guard.local:
            raise web.HTTPForbidden(text=f"Only root on the host itself {does}.")
