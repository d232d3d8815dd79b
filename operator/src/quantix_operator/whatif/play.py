"""Plays the loss or the maintenance of a host: one VM after the other, each with the room that it takes.

Pure; called by `answer`. It asks the scheduler's own filters, scores and orders, so that it says what would
happen. In maintenance VMs go as migrations have it (`leaving_order`); after a loss each VM after those that
it starts after, then as the scheduler has it (`rank`), and guests that wait already take part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from quantix_api.facts import Fact
from quantix_api.host_plan import Action, HostPlan, Misfit, PlannedMove, Question
from quantix_operator.maintenance.plan import lacks_room
from quantix_operator.migration.turns import leaving_order
from quantix_operator.scheduling.model import Guest, HostView, Lack, Placed, Refusal, World
from quantix_operator.scheduling.occupancy import Occupancy
from quantix_operator.scheduling.plan import Decision, decide, rank
from quantix_operator.whatif.duration import RESTART_S, migration_seconds
from quantix_operator.whatif.model import Leaver, Played

LOST = "Failed"


def play(question: Question, played: Played) -> HostPlan:
    """What would happen to each VM of the host."""
    return _maintenance(played) if question == "maintenance" else _loss(played)


class _Table:
    """Who is where while the moves are played; what one gets, those after it do not."""

    def __init__(self, played: Played, hosts: Sequence[HostView]) -> None:
        staying = [Placed(item.guest, played.host) for item in played.leavers if item.kept_by]
        self._source, self._hosts = played.host, hosts
        self._others = [host for host in hosts if host.name != played.host]
        self._occupancy = Occupancy(World(tuple(hosts), (*played.placed, *staying)))
        self._free = dict(played.pool_free)

    def move(self, item: Leaver) -> str | Fact:
        """To the best other host, with its data; or why it stays where it is."""
        # its data goes with it: that it is here now binds it to nothing
        decision = self._decide(replace(item.guest, pins=()), item)
        if decision.host is None:
            self._occupancy.add(item.guest, self._source)
            return lacks_room(decision)
        for pool, size in item.data.items():
            if (decision.host, pool) in self._free:
                self._free[decision.host, pool] -= size
        return decision.host

    def start(self, guest: Guest) -> str | Fact:
        """On the best other host; or why none takes it."""
        decision = self._decide(guest)
        return decision.host if decision.host is not None else lacks_room(decision)

    def _decide(self, guest: Guest, item: Leaver | None = None) -> Decision:
        lacks = {host.name: tuple(self._lacks(item, host.name)) for host in self._others} if item else None
        decision = decide(guest, self._others, self._occupancy, lacks)
        if decision.host is not None:
            self._occupancy.add(guest, decision.host)
        return decision

    def _lacks(self, item: Leaver, host: str) -> Iterator[Refusal]:
        yield from item.refused_by.get(host, ())
        for pool, size in item.data.items():
            if size > self._free.get((host, pool), size):
                yield Refusal(Lack.POOL_ROOM, pool)


def _maintenance(played: Played) -> HostPlan:
    hosts = [_as(host, played.host, closed="Maintenance") for host in played.hosts]
    table = _Table(played, hosts)
    moving: list[tuple[Leaver, str]] = []
    stopped: list[PlannedMove] = []
    misfits: list[Misfit] = []
    for item in sorted(played.leavers, key=lambda item: leaving_order(item.guest)):
        found = (
            item.bound_for or item.kept_by or (table.start(item.guest) if item.stops else table.move(item))
        )
        if item.stops and item.kept_by is None:
            stopped.append(_move(item, "Stop", found, seconds=item.grace_s))
        elif isinstance(found, Fact):
            misfits.append(_misfit(item, found))
        else:
            moving.append((item, found))
    sizes = [item.guest.all_memory_bytes + sum(item.data.values()) for item, _ in moving]
    ends = migration_seconds(sizes, played.at_once)
    moves = [
        _move(item, "Migrate", target, size, seconds)
        for (item, target), size, seconds in zip(moving, sizes, ends, strict=True)
    ]
    return _plan("maintenance", played, [*moves, *stopped], misfits)


def _loss(played: Played) -> HostPlan:
    table = _Table(played, [_as(host, played.host, not_ready=LOST) for host in played.hosts])
    moves: list[PlannedMove] = []
    misfits = [_misfit(item, item.kept_by) for item in played.leavers if item.kept_by is not None]
    seconds, waiting = RESTART_S, played.pending
    for number, wave in enumerate(_waves(item for item in played.leavers if item.kept_by is None)):
        seconds += max(item.after_timeout_s for item in wave) if number else 0
        leavers = {item.guest.uid: item for item in wave}
        for guest in sorted((*waiting, *(item.guest for item in wave)), key=rank):
            found, item = table.start(guest), leavers.get(guest.uid)
            if item is not None and isinstance(found, Fact):
                misfits.append(_misfit(item, found))
            elif item is not None:
                moves.append(_move(item, "Restart", found, seconds=seconds))
        waiting = ()
    return _plan("host-loss", played, moves, misfits)


def _waves(leavers: Iterator[Leaver]) -> Iterator[list[Leaver]]:
    """First those that wait for none of the others; who waits for each other starts in the end."""
    left = {item.key: item for item in leavers}
    while left:
        free = [item for item in left.values() if not (set(item.after) - {item.key}) & left.keys()]
        wave = free or list(left.values())
        for item in wave:
            del left[item.key]
        yield wave


def _as(host: HostView, name: str, *, closed: str = "", not_ready: str = "") -> HostView:
    """The host as it would be, if it is the one that is asked about."""
    if host.name != name:
        return host
    return replace(host, closed=closed or host.closed, not_ready=not_ready or host.not_ready)


def _move(item: Leaver, action: Action, found: str | Fact, copied: int = 0, seconds: int = 0) -> PlannedMove:
    target, why = (found, None) if isinstance(found, str) else (None, found)
    return PlannedMove(
        namespace=item.guest.namespace,
        name=item.guest.name,
        action=action,
        to=target,
        bytes=copied,
        seconds=seconds,
        reason=why.reason if why is not None else None,
        message=why.message if why is not None else None,
    )


def _misfit(item: Leaver, why: Fact) -> Misfit:
    return Misfit(
        namespace=item.guest.namespace, name=item.guest.name, reason=why.reason, message=why.message
    )


def _plan(
    question: Question, played: Played, moves: Sequence[PlannedMove], misfits: Sequence[Misfit]
) -> HostPlan:
    return HostPlan(
        question=question,
        host=played.host,
        vms=len(played.leavers),
        seconds=max((move.seconds for move in moves), default=0),
        moves=tuple(moves),
        misfits=tuple(misfits),
    )
