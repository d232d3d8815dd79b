"""Every controller of the operator, in one list.

Called by `main` each time that this process begins to lead. A controller package exports
`build(context: Context) -> Controller` (async, or an async context manager if it holds connections).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from quantix_operator.certificates import controller as certificates
from quantix_operator.context import Context
from quantix_operator.dispatch import Controller


@asynccontextmanager
async def build_controllers(context: Context) -> AsyncIterator[tuple[Controller, ...]]:
    """All controllers, with their connections open while inside."""
    yield (await certificates.build(context),)
