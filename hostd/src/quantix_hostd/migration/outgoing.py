"""The guests that this host is sending to others right now: one task each, beside the VM's own looks.

Used by the VM's reconciler, which decides when one begins, is broken off, and what its end means. Nothing is
kept over a restart of hostd: what libvirtd still sends then is broken off, and the guest stays
(docs/adr/0042, 7).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from quantix_api.errors import InvariantError, QuantixError, TransientError
from quantix_api.layout import Layout
from quantix_api.messages import as_error
from quantix_client.clock import Clock
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.libvirt_relay import Pieces, RelaySocket, Send
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.facts.migration import Sending
from quantix_hostd.migration.meter import SENT, Meter, SendingEnd

log = structlog.get_logger(__name__)


class Target(Protocol):
    """The hostd of the other host (`clients.other_hostd`)."""

    async def connect_libvirt(
        self, migration: str, sender: str
    ) -> tuple[Pieces, Send, Callable[[], Awaitable[None]]]: ...

    async def switching(self, migration: str, epoch: int) -> None: ...

    async def handed_over(self, migration: str, epoch: int) -> None: ...


@dataclass(frozen=True)
class Sent:
    """How the sending of a guest in this process stands: `done`, the guest is there, since `ended_s`; or
    `error`; or neither, it goes on.
    """

    migration: str
    done: bool = False
    error: QuantixError | None = None
    ended_s: float = 0.0


class OutgoingMoves:
    """One for a process. `look_again` hears the UID of a VM whose sending ended."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        layout: Layout,
        look_again: Callable[[str], None],
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._hypervisor = hypervisor
        self._layout = layout
        self._look_again = look_again
        self._clock = clock
        self._meter = meter
        self._sent: dict[str, Sent] = {}
        self._targets: dict[str, Target] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopped_s: dict[str, float] = {}
        self._still_s: dict[str, float] = {}
        self._copied: dict[str, int] = {}

    def state(self, vm_uid: str, migration: str) -> Sent | None:
        """Of this migration; None when this process began none."""
        found = self._sent.get(vm_uid)
        return found if found is not None and found.migration == migration else None

    def begin(self, vm_uid: str, domain: str, migration: str, sending: Sending, target: Target) -> None:
        """Send the guest. Only one at a time; nothing where this one is under way."""
        if self.state(vm_uid, migration) is not None:
            return
        self._sent[vm_uid] = Sent(migration)
        self._targets[vm_uid] = target
        self._forget_times(vm_uid)
        work = self._send(vm_uid, domain, migration, sending, target)
        self._tasks[vm_uid] = asyncio.create_task(work, name=f"move-{vm_uid}")

    def target(self, vm_uid: str, migration: str) -> Target | None:
        """The hostd that this guest was sent to, until `lose_target`: while it stands still, nobody asks the
        API for that.
        """
        return self._targets.get(vm_uid) if self.state(vm_uid, migration) is not None else None

    def lose_target(self, vm_uid: str) -> None:
        """It was not reached there."""
        self._targets.pop(vm_uid, None)

    def fail(self, vm_uid: str, migration: str, error: QuantixError) -> None:
        """It could not even begin."""
        self._sent[vm_uid] = Sent(migration, error=error)

    def socket(self, vm_uid: str) -> Path:
        """Where our libvirtd finds the other's."""
        return self._ways / f"{vm_uid}.sock"

    @property
    def _ways(self) -> Path:
        return self._layout.run / "migration"

    async def tidy(self) -> None:
        """Before any is sent: remove the sockets of a hostd that was killed, behind which nobody is. Raises
        OSError.
        """
        await asyncio.to_thread(self._remove_ways)

    def _remove_ways(self) -> None:
        for path in self._ways.glob("*.sock"):
            path.unlink(missing_ok=True)

    def note_stopped(self, vm_uid: str) -> None:
        """The guest stands still for its last memory to be sent."""
        self._stopped_s[vm_uid] = self._clock.monotonic()

    def note_copied(self, vm_uid: str, copied_bytes: int) -> None:
        """So much was copied until now."""
        self._copied[vm_uid] = copied_bytes

    def note_running(self, vm_uid: str) -> None:
        """The guest goes on, on the other host."""
        since_s = self._stopped_s.get(vm_uid)
        if since_s is not None:
            self._still_s.setdefault(vm_uid, self._clock.monotonic() - since_s)

    def downtime_ms(self, vm_uid: str) -> int | None:
        """For how long the guest stood still, or has until now; None when nobody saw it stop."""
        since_s, still_s = self._stopped_s.get(vm_uid), self._still_s.get(vm_uid)
        if since_s is None:
            return None
        return round((self._clock.monotonic() - since_s if still_s is None else still_s) * 1000)

    def forget(self, vm_uid: str) -> None:
        """Of one that ended."""
        for known in (self._sent, self._targets, self._tasks):
            known.pop(vm_uid, None)
        self._forget_times(vm_uid)

    def _forget_times(self, vm_uid: str) -> None:
        for known in (self._stopped_s, self._still_s, self._copied):
            known.pop(vm_uid, None)

    async def close(self) -> None:
        """Break off what goes on: the next hostd would, and a thread that waits for it keeps this one."""
        for vm_uid, task in self._tasks.items():
            if not task.done():
                with suppress(QuantixError):
                    await self._hypervisor.stop_sending(domain_name(vm_uid))
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _send(self, vm_uid: str, domain: str, migration: str, sending: Sending, target: Target) -> None:
        began_s = self._clock.monotonic()
        error = await self._failure(domain, migration, sending, target)
        ended_s = self._clock.monotonic()
        self._count(vm_uid, error, ended_s - began_s)
        log.info("guest sent", uid=vm_uid, to=sending.host, error=str(error or ""))
        self._sent[vm_uid] = Sent(migration, done=error is None, error=error, ended_s=ended_s)
        self._look_again(vm_uid)

    async def _failure(
        self, domain: str, migration: str, sending: Sending, target: Target
    ) -> QuantixError | None:
        """Why it did not arrive; None: it did, however its ways end."""
        ways = AsyncExitStack()
        try:
            await self._by(ways, domain, migration, sending, target)
        except QuantixError as error:
            return error
        except OSError as error:
            return as_error(TransientError, "SourceFailed", said=str(error))
        except Exception as error:
            log.exception("guest not sent because of a bug", domain=domain)
            return as_error(InvariantError, "InternalError", said=f"{type(error).__name__}: {error}")
        finally:
            try:
                await ways.aclose()
            except Exception as error:
                log.warning("the way of a guest was not closed", domain=domain, error=str(error))
        return None

    async def _by(
        self, ways: AsyncExitStack, domain: str, migration: str, sending: Sending, target: Target
    ) -> None:
        async def connect() -> tuple[AsyncIterator[bytes], Send]:
            pieces, send, close = await target.connect_libvirt(migration, sending.sender)
            ways.push_async_callback(close)
            return pieces, send

        relay = RelaySocket(sending.socket, connect)
        ways.push_async_callback(relay.close)
        await relay.open()
        await self._hypervisor.send_guest(domain, sending)

    def _count(self, vm_uid: str, error: QuantixError | None, seconds: float) -> None:
        still_ms = self.downtime_ms(vm_uid)
        end = SendingEnd(
            outcome=error.reason if error is not None else SENT,
            seconds=seconds,
            copied_bytes=self._copied.get(vm_uid, 0),
            stood_still_s=still_ms / 1000 if still_ms is not None else None,
        )
        self._meter.note(end)
