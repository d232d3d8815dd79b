"""The detector and its brake, played through in steps of half a second: which hosts are fenced, and when.

Unlike the other models this one knows time, and nothing here keeps a disk safe: a wrong decision costs a
restart, a late one the 15 s. What is left open is when a beat falls, so each situation is played with each
host's beats early and late.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product

HOSTS = (0, 1, 2)
STEP_S = 0.5
BEAT_S = 2.0
FAILED_S = 8.0
BRAKE_S = 5.0
HELD_S = 1.0
LONGEST_GAP_S = 2.0
TAKEOVER_S = 8.0
BRAKE_FROM = max(2, len(HOSTS) // 3 + 1)


class Rule(StrEnum):
    TWO_SIGNALS = "a host whose management network is cut is fenced"
    OWN_BEAT_PROCESS = "a host whose hostd crashed is fenced"
    AGE_RESTARTS = "an observer that cannot read a beat itself takes that for the silence of the host"
    BRAKE = "a common outage fences all hosts"
    BRAKE_AT_5_S = "a common outage fences the host whose beat came first"
    HELD_1_S = "an outage that reaches one host after the other fences the first"
    WARM_STANDBYS = "a host that dies with the leader is fenced too late"


class Lost(StrEnum):
    """What does not work for a while."""

    HOST = "the host"
    HOSTD = "hostd"
    LEASE = "the way to the API"
    BEAT = "the way to the storage"
    API = "the API, for everybody"
    BEAT_OBJECT = "the storage of the host's beat, for everybody"
    OBSERVER = "the observer, which stands still"
    LEADER = "the leader, whose office another takes"


@dataclass(frozen=True)
class Outage:
    lost: Lost
    host: int = 0
    begins_s: float = 20.0
    ends_s: float = 80.0

    def is_on(self, lost: Lost, host: int, now: float) -> bool:
        return self.lost is lost and self.host == host and self.begins_s <= now < self.ends_s


@dataclass(frozen=True)
class Situation:
    """`dead` is the host to be fenced, by that second; no other may be."""

    name: str
    outages: tuple[Outage, ...]
    dead: int | None = None
    by_s: float = 0.0
    until_s: float = 60.0

    def works(self, lost: Lost, now: float, host: int = 0) -> bool:
        return not any(outage.is_on(lost, host, now) for outage in self.outages)


@dataclass(frozen=True)
class Phases:
    """By how much each host's lease and beat come after the even second."""

    lease: tuple[float, ...]
    beat: tuple[float, ...]

    @staticmethod
    def extremes() -> Iterator[Phases]:
        """The first host's, and those of the others, each as early and as late as can be."""
        others = len(HOSTS) - 1
        for lease, beat, their_lease, their_beat in product((0.0, BEAT_S - STEP_S), repeat=4):
            yield Phases((lease, *[their_lease] * others), (beat, *[their_beat] * others))


def _beats(now: float, phase: float) -> bool:
    return (now - phase) % BEAT_S == 0


@dataclass
class Observer:
    """When it last saw a signal of each host change, on its own clock."""

    rules: frozenset[Rule]
    lease_seen: list[float] = field(default_factory=lambda: [0.0 for _ in HOSTS])
    beat_seen: list[float] = field(default_factory=lambda: [0.0 for _ in HOSTS])
    failed_since: dict[int, float] = field(default_factory=dict)
    looked: float = 0.0

    def look(self, situation: Situation, leases: list[float], beats: list[float], now: float) -> None:
        """`leases` and `beats`: when each was last written, which stands for what is written there."""
        restarts = Rule.AGE_RESTARTS in self.rules
        gap = restarts and now - self.looked > LONGEST_GAP_S
        self.looked = now
        for host in HOSTS:
            if situation.works(Lost.API, now):
                self.lease_seen[host] = max(self.lease_seen[host], leases[host])
            elif restarts:
                self.lease_seen[host] = now
            if situation.works(Lost.BEAT_OBJECT, now, host):
                self.beat_seen[host] = max(self.beat_seen[host], beats[host])
            elif restarts:
                self.beat_seen[host] = now
            if gap:
                self.lease_seen[host] = self.beat_seen[host] = now

    def wants_to_fence(self, host: int, now: float) -> bool:
        silent = now - self.lease_seen[host] >= FAILED_S
        if Rule.TWO_SIGNALS in self.rules:
            silent = silent and now - self.beat_seen[host] >= FAILED_S
        if not silent:
            self.failed_since.pop(host, None)
            return False
        since = self.failed_since.setdefault(host, now)
        held = now - since >= (HELD_S if Rule.HELD_1_S in self.rules else 0.0)
        return held and not self.brakes(now)

    def brakes(self, now: float) -> bool:
        if Rule.BRAKE not in self.rules:
            return False
        limit = BRAKE_S if Rule.BRAKE_AT_5_S in self.rules else FAILED_S
        return any(
            sum(now - seen > limit for seen in signal) >= BRAKE_FROM
            for signal in (self.lease_seen, self.beat_seen)
        )


def play(situation: Situation, phases: Phases, rules: frozenset[Rule]) -> dict[int, float]:
    """The hosts that are fenced, with when."""
    observer = Observer(rules)
    leases, beats = [0.0 for _ in HOSTS], [0.0 for _ in HOSTS]
    fenced: dict[int, float] = {}
    lost_office = [outage.begins_s for outage in situation.outages if outage.lost is Lost.LEADER]
    for step in range(int(situation.until_s / STEP_S)):
        now = step * STEP_S
        _signals(situation, phases, rules, now, leases, beats)
        taken_over = not lost_office or not lost_office[0] <= now < lost_office[0] + TAKEOVER_S
        if lost_office and now == lost_office[0] + TAKEOVER_S and Rule.WARM_STANDBYS not in rules:
            observer = Observer(rules, [now for _ in HOSTS], [now for _ in HOSTS], looked=now)
        if not situation.works(Lost.OBSERVER, now):
            continue
        observer.look(situation, leases, beats, now)
        for host in HOSTS:
            if observer.wants_to_fence(host, now) and taken_over:
                fenced.setdefault(host, now)
    return fenced


def _signals(
    situation: Situation,
    phases: Phases,
    rules: frozenset[Rule],
    now: float,
    leases: list[float],
    beats: list[float],
) -> None:
    for host in HOSTS:
        lives = situation.works(Lost.HOST, now, host)
        hostd = lives and situation.works(Lost.HOSTD, now, host)
        to_api = situation.works(Lost.LEASE, now, host) and situation.works(Lost.API, now)
        to_storage = situation.works(Lost.BEAT, now, host) and situation.works(Lost.BEAT_OBJECT, now, host)
        beater = lives if Rule.OWN_BEAT_PROCESS in rules else hostd
        if hostd and to_api and _beats(now, phases.lease[host]):
            leases[host] = now
        if beater and to_storage and _beats(now, phases.beat[host]):
            beats[host] = now


def mistakes(situation: Situation, rules: frozenset[Rule]) -> set[str]:
    """What is done wrong in this situation, whenever the beats fall."""
    found = set()
    for phases in Phases.extremes():
        fenced = play(situation, phases, rules)
        if set(fenced) - {situation.dead}:
            found.add("a healthy host is fenced")
        if situation.dead is not None and fenced.get(situation.dead, situation.until_s) > situation.by_s:
            found.add("a dead host is fenced too late")
    return found


def _all(lost: Lost, ends_s: float = 80.0) -> tuple[Outage, ...]:
    return tuple(Outage(lost, host, ends_s=ends_s) for host in HOSTS)


SITUATIONS = (
    Situation("a host dies", (Outage(Lost.HOST),), dead=0, by_s=30.0),
    Situation("the leader's host dies", (Outage(Lost.HOST), Outage(Lost.LEADER)), dead=0, by_s=30.0),
    Situation("hostd crashes and stays away", (Outage(Lost.HOSTD),)),
    Situation("a host is cut off from the API", (Outage(Lost.LEASE),)),
    Situation("a host is cut off from the storage", (Outage(Lost.BEAT),)),
    Situation("the API is away for 60 s", (Outage(Lost.API),), until_s=100.0),
    Situation(
        "the API is away for 60 s, and a host dies meanwhile",
        (Outage(Lost.API), Outage(Lost.HOST, 0, 40.0, 999.0)),
        dead=0,
        by_s=90.0,
        until_s=100.0,
    ),
    Situation("the storage pauses for 20 s", _all(Lost.BEAT, ends_s=40.0)),
    Situation("all hosts are cut off at once", _all(Lost.LEASE) + _all(Lost.BEAT)),
    Situation(
        "hosts are cut off within 2 s",
        tuple(
            Outage(lost, host, 20.0 + min(host, 1) * 2.0)
            for host in HOSTS
            for lost in (Lost.LEASE, Lost.BEAT)
        ),
    ),
    Situation("the observer stands still for 20 s", (Outage(Lost.OBSERVER, ends_s=40.0),)),
    Situation(
        "hostd crashes, and the storage of that host's beat is down",
        (Outage(Lost.HOSTD), Outage(Lost.BEAT_OBJECT)),
    ),
)
