"""Event loops that end only once what was closed in them is closed.

A connection by TLS says good-bye first, so that it outlives whoever closed it by some turns of the loop. A
test that ends meanwhile would leave its warning to whichever test comes next; what nobody closes still warns.
"""

from __future__ import annotations

import asyncio

# a second together
_LOOKS, _LOOK_S = 100, 0.01


class PatientLoop(asyncio.SelectorEventLoop):
    """As its base, but for its end."""

    async def shutdown_asyncgens(self) -> None:
        """The last of a runner's steps at the end of a loop that concerns connections."""
        await super().shutdown_asyncgens()
        for _ in range(_LOOKS):
            if not self._has_open_sockets():
                return
            await asyncio.sleep(_LOOK_S)

    def _has_open_sockets(self) -> bool:
        # asyncio/selector_events.py, 3.11: weak, by descriptor; a socket that was closed has none
        transports = list(self._transports.values())  # type: ignore[attr-defined]
        return any(transport.get_extra_info("socket").fileno() != -1 for transport in transports)


class PatientPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes patient loops."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """As its base."""
        return PatientLoop()
