"""Namespaces on their way out: nothing is made in one, and what is in it stays only while it is protected.

Asked for before something is made, so that nothing is sent in vain, and before a protection is taken off.
"""

from __future__ import annotations

import contextlib

from quantix_api.messages import render
from quantix_api.resources import NAMESPACES
from quantix_cli.exits import refused
from quantix_cli.nouns import look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound


async def refuse_going(session: Session, namespace: str | None) -> None:
    """Raise CommandError (6) where something is to be made in a namespace that is being deleted."""
    if namespace is not None and await is_going(session, namespace):
        raise refused(render("NamespaceDeleting", namespace=namespace))


async def is_going(session: Session, namespace: str) -> bool:
    """Whether a namespace is being deleted, as far as the account may see."""
    # of one that is not there the API says so to whoever writes
    with contextlib.suppress(Forbidden, NotFound):
        return bool(look(await session.api.get(NAMESPACES, namespace), "metadata.deletionTimestamp"))
    return False
