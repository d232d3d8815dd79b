"""Which VMs would be better off elsewhere. Pure.

First rules that are broken: each such move mends one and breaks none, but for a preference that gives way to
a rule that must be kept. Then hosts that are short of memory or CPU, or almost all promised: such a move goes
to a host that is not short, and is not with it either. So what is done is never undone by what is done next:
moves mend rules, and what is left of them takes load off strained hosts, which none of them adds to. The
scheduler's own filters and scores say who fits where. Called by the controller and by what-ifs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from quantix_api.facts import Fact, fact
from quantix_api.message_table_phrases import AWAY_FROM, NEAR_TO
from quantix_api.scheduling_policy import MOST_MOVES
from quantix_operator.balance.load import BY_LOAD, promised_permille, troubles
from quantix_operator.balance.model import (
    FILLED_PERMILLE,
    GAP_PERMILLE,
    LEAST_PERCENT,
    MOST_PERCENT,
    Better,
    Broken,
    Cause,
    HostLoad,
    Mover,
    Observed,
    Plan,
    Stays,
)
from quantix_operator.balance.rules import Places
from quantix_operator.scheduling.model import Guest, HostView
from quantix_operator.scheduling.occupancy import Occupancy
from quantix_operator.scheduling.plan import decide

# of the VMs of one host: whom none of these helps none of the rest would
_MOST_TRIED = 32


def plan_balance(observed: Observed, now: datetime) -> Plan:
    """The next moves, and what stays that a move could have helped."""
    if observed.held is not None:
        return Plan()
    table = _Table(observed, now)
    table.mend()
    table.relieve()
    stays = tuple(stay for _, stay in sorted(table.stays.items()))
    return Plan(tuple(table.moves), stays, table.troubled, tuple(table.settling))


class _Table:
    """Who is where while moves are chosen; what one gets, those after it do not."""

    def __init__(self, observed: Observed, now: datetime) -> None:
        self._observed, self._now = observed, now
        self._hosts = {host.name: host for host in observed.world.hosts}
        self._occupancy = Occupancy(observed.world)
        self._places = Places(observed.world)
        self._touched = set(observed.settling_hosts)
        self.moves: list[Better] = []
        self._tried: dict[str, Fact] = {}
        self.stays: dict[str, Stays] = {}
        self.settling: list[str] = []
        self.troubled: dict[str, Cause] = {}

    def mend(self) -> None:
        """What breaks a rule."""
        for broken in self._observed.broken:
            if len(self.moves) == MOST_MOVES:
                return
            if broken not in self._places.broken(broken.uid):
                continue  # a move before mended it as well
            uids = (broken.uid, *self._places.in_the_way(broken))
            if self._places.guest(broken.uid).namespace in self._observed.unsettled:
                continue
            self._tried = {}
            movers = sorted(filter(None, map(self._free, uids)), key=_cost)
            found = (self._mending(broken, mover) for mover in movers)
            self._settle(next(filter(None, found), None), grave=broken.required)

    def _mending(self, broken: Broken, mover: Mover) -> Better | None:
        if self._keeps(mover, must=broken.required):
            return None
        guest, rule = mover.guest, broken.rule
        hosts = self._mends(mover, broken)
        at_ease = [host for host in hosts if self._takes(guest, host)]
        # what must be kept is kept where there is room at all
        target = self._best(mover, at_ease) or (self._best(mover, hosts) if broken.required else None)
        if target is None:
            self._tried[guest.uid] = fact("Ready", "False", "NoMoveHelps", name=guest.name, rule=rule)
            return None
        return Better(mover, target, broken.cause, self._why_mending(broken, mover, target))

    def _why_mending(self, broken: Broken, mover: Mover, target: str) -> Fact:
        fields = {"name": mover.guest.name, "target": target, "rule": broken.rule}
        if broken.cause is Cause.SELECTOR:
            return fact("Balanced", "False", "SelectorBroken", source=mover.prospect.source, **fields)
        fields["owner"] = self._places.guest(broken.uid).name
        if broken.cause is Cause.PREFERENCE:
            place = NEAR_TO if broken.near else AWAY_FROM
            return fact("Balanced", "False", "PreferenceUnmet", place=place, **fields)
        return fact("Balanced", "False", broken.cause.value, **fields)

    def _mends(self, mover: Mover, broken: Broken) -> list[HostView]:
        """The hosts where the rule is kept, and none is broken that was not, or only what gives way to it."""
        names = [host.name for host in self._others(mover)]
        return [
            self._hosts[name]
            for name, before, after in self._places.changes(mover.guest, names)
            if broken not in after
            and not any(item.required or not broken.required for item in after - before)
        ]

    def relieve(self) -> None:
        """Hosts that have too much: one move from each, since how it then fares shows later."""
        shares = {name: promised_permille(host, self._occupancy) for name, host in self._hosts.items()}
        found = [
            (causes, name)
            for name, host in self._hosts.items()
            if (causes := troubles(self._load(host), shares[name], self._now))
        ]
        for causes, name in sorted(found, key=lambda item: (BY_LOAD.index(item[0][0]), item[1])):
            if name in self._touched:
                self.settling.append(name)
                continue
            self._tried = {}
            better = next(filter(None, (self._relief(name, cause) for cause in causes)), None)
            self._settle(better, grave=True)
            if better is None:
                self.troubled[name] = causes[0]

    def _relief(self, source: str, cause: Cause) -> Better | None:
        """The first move off this host that helps."""
        for mover in self._leavers(source, cause):
            names = [
                host.name
                for host in self._others(mover)
                if host.name not in self._touched
                and self._takes(mover.guest, host, cause)
                and self._stays_well(mover, host, cause)
            ]
            changes = self._places.changes(mover.guest, names)
            target = self._best(mover, [self._hosts[name] for name, now, then in changes if then <= now])
            if target is not None:
                return Better(mover, target, cause, self._why_relief(mover, target, cause))
            self._tried[mover.guest.uid] = fact("Ready", "False", "NoMoveHelps", name=mover.guest.name)
        return None

    def _leavers(self, source: str, cause: Cause) -> Iterator[Mover]:
        """The less important first, then who helps most. Huge pages were set aside, and free nothing: who has
        its memory in them does not help where that is short.
        """
        uses = self._load(self._hosts[source]).uses
        movers = [item for item in self._observed.movers.values() if item.prospect.source == source]
        if cause is Cause.CPU:
            movers = [item for item in movers if uses.get(item.guest.uid, 0) >= LEAST_PERCENT]
        else:
            movers = [item for item in movers if 2 * item.guest.memory_bytes > item.guest.all_memory_bytes]

        def turn(item: Mover) -> tuple[int, int, int, str]:
            percent = uses.get(item.guest.uid, 0) if cause is Cause.CPU else 0
            return item.guest.priority, -percent, -item.guest.memory_bytes, item.guest.uid

        for item in sorted(movers, key=turn)[:_MOST_TRIED]:
            if self._free(item.guest.uid) is not None and not self._keeps(item, must=False):
                yield item

    def _stays_well(self, mover: Mover, host: HostView, cause: Cause) -> bool:
        """Whether the guest brings the target none of the trouble that it leaves."""
        source, target = self._load(self._hosts[mover.prospect.source]), self._load(host)
        if cause is Cause.CPU:
            return source.uses[mover.guest.uid] * source.cpus <= MOST_PERCENT * target.cpus
        if cause is Cause.MEMORY:
            return True
        now = promised_permille(self._hosts[source.name], self._occupancy)
        return self._share_with(mover.guest, host, host.memory_bytes) <= now - GAP_PERMILLE

    def _why_relief(self, mover: Mover, target: str, cause: Cause) -> Fact:
        source = mover.prospect.source
        fields = {"name": mover.guest.name, "source": source, "target": target}
        if cause is Cause.CPU:
            percent = self._load(self._hosts[source]).uses[mover.guest.uid]
            return fact("Balanced", "False", "CPUPressure", percent=percent, **fields)
        return fact("Balanced", "False", cause.value, **fields)

    def _takes(self, guest: Guest, host: HostView, cause: Cause | None = None) -> bool:
        """Whether the host has something to spare, and still has it with the guest."""
        load = self._load(host)
        eased = not load.is_strained if cause is None else load.has_some_to_spare
        if cause is Cause.PROMISED:
            # promises can be weighed also where a kernel does not tell what waits
            eased = {load.cpu, load.memory} <= {"", "Low"}
        most = min(host.memory_bytes, load.memory_bytes or host.memory_bytes)
        return eased and self._share_with(guest, host, most) <= FILLED_PERMILLE

    def _share_with(self, guest: Guest, host: HostView, capacity_bytes: int) -> int:
        promised = self._occupancy.promised_memory_bytes(host.name) + guest.memory_bytes
        return promised * 1000 // max(capacity_bytes, 1)

    def _others(self, mover: Mover) -> list[HostView]:
        return [host for host in self._hosts.values() if host.name != mover.prospect.source]

    def _best(self, mover: Mover, hosts: Sequence[HostView]) -> str | None:
        return decide(mover.guest, hosts, self._occupancy, mover.prospect.refused_by).host

    def _free(self, uid: str) -> Mover | None:
        """One that nobody moves already."""
        mover = self._observed.movers.get(uid)
        chosen = any(better.mover.guest.uid == uid for better in self.moves)
        return None if mover is None or chosen else mover

    def _keeps(self, mover: Mover, *, must: bool) -> bool:
        """Whether something keeps it where it is, and says so."""
        why, guest = _kept(mover), mover.guest
        if why is None and mover.local and not must:
            where = {"volume": mover.local, "source": mover.prospect.source}
            why = fact("Ready", "False", "LocalStorage", name=guest.name, **where)
        if why is not None:
            self._tried[guest.uid] = why
        return why is not None

    def _settle(self, better: Better | None, *, grave: bool) -> None:
        """The move that was found is made; if there is none, what was tried says why."""
        if better is None:
            for uid, why in self._tried.items():
                before = self.stays.get(uid)
                worse = grave or (before is not None and before.grave)
                self.stays[uid] = Stays(self._observed.movers[uid].guest, why, worse)
            return
        guest = better.mover.guest
        self.moves.append(better)
        self.stays.pop(guest.uid, None)
        self._touched |= {better.source, better.target}
        # until it is over it has its room on both
        self._occupancy.add(guest, better.target)
        self._places.move(guest, better.target)

    def _load(self, host: HostView) -> HostLoad:
        return self._observed.loads.get(host.name) or HostLoad(host.name)


def _kept(mover: Mover) -> Fact | None:
    """Why it stays whatever a move would help."""
    name = mover.guest.name
    if mover.policy == "Block":
        return fact("Ready", "False", "PolicyBlock")
    if mover.policy == "Stop":
        return fact("Ready", "False", "PolicyStop", name=name)
    if mover.rest_minutes:
        return fact("Ready", "False", "MovedLately", name=name, minutes=mover.rest_minutes)
    return mover.prospect.kept_by


def _cost(mover: Mover) -> tuple[bool, int, int, str]:
    """What its move costs: data to be copied, an important VM, memory in pages of whatever size."""
    guest = mover.guest
    return bool(mover.local), guest.priority, guest.all_memory_bytes, guest.uid
