"""That data is to grow, or to go to another pool, and what is said of it. Pure; used by `plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quantix_api.facts import Fact, fact


@dataclass(frozen=True)
class Growth:
    """The size that spec wants data to grow to. `no_room`: the fields of PoolFull, None when it may."""

    size: str
    no_room: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Move:
    """The pool that spec wants data to be in. `reason` and `fields`: why it may not go there; "": it may, and
    `host` is to bring it there, "" where it is with one host alone. `silent`: the fields of HostUnreachable
    where the host that brings it is not heard.
    """

    pool: str
    reason: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    silent: Mapping[str, str] | None = None


def size_fact(growth: Growth | None) -> Fact | None:
    """SizeGranted, where it is to grow."""
    if growth is None:
        return None
    if growth.no_room is not None:
        return fact("SizeGranted", "False", "PoolFull", **growth.no_room)
    return fact("SizeGranted", "True", "Granted", size=growth.size)


def refused_move(move: Move | None) -> Fact | None:
    """MoveGranted, only while it may not go, or the host is silent that brings it."""
    if move is not None and move.silent is not None:
        return fact("MoveGranted", "False", "HostUnreachable", **move.silent)
    if move is None or not move.reason:
        return None
    return fact("MoveGranted", "False", move.reason, **move.fields)
