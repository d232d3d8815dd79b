"""Calls in threads that nobody waits for any more: what they would do yet comes to nothing.

A thread cannot be ended. `patience` and `thread_calls` make calls that may be given up; `ceph` gives up those
that a connection never answered, and refuses them whatever they ask next.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from quantix_api.errors import TransientError


@dataclass(eq=False)
class Call:
    """One call, in its thread. `given_up`: why, and what it is refused with from then on."""

    given_up: TransientError | None = None


this_call: ContextVar[Call | None] = ContextVar("this_call", default=None)
"""That of this thread; None where it is one that somebody waits for as long as it takes."""
