"""Leases of coordination.k8s.io/v1: who leads, and which hosts live.

Used by the operator (`LeaderLease`) and hostd (`HostLease`). Ages are judged on the local boot-time clock
from the moment when a change was *seen*; the timestamps written into a Lease are for people. A lost lease is
a reason to stop deciding, never a permission or a fence (ha.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from quantix_api.errors import PermanentError
from quantix_api.resources import LEASES
from quantix_api.times import render_micro_time
from quantix_client.api import ApiClient, Manifest
from quantix_client.clock import Clock, SystemClock
from quantix_client.errors import AlreadyExists, ApiError, Conflict, NotFound

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LeaderTimes:
    """Seconds. A leader that could not renew stops `margin_s` before others may think that it is gone."""

    duration_s: float = 6.0
    renew_s: float = 1.5
    poll_s: float = 1.0
    margin_s: float = 1.0


class LeaseObserver:
    """How long ago a Lease was last seen to change, by this observer's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: tuple[str, str] | None = None
        self._changed_at = clock.monotonic()

    def observe(self, lease: Manifest) -> None:
        """Note the state of a Lease just read or watched."""
        spec = lease.get("spec") or {}
        seen = (str(spec.get("holderIdentity") or ""), str(spec.get("renewTime") or ""))
        if seen != self._seen:
            self._seen = seen
            self._changed_at = self._clock.monotonic()

    def silent_s(self) -> float:
        """Seconds since the last change that was seen."""
        return self._clock.monotonic() - self._changed_at

    @property
    def holder(self) -> str:
        """Who held it when it was last seen; "" nobody."""
        return self._seen[0] if self._seen else ""


class LeaderLease:
    """Election of one leader among processes with different `identity`.

    `await acquire()` returns when this process leads; `await hold()` renews and returns when it no longer
    does, after which the process must exit. `remaining_s` is how long leadership surely lasts.
    """

    def __init__(
        self,
        client: ApiClient,
        name: str,
        namespace: str,
        identity: str,
        *,
        times: LeaderTimes | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._times = times or LeaderTimes()
        self._clock = clock or SystemClock()
        self._observer = LeaseObserver(self._clock)
        self._lease: Manifest = {}
        self._led_until = self._clock.monotonic()

    @property
    def leading(self) -> bool:
        """Whether this process leads now, by its own clock."""
        return self.remaining_s > 0

    @property
    def remaining_s(self) -> float:
        """Seconds for which leadership lasts without another renewal; 0 when it does not lead."""
        return max(0.0, self._led_until - self._clock.monotonic())

    @property
    def holder(self) -> str:
        """The leader as last seen."""
        return self._observer.holder

    async def acquire(self) -> None:
        """Wait until this process leads. Errors of the API are waited out."""
        while True:
            try:
                if await self._try_acquire():
                    log.info("leadership acquired", lease=self._name, identity=self._identity)
                    return
            except ApiError as error:
                log.debug("lease not readable", lease=self._name, reason=error.reason)
            expires_in_s = self._times.duration_s - self._observer.silent_s()
            await self._clock.sleep(min(self._times.poll_s, max(0.1, expires_in_s)))

    async def hold(self) -> None:
        """Renew until another holds it or time is up; then returns, and nothing may be decided any more."""
        asked_s = self._clock.monotonic()
        while self.leading:
            # from when it was asked, not answered: so an API may take 2.5 s for each answer
            due_s = asked_s + self._times.renew_s - self._clock.monotonic()
            await self._clock.sleep(min(due_s, self.remaining_s))
            asked_s = self._clock.monotonic()
            try:
                async with asyncio.timeout(max(0.05, self.remaining_s)):
                    await self._renew()
            except Conflict:
                if await self._taken_by_another():
                    break
            except (ApiError, TimeoutError) as error:
                log.warning(
                    "lease not renewed", lease=self._name, left_s=round(self.remaining_s, 1), error=str(error)
                )
        self._led_until = self._clock.monotonic()
        log.warning("leadership lost", lease=self._name, identity=self._identity)

    async def release(self) -> None:
        """Give leadership away at once. Call when nothing is decided any more."""
        if not self.leading:
            return
        self._led_until = self._clock.monotonic()
        released = {
            **self._lease,
            "spec": {**self._lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1},
        }
        try:
            await self._client.replace(LEASES, released)
        except ApiError as error:
            log.info("lease not released, it will expire", lease=self._name, reason=error.reason)

    async def _try_acquire(self) -> bool:
        started = self._clock.monotonic()
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            return await self._create(started)
        self._observer.observe(lease)
        free = self._observer.holder in ("", self._identity)
        if not free and self._observer.silent_s() < self._times.duration_s:
            return False
        changes = int((lease.get("spec") or {}).get("leaseTransitions") or 0)
        acquired = {**self._spec(), "acquireTime": _now(), "leaseTransitions": changes + 1}
        try:
            # The resourceVersion inside makes it a compare-and-set: only one of many standbys wins
            self._lease = await self._client.replace(LEASES, {**lease, "spec": acquired})
        except Conflict:
            return False
        self._lead_since(started)
        return True

    async def _create(self, started: float) -> bool:
        metadata = {"name": self._name, "namespace": self._namespace}
        spec = {**self._spec(), "acquireTime": _now(), "leaseTransitions": 0}
        try:
            self._lease = await self._client.create(
                LEASES,
                {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec},
            )
        except AlreadyExists:
            return False
        self._lead_since(started)
        return True

    async def _renew(self) -> None:
        started = self._clock.monotonic()
        spec = {**self._lease["spec"], **self._spec()}
        self._lease = await self._client.replace(LEASES, {**self._lease, "spec": spec})
        self._lead_since(started)

    async def _taken_by_another(self) -> bool:
        """A conflict is either a lost answer to our own renewal, or somebody else's write."""
        try:
            async with asyncio.timeout(max(0.05, self.remaining_s)):
                self._lease = await self._client.get(LEASES, self._name, self._namespace)
        except (ApiError, TimeoutError):
            return False
        return bool(self._lease["spec"].get("holderIdentity") != self._identity)

    def _lead_since(self, started: float) -> None:
        """Others count from when they see the write, which is after `started`: so we stop first."""
        self._observer.observe(self._lease)
        self._led_until = started + self._times.duration_s - self._times.margin_s

    def _spec(self) -> dict[str, Any]:
        duration = max(1, round(self._times.duration_s))
        return {"holderIdentity": self._identity, "leaseDurationSeconds": duration, "renewTime": _now()}


class HostLease:
    """The heartbeat of one host: Lease `name` in quantix-hosts, held by the boot ID of the machine."""

    def __init__(
        self,
        client: ApiClient,
        name: str,
        boot_id: str,
        *,
        namespace: str = "quantix-hosts",
        period_s: float = 2.0,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._boot_id = boot_id
        self._namespace = namespace
        self._period_s = period_s
        self._clock = clock or SystemClock()
        self._observer = LeaseObserver(self._clock)
        self._lease: Manifest | None = None

    async def run(self, alive: Callable[[], bool]) -> None:
        """Take the lease, then renew it every period while `alive()`. Errors of the API are waited out.

        Raises PermanentError (SecondMachine) when another boot of another machine keeps renewing it.
        """
        while True:
            started = self._clock.monotonic()
            if alive():
                await self._beat()
            await self._clock.sleep(self._period_s - (self._clock.monotonic() - started))

    async def _beat(self) -> None:
        try:
            # A hanging request must not cost the next beat
            async with asyncio.timeout(2 * self._period_s):
                await self.renew()
        except Conflict:
            self._lease = None
        except (ApiError, TimeoutError) as error:
            log.warning("host lease not renewed", host=self._name, error=str(error) or type(error).__name__)

    async def renew(self) -> bool:
        """One beat. False while the lease of another boot is being watched for signs of life."""
        if self._lease is None:
            self._lease = await self._take()
            return self._lease is not None
        spec = {**self._lease["spec"], **self._spec()}
        self._lease = await self._client.replace(LEASES, {**self._lease, "spec": spec})
        return True

    async def _take(self) -> Manifest | None:
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            return await self._create()
        before = self._observer.holder
        was_silent_s = self._observer.silent_s()
        self._observer.observe(lease)
        holder = self._observer.holder
        if holder not in ("", self._boot_id):
            if before == holder and self._observer.silent_s() < was_silent_s:
                raise PermanentError(
                    "SecondMachine",
                    f"Another machine is the host {self._name} already: boot {holder} renews its lease",
                    "give this machine another host name, or stop the other one",
                )
            if before != holder or self._observer.silent_s() < 2.5 * self._period_s:
                return None
        return await self._client.replace(LEASES, {**lease, "spec": self._spec()})

    async def _create(self) -> Manifest | None:
        metadata = {"name": self._name, "namespace": self._namespace}
        about = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata}
        try:
            return await self._client.create(LEASES, {**about, "spec": self._spec()})
        except AlreadyExists:
            return None

    def _spec(self) -> dict[str, Any]:
        return {
            "holderIdentity": self._boot_id,
            "leaseDurationSeconds": max(1, round(4 * self._period_s)),
            "renewTime": _now(),
        }


def _now() -> str:
    return render_micro_time(datetime.now(UTC))
