"""The certificate that hostd's API shows: for this host's name and address, renewed without a restart.

Run by `assembly` next to everything else: the unix socket is open before, TLS opens when the operator has
signed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import structlog

from quantix_api.errors import QuantixError
from quantix_api.layout import Layout
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_hostd.clients.files import write_atomically
from quantix_hostd.join.requests import (
    SERVING,
    alternative_names,
    matches,
    new_key,
    renewal_due_s,
    usable,
)
from quantix_hostd.join.signing import obtain_certificate

_RETRY_S = 30.0
# so that a clock that somebody set ahead is noticed before the certificate ends
_SHORTEST_SLEEP_S, _LONGEST_SLEEP_S = 1.0, 300.0

log = structlog.get_logger(__name__)


class ServingCertificate:
    """Certificate and key below `layout.pki`, for `host` and `addresses`."""

    def __init__(self, layout: Layout, host: str, addresses: Sequence[str], clock: Clock) -> None:
        self._certificate = layout.pki / "serving.crt"
        self._key = layout.pki / "serving.key"
        self._host = host
        self._names = (host, *addresses)
        self._clock = clock

    async def run(
        self, api: ApiClient, context: ssl.SSLContext, on_ready: Callable[[], Awaitable[None]]
    ) -> None:
        """Until cancelled: keep a good certificate in `context`; `on_ready` is called once, with the
        first.
        """
        ready = False
        while True:
            try:
                due_s = await self._ensure(api, context)
            except QuantixError as error:
                log.warning("no serving certificate", reason=error.reason, error=str(error))
                await self._clock.sleep(_RETRY_S)
                continue
            if not ready:
                ready = True
                await on_ready()
            await self._clock.sleep(min(max(due_s, _SHORTEST_SLEEP_S), _LONGEST_SLEEP_S))

    async def _ensure(self, api: ApiClient, context: ssl.SSLContext) -> float:
        """Load what is on disk, after replacing it where it is not good; seconds until it is due."""
        if not self._good():
            key = new_key()
            certificate = await obtain_certificate(api, SERVING, self._host, key, self._clock, self._names)
            await asyncio.to_thread(self._store, certificate, key)
            log.info("serving certificate renewed", names=self._names)
        context.load_cert_chain(self._certificate, self._key)
        return renewal_due_s(self._certificate.read_text(), datetime.now(UTC))

    def _good(self) -> bool:
        if not self._certificate.exists() or not self._key.exists():
            return False
        certificate = self._certificate.read_text()
        now = datetime.now(UTC)
        return (
            usable(certificate, now)
            and renewal_due_s(certificate, now) > 0
            and matches(certificate, self._key.read_text())
            and alternative_names(certificate) == frozenset(self._names)
        )

    def _store(self, certificate: str, key: str) -> None:
        """Key first: a crash between the two leaves a pair that does not match, and is replaced."""
        self._key.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._key, key.encode(), mode=0o600)
        write_atomically(self._certificate, certificate.encode(), mode=0o644)
