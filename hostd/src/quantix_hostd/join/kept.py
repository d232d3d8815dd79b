"""A certificate on disk that stays good: asked for, renewed in time, for whoever is to use its files.

Used by `doors` for the server of hostd's API, and by `join.ovn`. The key never leaves the machine, and is on
disk before it is used.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from quantix_api.errors import PermanentError, QuantixError
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_hostd.clients.files import explained, write_atomically
from quantix_hostd.join.requests import (
    Wanted,
    alternative_names,
    common_name,
    issued_by,
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


def utc_now() -> datetime:
    return datetime.now(UTC)


class KeptCertificate:
    """`certificate` and `key` are its files; `now` is the time by which certificates begin and end."""

    def __init__(
        self, certificate: Path, key: Path, clock: Clock, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.certificate = certificate
        self.key = key
        self._draft = key.with_name(key.name + ".new")
        self._clock = clock
        self._now = now

    async def ensure(
        self, api: ApiClient, wanted: Wanted, use: Callable[[], Awaitable[None]], authority_pem: str = ""
    ) -> float:
        """Have `use` called with good files, and again with the next ones when these are due; seconds until
        they are due again.

        With `authority_pem` only what one of these authorities signed is good. Waits as long as nobody
        decides on a request. Raises PermanentError (JoinDenied …), TransientError, ApiError, what `use` does.
        """
        good = await asyncio.to_thread(self._is_good, wanted, authority_pem)
        if good:
            await use()
        if not good or self._due_s() <= 0:
            await self._renew(api, wanted)
            await use()
        return self._due_s()

    async def keep(
        self, step: Callable[[], Awaitable[float]], failed: Callable[[QuantixError], None]
    ) -> None:
        """Until cancelled: take `step`, which calls `ensure`, whenever it says so. Failures are logged, told
        and tried again.
        """
        while True:
            try:
                due_s = await step()
            except QuantixError as error:
                log.warning(
                    "no certificate", file=str(self.certificate), reason=error.reason, error=str(error)
                )
                failed(error)
                due_s = _RETRY_S
            await self._clock.sleep(min(max(due_s, _SHORTEST_SLEEP_S), _LONGEST_SLEEP_S))

    async def _renew(self, api: ApiClient, wanted: Wanted) -> None:
        try:
            key = await asyncio.to_thread(self._pending_key)
            certificate = await obtain_certificate(api, wanted, key, self._clock)
            await asyncio.to_thread(self._store, certificate, key)
        except PermanentError:
            # the next request has another key, and so another name than the one that was denied
            await asyncio.to_thread(self._draft.unlink, missing_ok=True)
            raise
        except OSError as error:
            raise explained(error, str(self.certificate)) from error
        log.info("certificate renewed", file=str(self.certificate), names=wanted.names)

    def _is_good(self, wanted: Wanted, authority_pem: str) -> bool:
        """Whether the pair on disk is what is wanted, now."""
        try:
            certificate, key = self.certificate.read_text(), self.key.read_text()
            return (
                usable(certificate, self._now())
                and matches(certificate, key)
                and common_name(certificate) == wanted.common_name
                and alternative_names(certificate) == frozenset(wanted.names)
                and (not authority_pem or issued_by(certificate, authority_pem))
            )
        except (OSError, UnicodeDecodeError, PermanentError):
            return False

    def _due_s(self) -> float:
        return renewal_due_s(self.certificate.read_text(), self._now())

    def _pending_key(self) -> str:
        """The key of a request that is under way, or a new one."""
        if not self._draft.exists():
            self._draft.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._draft, new_key().encode(), mode=0o600)
        return self._draft.read_text()

    def _store(self, certificate: str, key: str) -> None:
        """Key first: a crash between the two leaves a pair that does not match, and is replaced.

        Touched afterwards: Open vSwitch (3.1, lib/stream-ssl.c) takes a pair whose key and certificate are
        both newer than those that it has, and forgets that the key was when it looks between the two.
        """
        write_atomically(self.key, key.encode(), mode=0o600)
        write_atomically(self.certificate, certificate.encode(), mode=0o644)
        os.utime(self.key)
        self._draft.unlink(missing_ok=True)
