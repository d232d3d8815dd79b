"""The threads of calls to libvirt, how long each may take, and whose fault it is that one takes longer.

Used by `clients.libvirt` and `clients.libvirt_looks`. libvirt waits for a QEMU that hangs for as long as it
hangs, and so does the thread of the call; a guest keeps one of them at most for each kind of call. What is
done to guests has threads of its own: however many of those hang, all others can be looked at and ended, and
libvirt is not taken for away. Whether it is tells a question that looks at no guest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn, TypeVar

import structlog

from quantix_api.errors import QuantixError, TransientError
from quantix_api.message_table_phrases import EARLIER_CALL_OWED, EARLIER_CALLS_OWED, SILENT
from quantix_api.messages import as_error
from quantix_hostd.clients.libvirt_calls import silent, translated

T = TypeVar("T")

log = structlog.get_logger(__name__)

# with those of looks and agents below the connection's max_client_requests of our libvirtd.conf (128)
_AT_ONCE, _ACTS = 16, 48
_SIGN_S = 5.0
# that of everybody, and that of what waits for guests
_CONNECTIONS = 2
# with that sign below the time after which a worker hangs (`dispatch.HANG_S`): a few guests that hang must
# not silence their host's lease
_ACT_S = 12.0


class Kind(Enum):
    """What a call does with a domain. LOOK and END wait for no QEMU, and START for one that no guest has been
    in yet; ACT waits for one that runs.
    """

    LOOK = "look"
    START = "start"
    END = "end"
    ACT = "act"


@dataclass(frozen=True)
class About:
    """What a call is about; `domain` is a name."""

    kind: Kind
    domain: str

    @property
    def waits_for_guest(self) -> bool:
        """Whether a guest that hangs can keep it."""
        return self.kind is Kind.ACT


class LibvirtThreads:
    """`drop` is given a connection that answers nothing; a call may take `deadline_s`, an `act` `act_s`."""

    def __init__(
        self,
        deadline_s: float,
        drop: Callable[[Any], None],
        *,
        sign_s: float = _SIGN_S,
        act_s: float = _ACT_S,
    ) -> None:
        self._deadline_s, self._sign_s, self._act_s = deadline_s, sign_s, min(act_s, deadline_s)
        self._drop = drop
        self._calls = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="libvirt")
        self._acts = ThreadPoolExecutor(_ACTS, thread_name_prefix="libvirt-act")
        self._signs: dict[Any, ThreadPoolExecutor] = {}
        self._overdue: set[About] = set()

    def close(self) -> None:
        """Take no more calls."""
        self._acts.shutdown(wait=False, cancel_futures=True)
        self._calls.shutdown(wait=False, cancel_futures=True)
        for signs in self._signs.values():
            signs.shutdown(wait=False, cancel_futures=True)

    async def run(self, act: Callable[[], T], connection: Any = None, about: About | None = None) -> T:
        """What `act` returns; `connection` is None while it is being opened.

        Raises as `translated`, and TransientError when the answer does not come in time: QEMUHangs where
        libvirt answers all the same, also at once while an earlier one about the domain is owed; else
        LibvirtDown.
        """
        if about in self._overdue:
            raise as_error(TransientError, "QEMUHangs", said=EARLIER_CALL_OWED)
        acts = about is not None and about.waits_for_guest
        patience_s = self._act_s if acts else self._deadline_s
        call = (self._acts if acts else self._calls).submit(translated, act, connection)
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.wrap_future(call)
        except TimeoutError as error:
            if call.cancel():
                # it has not even begun: what it waited for says itself what is wrong
                said = EARLIER_CALLS_OWED.format(calls=_ACTS if acts else _AT_ONCE)
                raise as_error(TransientError, "LibvirtDown", said=said) from error
            if about is not None:
                self._owe(about, call)
                await self.late(connection, error, patience_s)
            if connection is not None:
                self._drop(connection)
            raise silent(patience_s) from error

    async def late(self, connection: Any, cause: TimeoutError, patience_s: float) -> NoReturn:
        """Raise what it means that a call about one domain was not answered in `patience_s`."""
        if await self._answers(connection):
            said = SILENT.format(seconds=patience_s)
            raise as_error(TransientError, "QEMUHangs", said=said) from cause
        self._drop(connection)
        raise silent(patience_s) from cause

    def _owe(self, about: About, call: Future[Any]) -> None:
        """Remember that the domain keeps a thread, until it lets go."""
        log.warning("a call about a domain is not answered", kind=about.kind.value, domain=about.domain)
        self._overdue.add(about)
        call.add_done_callback(lambda _: self._overdue.discard(about))

    async def _answers(self, connection: Any) -> bool:
        """Whether libvirtd answers what takes no look at a guest (virConnectGetLibVersion). Each connection
        has a thread for that: one that hangs keeps no other from being asked.
        """
        if connection not in self._signs:
            while len(self._signs) >= _CONNECTIONS:
                # whoever still waits there gets no answer in time
                self._signs.pop(next(iter(self._signs))).shutdown(wait=False)
            self._signs[connection] = ThreadPoolExecutor(1, thread_name_prefix="libvirt-sign")
        sign = self._signs[connection].submit(translated, connection.getLibVersion, connection)
        try:
            async with asyncio.timeout(self._sign_s):
                await asyncio.wrap_future(sign)
        except (TimeoutError, QuantixError):
            return False
        return True
