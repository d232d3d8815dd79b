"""How long each host has been silent, on this process's own clock (design/ha.md, Detection).

`LeaseWatch.run` is started by `service` in every operator, leading or not, so that a new leader need not
start counting. The host controller asks `silent_s`. It decides nothing: silence is a reason to look, never a
proof.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from quantix_api.resources import LEASES, NAMESPACE_HOSTS
from quantix_client.api import ApiClient, Manifest
from quantix_client.clock import Clock, SystemClock
from quantix_client.errors import ApiError

log = structlog.get_logger(__name__)

# A longer gap in our own loop means that we, not the hosts, were away
OBSERVER_GAP_S = 2.0
POLL_S = 1.0


@dataclass(frozen=True)
class _Seen:
    beat: tuple[str, str]
    changed_at_s: float


class LeaseAges:
    """Silence by host. It counts only while the observer works: every own failure starts it at zero again."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._last_look_s: float | None = None

    def look(self, leases: Iterable[Manifest], now_s: float) -> None:
        """Note all leases as they are at `now_s`."""
        awake = self._last_look_s is not None and now_s - self._last_look_s <= OBSERVER_GAP_S
        self._last_look_s = now_s
        seen: dict[str, _Seen] = {}
        for lease in leases:
            name = lease["metadata"]["name"]
            spec = lease.get("spec") or {}
            beat = (str(spec.get("holderIdentity") or ""), str(spec.get("renewTime") or ""))
            before = self._seen.get(name)
            silent = awake and before is not None and before.beat == beat
            seen[name] = before if silent and before is not None else _Seen(beat, now_s)
        self._seen = seen

    def blind(self) -> None:
        """The leases could not be read: what is unknown is not lost."""
        self._last_look_s = None

    def silent_s(self, host: str, now_s: float) -> float | None:
        """Seconds since a beat was seen; None for a host without a lease, or while nothing is known."""
        seen = self._seen.get(host)
        if seen is None or self._last_look_s is None or now_s - self._last_look_s > OBSERVER_GAP_S:
            return None
        return now_s - seen.changed_at_s


class LeaseWatch:
    """Reads all host leases once a second."""

    def __init__(self, api: ApiClient, clock: Clock | None = None) -> None:
        self._api = api
        self._clock = clock or SystemClock()
        self._ages = LeaseAges()

    def silent_s(self, host: str) -> float | None:
        """See `LeaseAges.silent_s`; now, on this watch's clock."""
        return self._ages.silent_s(host, self._clock.monotonic())

    async def look(self) -> None:
        """One look; an API that does not answer makes us blind, which is logged and no error."""
        try:
            listed = await self._api.list(LEASES, NAMESPACE_HOSTS)
        except ApiError as error:
            self._ages.blind()
            log.warning("host leases not read", error=str(error))
        else:
            self._ages.look(listed.items, self._clock.monotonic())

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(POLL_S)
