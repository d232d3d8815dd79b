"""Talks to the stock agents in guests through libvirt, where nobody who starts a guest waits for it.

A part of `clients.libvirt`: calls to agents have threads of their own, because a guest decides how long they
take. libvirt bounds each answer's size and time (qemu_agent.c of libvirt 9.0: 10 MB; RPC: 2,048 interfaces);
`facts.guest` bounds what is kept of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import ChainMap
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import libvirt
import structlog

from quantix_api.errors import InvariantError, PermanentError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.libvirt_calls import is_ours, lookup, translated, unconnected
from quantix_hostd.facts.guest import GuestReport, guest_report, shown

T = TypeVar("T")

log = structlog.get_logger(__name__)

# with those of `clients.libvirt` below the connection's max_client_requests (128)
_QUESTIONS, _ORDERS = 4, 16
_ANSWER_S = 5
# for the three answers of one call, each preceded by a sign of life
_DEADLINE_S = 40.0
_ACCEPT_S = 5.0
_SAID_LENGTH = 200
# asked for one by one: libvirt gives none of them where the agent does not know one
_INFO = (libvirt.VIR_DOMAIN_GUEST_INFO_OS, libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME)
# of an agent that answers, and does not do what it is asked
_REFUSALS = frozenset(
    {
        libvirt.VIR_ERR_INTERNAL_ERROR,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    }
)


class LibvirtAgents:
    """`connection` gives the one to libvirtd, None while there is none."""

    def __init__(self, connection: Callable[[], Any]) -> None:
        self._connection = connection
        self._questions = ThreadPoolExecutor(_QUESTIONS, thread_name_prefix="libvirt-agent")
        # each lasts as long as its guest takes to end, at most 60 s
        self._orders = ThreadPoolExecutor(_ORDERS, thread_name_prefix="libvirt-agent-order")

    def close(self) -> None:
        """Take no more calls."""
        self._questions.shutdown(wait=False, cancel_futures=True)
        self._orders.shutdown(wait=False, cancel_futures=True)

    async def guest_report(self, name: str) -> GuestReport:
        """What the agent says of the guest. Raises TransientError while it does not answer, PermanentError
        when it refuses to say anything.
        """

        def ask(domain: Any) -> GuestReport:
            said = [_unless_refused(partial(domain.guestInfo, kind)) for kind in _INFO]
            source = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
            interfaces = _unless_refused(partial(domain.interfaceAddresses, source))
            if interfaces is None and not any(said):
                raise as_error(PermanentError, "Refused")
            return guest_report(ChainMap(*(info for info in said if info)), interfaces or {})

        return await self._in_time(self._begin(self._questions, name, ask))

    async def set_guest_time(self, name: str) -> None:
        """Set the guest's clock to the host's time. An agent that refuses is left alone."""

        def act(domain: Any) -> None:
            now_s, rest_s = divmod(time.time(), 1)
            moment = {"seconds": int(now_s), "nseconds": int(rest_s * 1e9)}
            if _unless_refused(lambda: domain.setTime(moment)) is None:
                log.info("agent does not set the time", domain=name)

        await self._in_time(self._begin(self._questions, name, act))

    async def shut_down(self, name: str) -> None:
        """Ask the agent to shut the guest down. Returns once it is on its way, which libvirt waits for, or
        after 5 s; raises TransientError when the agent does not take the order.
        """
        flags = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT
        order = self._begin(self._orders, name, lambda domain: domain.shutdownFlags(flags))
        running = asyncio.wrap_future(order)
        # what comes later tells nothing that the end of the guest does not tell
        running.add_done_callback(lambda done: done.cancelled() or done.exception())
        done, _ = await asyncio.wait({running}, timeout=_ACCEPT_S)
        for finished in done:
            finished.result()

    def _begin(self, threads: ThreadPoolExecutor, name: str, act: Callable[[Any], T]) -> Future[T]:
        connection = self._connection()
        if connection is None:
            raise unconnected()

        def run() -> T:
            domain = lookup(connection, name)
            if domain is None:
                raise TransientError("InternalError", f"libvirt has no domain {name}.")
            if not is_ours(domain):
                raise as_error(InvariantError, "IdentityConflict", domain=name)
            domain.agentSetResponseTimeout(_ANSWER_S)
            return act(domain)

        return threads.submit(_in_few_words, run, connection)

    async def _in_time(self, call: Future[T]) -> T:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return await asyncio.wrap_future(call)
        except TimeoutError as error:
            # the connection is everybody's: it stays, and libvirt ends the call in its own time
            raise TransientError("InternalError", f"The agent took over {_DEADLINE_S:.0f} s.") from error


def _in_few_words(act: Callable[[], T], connection: Any) -> T:
    """As `translated`; what an error says may be the guest's own words."""
    try:
        return translated(act, connection)
    except TransientError as error:
        if error.reason == "LibvirtDown":
            raise
        raise TransientError("InternalError", shown(error.message, _SAID_LENGTH)) from error
    except ValueError as error:
        # the binding could not turn the guest's bytes into text
        raise TransientError("InternalError", "The agent's answer is no text.") from error


def _unless_refused(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except libvirt.libvirtError as error:
        if error.get_error_code() in _REFUSALS:
            return None
        raise
