"""The threads of calls to libvirt, how long each may take, and whose fault it is that one takes longer.

Used by `clients.libvirt` and `clients.libvirt_looks`. libvirt waits for a QEMU that hangs for as long as it
hangs, and so does the thread of the call; a guest keeps one of them at most for each kind of call. Whether
libvirt itself is away tells a question that looks at no guest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

import structlog

from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.libvirt_calls import translated

T = TypeVar("T")

log = structlog.get_logger(__name__)

# below the connection's max_client_requests of our libvirtd.conf (64): hypervisor.md, section 11
_AT_ONCE = 16
_SIGN_S = 5.0

About = tuple[str, str]
"""What a call is about: its kind (`look`, `act` or `end`) and the name of the domain."""


def _sign_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="libvirt-sign")


class LibvirtThreads:
    """`drop` is given a connection that answers nothing; a call may take `deadline_s`."""

    def __init__(self, deadline_s: float, drop: Callable[[Any], None], *, sign_s: float = _SIGN_S) -> None:
        self._deadline_s, self._sign_s = deadline_s, sign_s
        self._drop = drop
        self._calls = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="libvirt")
        self._signs, self._asked = _sign_thread(), None
        self._overdue: set[About] = set()

    def close(self) -> None:
        """Take no more calls."""
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._signs.shutdown(wait=False, cancel_futures=True)

    async def run(self, act: Callable[[], T], connection: Any = None, about: About | None = None) -> T:
        """What `act` returns; `connection` is None while it is being opened.

        Raises as `translated`, and TransientError when the answer does not come in time: QEMUHangs where
        libvirt answers all the same, also at once while an earlier one about the domain is owed; else
        LibvirtDown.
        """
        if about in self._overdue:
            raise as_error(TransientError, "QEMUHangs", said="an earlier call has not been answered")
        call = self._calls.submit(translated, act, connection)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.wrap_future(call)
        except TimeoutError as error:
            if call.cancel():
                # it has not even begun: what it waited for says itself what is wrong
                said = f"{_AT_ONCE} earlier calls have not been answered"
                raise as_error(TransientError, "LibvirtDown", said=said) from error
            if about is not None:
                self._owe(about, call)
                await self.late(connection, error)
            if connection is not None:
                self._drop(connection)
            raise as_error(TransientError, "LibvirtDown", said=self._silence) from error

    async def late(self, connection: Any, cause: TimeoutError) -> NoReturn:
        """Raise what it means that a call about one domain was not answered in time."""
        if await self._answers(connection):
            raise as_error(TransientError, "QEMUHangs", said=self._silence) from cause
        self._drop(connection)
        raise as_error(TransientError, "LibvirtDown", said=self._silence) from cause

    @property
    def _silence(self) -> str:
        return f"no answer within {self._deadline_s:.0f} s"

    def _owe(self, about: About, call: Future[Any]) -> None:
        """Remember that the domain keeps a thread, until it lets go."""
        log.warning("a call about a domain is not answered", kind=about[0], domain=about[1])
        self._overdue.add(about)
        call.add_done_callback(lambda _: self._overdue.discard(about))

    async def _answers(self, connection: Any) -> bool:
        """Whether libvirtd answers what takes no look at a guest (virConnectGetLibVersion). Each connection
        has a thread for that: one that hangs keeps no other from being asked.
        """
        if connection is not self._asked:
            self._signs.shutdown(wait=False, cancel_futures=True)
            self._signs, self._asked = _sign_thread(), connection
        sign = self._signs.submit(translated, connection.getLibVersion, connection)
        try:
            async with asyncio.timeout(self._sign_s):
                await asyncio.wrap_future(sign)
        except (TimeoutError, QuantixError):
            return False
        return True
