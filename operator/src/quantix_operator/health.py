"""Is this process well, and may it be relied on? Pure; served by `clients/http_server.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Health:
    """The answer to a probe: healthy, or which part is not."""

    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def text(self) -> str:
        return "ok\n" if self.ok else "\n".join(self.problems) + "\n"


def liveness(*, synced: bool, watching: bool) -> Health:
    """Not alive: restart the process. Watches that ended after the first list are such a case."""
    return Health(() if watching or not synced else ("watches ended",))


def readiness(*, synced: bool, watching: bool) -> Health:
    """Not ready: the cache is not filled yet, so this process could not take over."""
    problems = [] if synced else ["not every resource was listed yet"]
    if not watching:
        problems.append("watches do not run")
    return Health(tuple(problems))
