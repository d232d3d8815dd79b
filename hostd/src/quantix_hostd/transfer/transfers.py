"""What is being received or copied right now: one background task for each object and pool, with its
progress and end.

Owned by the controllers of images and of volumes. A transfer outlives the look that began it; its end puts
the object's key back into the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog

from quantix_api.errors import InvariantError, PermanentError, QuantixError, WaitingError
from quantix_api.messages import as_error
from quantix_client.clock import Clock, SystemClock
from quantix_hostd.clients.files import explained
from quantix_hostd.transfer.seen import TransferSeen

_FIRST_RETRY_S = 10.0
_LAST_RETRY_S = 300.0
_REPORT_EVERY_S = 5.0

log = structlog.get_logger(__name__)

R = TypeVar("R")


@dataclass
class Transfer(Generic[R]):
    """One object's data on its way. `shown` is what was last reported: it changes at most every 5 s,
    and at a failure.

    `queued`: it waits for its turn, and nothing is asked of a server yet. `resumed`: it went on after what an
    earlier one had left. `sender`: the host that it comes from, or would, as messages call it, "" for any
    other; `busy`: the hosts that have no turn for it.
    """

    queued: bool = False
    resumed: bool = False
    sender: str = ""
    busy: str = ""
    total_bytes: int | None = None
    done_bytes: int = 0
    task: asyncio.Task[None] | None = None
    received: R | None = None
    error: QuantixError | None = None
    failures: int = 0
    delay_s: float = 0.0
    retry_at_s: float = 0.0
    shown: tuple[int, int | None] = (0, None)
    clock: Clock = field(default_factory=SystemClock)
    _shown_at_s: float = field(default=0.0)

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()

    def on_progress(self, done_bytes: int) -> None:
        """Called for every piece; what is shown follows slowly."""
        self.done_bytes = done_bytes
        now_s = self.clock.monotonic()
        if now_s - self._shown_at_s >= _REPORT_EVERY_S:
            self._shown_at_s = now_s
            self.shown = (done_bytes, self.total_bytes)

    def retry_in_s(self) -> float | None:
        """Seconds until it should be tried again; None when that is no use."""
        if isinstance(self.error, PermanentError):
            return None
        return max(0.0, self.retry_at_s - self.clock.monotonic())

    def seen(self) -> TransferSeen[R]:
        """It as it is now."""
        return TransferSeen(
            running=self.running,
            queued=self.queued,
            sender=self.sender,
            busy=self.busy,
            shown=self.shown,
            received=self.received,
            error=self.error,
            delay_s=self.delay_s,
            retry_in_s=self.retry_in_s(),
        )


class Transfers(Generic[R]):
    """All transfers of one kind (`what`) in this process, by the object's UID and pool. `on_end` hears the
    key of each that ended. R is what is known of the data once it is there.
    """

    def __init__(self, what: str, on_end: Callable[[str], None]) -> None:
        self._what = what
        self._on_end = on_end
        self._by_place: dict[tuple[str, str], Transfer[R]] = {}

    def get(self, uid: str, pool: str) -> Transfer[R] | None:
        return self._by_place.get((uid, pool))

    def knows(self, uid: str) -> bool:
        """Whether there is or was a transfer of this object, into any pool."""
        return any(place[0] == uid for place in self._by_place)

    def shown(self, uid: str) -> tuple[int, int | None]:
        """Bytes done and in all of one that runs for this object, as reported; (0, None) for none."""
        running = (item for place, item in self._by_place.items() if place[0] == uid and item.running)
        return next((item.shown for item in running), (0, None))

    def begin(
        self, uid: str, pool: str, key: str, work: Callable[[Transfer[R]], Coroutine[Any, Any, R]]
    ) -> Transfer[R]:
        """Start `work` in the background; failures of earlier tries are remembered for the waiting time."""
        before = self.get(uid, pool)
        transfer: Transfer[R] = Transfer(failures=before.failures if before else 0)
        self._by_place[uid, pool] = transfer
        transfer.task = asyncio.create_task(self._run(transfer, key, work), name=f"{self._what}-{uid}-{pool}")
        return transfer

    async def forget(self, uid: str) -> None:
        """Stop those of this object, into whichever pool, and forget how they ended."""
        await self._end([place for place in self._by_place if place[0] == uid])

    async def stop(self) -> None:
        """Stop all."""
        await self._end(list(self._by_place))

    async def _end(self, places: list[tuple[str, str]]) -> None:
        tasks = {task for place in places if (task := self._by_place.pop(place).task) is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(
        self, transfer: Transfer[R], key: str, work: Callable[[Transfer[R]], Coroutine[Any, Any, R]]
    ) -> None:
        try:
            transfer.received = await work(transfer)
        except QuantixError as error:
            self._failed(transfer, key, error)
        except OSError as error:
            self._failed(transfer, key, explained(error, f"the {self._what}"))
        except Exception as error:
            log.exception("transfer failed because of a bug", what=self._what, key=key)
            said = f"{type(error).__name__}: {error}"
            self._failed(transfer, key, as_error(InvariantError, "InternalError", said=said))
        finally:
            self._on_end(key)

    def _failed(self, transfer: Transfer[R], key: str, error: QuantixError) -> None:
        transfer.failures += 1
        transfer.error = error
        transfer.shown = (transfer.done_bytes, transfer.total_bytes)
        transfer.delay_s = min(_LAST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(transfer.failures - 1, 10))
        if error.reason == "PoolFull" and transfer.total_bytes is None:
            # each try of a stream without a known length takes all the room before it ends so again
            transfer.delay_s = _LAST_RETRY_S
        if isinstance(error, WaitingError):
            transfer.delay_s = error.retry_after_s
        transfer.retry_at_s = transfer.clock.monotonic() + transfer.delay_s
        log.warning("transfer failed", what=self._what, key=key, reason=error.reason, error=str(error))
