"""kopf's events → cache. Nothing else, and nothing else imports kopf.

kopf runs in a thread of its own: it takes over signals, and when it stops it cancels every task of its event
loop. Each event is handed to the main loop, where the cache tells the controllers' queues.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import kopf
import structlog
from cryptography import x509

from quantix_api.errors import TransientError
from quantix_api.resources import Resource
from quantix_client.kubeconfig import Access
from quantix_operator.cache import Cache
from quantix_operator.metrics import Metrics

log = structlog.get_logger(__name__)

_STOP_S = 10.0


class EndlessBackoff:
    """Seconds between attempts while the API is away. Without an end, so that kopf never gives up."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0, 2.0)
        while True:
            yield 3.0


class KopfThread:
    """Pumps watch events into the cache until stopped."""

    def __init__(self, access: Callable[[], Access], cache: Cache, metrics: Metrics) -> None:
        self._access = access
        self._cache = cache
        self._metrics = metrics
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether kopf runs."""
        return self._thread is not None and self._thread.is_alive()

    async def run(self) -> None:
        """Until cancelled. Raises TransientError when kopf ends by itself: the process should start anew."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def body() -> None:
            try:
                asyncio.run(self._operate(loop))
            except Exception:
                log.exception("kopf failed")
            finally:
                loop.call_soon_threadsafe(ended.set)

        self._thread = threading.Thread(target=body, name="kopf", daemon=True)
        self._thread.start()
        try:
            await ended.wait()
        finally:
            self._stop.set()
        raise TransientError("WatchEnded", "kopf ended by itself")

    async def stopped(self) -> None:
        """Wait until the thread has ended, at most some seconds."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _STOP_S)

    async def _operate(self, loop: asyncio.AbstractEventLoop) -> None:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, id="login", backoff=1.0)(self._login)
        for resource in self._cache.resources:
            register(registry, resource, self._receiver(resource, loop))
        await kopf.operator(
            registry=registry, settings=operator_settings(), clusterwide=True, stop_flag=self._stop
        )

    def _login(self, **_: Any) -> kopf.ConnectionInfo:
        return connection_info(self._access(), datetime.now(UTC))

    def _receiver(self, resource: Resource, loop: asyncio.AbstractEventLoop) -> Callable[..., None]:
        counter = self._metrics.events.labels(resource.plural)

        def receive(kind: str | None, obj: dict[str, Any]) -> None:
            counter.inc()
            if kind == "DELETED":
                self._cache.remove(resource, obj)
            else:
                self._cache.put(resource, obj)

        async def on_event(event: dict[str, Any], **_: Any) -> None:
            loop.call_soon_threadsafe(receive, event["type"], event["object"])

        return on_event  # type: ignore[return-value]


def register(registry: kopf.OperatorRegistry, resource: Resource, receive: Callable[..., Any]) -> None:
    """One `on.event` handler, which makes kopf write nothing, add no finalizer and keep no progress."""
    kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=resource.plural)(
        receive
    )


def operator_settings() -> kopf.OperatorSettings:
    """kopf as an entrance and no more (architecture.md, "kopf")."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.networking.error_backoffs = EndlessBackoff()
    settings.networking.connect_timeout = 5.0
    settings.networking.request_timeout = 60.0
    return settings


def connection_info(access: Access, now: datetime) -> kopf.ConnectionInfo:
    """Our credentials for kopf, which logs in anew at `expiration`, or when they are refused."""
    certificate = access.certificate_pem
    return kopf.ConnectionInfo(
        server=access.server,
        ca_data=access.ca_pem,
        certificate_data=access.certificate_pem,
        private_key_data=access.key_pem,
        token=access.token,
        expiration=switch_at(x509.load_pem_x509_certificate(certificate.encode()), now)
        if certificate
        else None,
    )


def switch_at(certificate: x509.Certificate, now: datetime) -> datetime:
    """When to take the next certificate: between its renewal, after two thirds, and the end of this one.

    At the end itself when there was no renewal by then: kopf would log in at every call.
    """
    ends = certificate.not_valid_after_utc
    early = ends - (ends - certificate.not_valid_before_utc) / 6
    return early if now < early else ends


def quiet_kopf() -> None:
    """kopf logs every attempt while the API is away; `resync` says the same once. Its warnings stay."""
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("kopf._cogs.clients").setLevel(logging.CRITICAL)
    # "OS signals are ignored: running not in the main thread": on purpose
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
