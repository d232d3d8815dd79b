"""The time that `qx vm stop --grace|--now` gives a guest to shut down, which counts for that stop alone.

It is in spec, where hostd reads it for as long as the guest shuts down. Used by `power`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from quantix_api import resources
from quantix_cli.naming import reference
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session

# where spec says nothing, by the schema
_GRACE_S = 60


@asynccontextmanager
async def given_time(
    session: Session, vm: Manifest, patched: Manifest, spec: dict[str, Any]
) -> AsyncIterator[None]:
    """Around the wait for a stop, of which `spec` may say how long it may take: that was for this stop only,
    and spec says again what it said before. Not where the wait ends first, and a guest that still shuts down
    would have less time than it was given.
    """
    before_s = _grace_s(vm)
    again = {"spec": {"gracePeriodSeconds": before_s}}
    given_s = spec.get("gracePeriodSeconds", before_s)
    try:
        yield
    except BaseException:
        if given_s > before_s:
            tell_time(session, vm, spec)
        elif given_s < before_s:
            await session.write.patch(resources.VIRTUAL_MACHINES, patched, again)
        raise
    if given_s != before_s:
        await session.write.patch(resources.VIRTUAL_MACHINES, patched, again)


def tell_time(session: Session, vm: Manifest, spec: dict[str, Any]) -> None:
    """That spec goes on saying how long a stop may take, where it said something else before."""
    before_s = _grace_s(vm)
    given_s = spec.get("gracePeriodSeconds", before_s)
    if given_s != before_s:
        again = f"qx vm set {reference(vm, 'vm', session.namespace)} --grace {before_s}"
        told = f"{vm['metadata']['name']} keeps {given_s} s to shut down; {before_s} s again:   {again}"
        session.terminal.note(session.terminal.plain(told))


def _grace_s(vm: Manifest) -> int:
    return int(look(vm, "spec.gracePeriodSeconds", _GRACE_S))
