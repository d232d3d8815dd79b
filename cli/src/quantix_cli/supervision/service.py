"""What a service is, and what a supervisor can be asked: the vocabulary of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from quantix_cli.directories import Directory

# What a service writes is for root and root's group
UMASK = 0o027
# oom_score_adj (proc(5)) of what is protected: nearly the last that the kernel ends when memory runs out
OOM_SCORE = -900
# from so many on it is no accident; what has run for so long has settled
RESTLESS_RESTARTS = 3
SETTLED_S = 120.0


@dataclass(frozen=True)
class Service:
    """One process in the foreground. `after` are names of services that it is started after.

    `leaves_children` says that a stop ends only this process: what it started (guests) lives on.
    `directories` are there, with their modes, before it starts. From `memory_high_bytes` on the kernel takes
    memory back from it before others (systemd only); 0: no such limit.
    """

    name: str
    description: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    directories: tuple[Directory, ...] = ()
    leaves_children: bool = False
    stop_timeout_s: int = 20
    memory_protected: bool = False
    memory_high_bytes: int = 0
    umask: int = UMASK


@dataclass(frozen=True)
class Running:
    """`pid` is 0 when it does not run; `changed`: it is not defined as wanted, or runs as defined before.

    `restarts` is how often it ended unasked: within the last 5 min (supervisord), or since it was last told
    to start (systemd). `up_s` is for how many seconds it has run since it last began, 0 when it does not run.
    """

    name: str
    pid: int = 0
    changed: bool = False
    restarts: int = 0
    up_s: float = 0.0

    @property
    def begins_again_and_again(self) -> bool:
        """Whether it cannot stay up, although it may have a process right now."""
        return self.restarts >= RESTLESS_RESTARTS and self.up_s < SETTLED_S


class Supervisor(Protocol):
    """Keeps services running. All methods raise `TransientError` when the supervisor does not answer."""

    def observe(self, services: Sequence[Service]) -> dict[str, Running]:
        """How each of `services` is, without changing anything."""

    def ensure(self, services: Sequence[Service]) -> list[str]:
        """Make `services` run as defined, in their order; the names of those that were (re)started."""

    def is_defined(self, name: str) -> bool:
        """Whether it keeps a service of that name running: not after `forget`. Only looks at files."""

    def stop(self, name: str) -> bool:
        """Stop one service and wait for it; False when it was not running."""

    def forget(self) -> None:
        """Remove every definition and the supervisor's own traces; all services are stopped already."""

    def last_words(self, name: str, lines: int) -> list[str]:
        """The end of the service's log, oldest first."""


def in_start_order(services: Sequence[Service]) -> list[Service]:
    """`services` so that each comes after those it names in `after`; otherwise in their own order.

    Raises ValueError on a name that is not there or a circle.
    """
    by_name = {service.name: service for service in services}
    ordered: dict[str, Service] = {}

    def place(service: Service, above: tuple[str, ...]) -> None:
        if service.name in above:
            raise ValueError(f"{' → '.join((*above, service.name))} is a circle")
        for name in service.after:
            if name not in by_name:
                raise ValueError(f"{service.name} starts after {name}, which is not in the table")
            if name not in ordered:
                place(by_name[name], (*above, service.name))
        ordered.setdefault(service.name, service)

    for service in services:
        place(service, ())
    return list(ordered.values())
