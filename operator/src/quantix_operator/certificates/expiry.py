"""Tells well before a certificate ends that everything hangs on: a metric, and a warning in the log.

Run by `service` in every process, leading or not. Our own certificates are renewed long before these
warnings; they are for the authority of a cluster that is not ours, and for a renewal that does not work.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from cryptography import x509

from quantix_api.resources import CA_CONFIG_MAP, CONFIG_MAPS, NAMESPACE_SHARED
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_client.errors import ApiError
from quantix_operator.certificates.token import parse_token
from quantix_operator.metrics import Metrics

_SOON_S = 30.0
_LOOK_S = 6 * 3600.0
_AUTHORITY_WARNING = timedelta(days=180)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Expiry:
    """When a certificate ends, and since when that is worth a warning."""

    certificate: str
    ends: datetime
    warned_from: datetime

    def is_near(self, now: datetime) -> bool:
        return now >= self.warned_from


def authority_expiry(name: str, pem: str) -> Expiry:
    """Of the authority that ends first. Raises ValueError when there is none in `pem`."""
    ends = min(
        certificate.not_valid_after_utc for certificate in x509.load_pem_x509_certificates(pem.encode())
    )
    return Expiry(name, ends, ends - _AUTHORITY_WARNING)


def leaf_expiry(name: str, pem: str) -> Expiry:
    """Of a certificate that somebody renews after two thirds of its life: near when a sixth is left."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    ends = certificate.not_valid_after_utc
    return Expiry(name, ends, ends - (ends - certificate.not_valid_before_utc) / 6)


def token_expiry(name: str, text: str) -> Expiry:
    """Of a service account's token, near when a sixth is left. Raises ValueError when it says no end."""
    token = parse_token(text)
    return Expiry(name, token.ends, token.ends - (token.ends - token.begins) / 6)


class ExpiryWatch:
    """See the module."""

    def __init__(self, client: ApiClient, metrics: Metrics, clock: Clock) -> None:
        self._client = client
        self._metrics = metrics
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled. What cannot be read is left out this time."""
        # the authority of hosts is made soon after the first start
        soon, began_s = True, self._clock.monotonic()
        while True:
            of_hosts = await self._of_hosts()
            self.report([*self._of_access(), *of_hosts], datetime.now(UTC))
            soon = soon and not of_hosts
            await self._clock.sleep(_SOON_S if soon else _LOOK_S)
            soon = soon and self._clock.monotonic() - began_s < _LOOK_S

    def report(self, found: list[Expiry], now: datetime) -> None:
        """Show all of them, warn of those that are near."""
        for expiry in found:
            self._metrics.certificate_ends.labels(expiry.certificate).set(expiry.ends.timestamp())
            if expiry.is_near(now):
                left = expiry.ends - now
                log.warning(
                    "certificate ends soon",
                    certificate=expiry.certificate,
                    ends=str(expiry.ends),
                    days=left.days,
                )

    def _of_access(self) -> Iterator[Expiry]:
        access = self._client.access
        # exotic ones that TLS takes and this library cannot read are nobody's fault
        with contextlib.suppress(ValueError):
            if access.ca_pem:
                yield authority_expiry("api-authority", access.ca_pem)
        with contextlib.suppress(ValueError):
            if access.certificate_pem:
                yield leaf_expiry("operator", access.certificate_pem)
            elif access.token:
                yield token_expiry("operator", access.token)

    async def _of_hosts(self) -> list[Expiry]:
        try:
            published = await self._client.get(CONFIG_MAPS, CA_CONFIG_MAP, NAMESPACE_SHARED)
            return [authority_expiry("host-authority", (published.get("data") or {}).get("ca.crt") or "")]
        except (ApiError, ValueError):
            # not made yet, or damaged: who signs with it says so
            return []
