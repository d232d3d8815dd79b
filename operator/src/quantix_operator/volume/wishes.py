"""That data is to grow, or to go to another pool, whether it may, and what is said of it. Pure.

`observe` and `observe_move` say what is wanted and what there is; `plan` asks what comes of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from quantix_api.facts import Fact, fact


@dataclass(frozen=True)
class Growth:
    """The size that spec wants data to grow to. `no_room`: the fields of PoolFull, None when it may."""

    size: str
    no_room: Mapping[str, str] | None = None


@dataclass(frozen=True)
class WantedMove:
    """What decides whether the data of `volume` may go to the pool that spec wants it in.

    `path`: where spec says so; `is_there`: the pool is; `promised`: it was let in before, and stays so.
    `bringer`: the host that is to bring data of a shared pool there; `at_another`: as long as the host that
    acts now is not done; `keeper`: which of the two is waited for; `silent_since`, as people read it.
    `unreadable`: it is encrypted, and would go into Ceph; `homeless`: a VM that has it and is about to get a
    host; `busy`: what needs it where it is, as fields of Moving; `reached`: its host reaches the
    pool, else `unreached` are the fields that say why not; `no_room`: the fields of PoolFull.
    """

    pool: str
    volume: str
    path: str = ""
    is_there: bool = True
    promised: bool = False
    bringer: str = ""
    at_another: bool = False
    keeper: str = ""
    silent_since: str = ""
    unreadable: bool = False
    homeless: str = ""
    busy: Mapping[str, str] = field(default_factory=dict)
    reached: bool = True
    unreached: Mapping[str, str] = field(default_factory=dict)
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


def judge_move(wanted: WantedMove | None) -> Move | None:
    """Whether it may go; None where it is there, and while another host is at work with it."""
    if wanted is None:
        return None
    if not wanted.is_there:
        return Move(wanted.pool, "PoolNotFound", {"pool": wanted.pool, "path": wanted.path})
    silent = {"keeper": wanted.keeper, "at": wanted.silent_since, **_about(wanted)}
    if wanted.at_another:
        return Move(wanted.pool, "HostUnreachable", silent) if wanted.silent_since else None
    move = replace(_judged(wanted), host=wanted.bringer)
    return replace(move, silent=silent) if wanted.silent_since and not move.reason else move


def _judged(wanted: WantedMove) -> Move:
    pool = wanted.pool
    if wanted.promised:
        return Move(pool)
    if wanted.unreadable:
        return Move(pool, "ConfigRefused", {"pool": pool, "path": "spec.encryption"})
    if wanted.homeless:
        return Move(pool, "WaitingForHost", {"vm": wanted.homeless, **_about(wanted)})
    if wanted.busy:
        return Move(pool, "Moving", {**_about(wanted), **wanted.busy})
    if not wanted.reached:
        return Move(pool, "PoolUnreachable", {"pool": pool, **wanted.unreached})
    return Move(pool, "PoolFull", wanted.no_room) if wanted.no_room is not None else Move(pool)


def _about(wanted: WantedMove) -> dict[str, str]:
    return {"volume": wanted.volume, "pool": wanted.pool}


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
