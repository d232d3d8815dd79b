"""Guest ports without Open vSwitch: wired at once, unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Collection

from quantix_hostd.facts.switch import PortProblem


class FakeGuestPorts:
    """`found` is what `problems` answers, `missing` what `guard` does; `owners`, `removed` and `routers`
    record what was asked.
    """

    def __init__(self) -> None:
        self.found: tuple[PortProblem, ...] = ()
        self.owners: dict[str, str] = {}
        self.removed: list[str] = []
        self.routers: Collection[str] | None = None
        self.missing = 0

    async def problems(self, ports: Collection[str]) -> tuple[PortProblem, ...]:
        return tuple(problem for problem in self.found if problem.port in ports)

    async def wait_installed(self, ports: Collection[str], timeout_s: float) -> tuple[PortProblem, ...]:
        return await self.problems(ports)

    async def set_owner(self, ports: Collection[str], vm_uid: str) -> None:
        self.owners |= dict.fromkeys(ports, vm_uid)

    async def remove(self, ports: Collection[str]) -> None:
        self.removed += ports
        for port in ports:
            self.owners.pop(port, None)

    async def purge_stale(self, live: Collection[str]) -> tuple[str, ...]:
        stale = tuple(port for port in self.owners if port not in live)
        await self.remove(stale)
        return stale

    async def guard(self, routers: Collection[str]) -> int:
        self.routers = routers
        return self.missing
