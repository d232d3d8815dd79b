"""How much the programs of this host wait for CPU and memory, as coarse levels.

Fed by `pressure_watch`. A level counts the last minutes, has to be left by more than it was come to by, and
stays for minutes once it changed: what is said in the API is seldom news (docs/adr/0051). Pressure stall
information: the kernel's Documentation/accounting/psi.rst; "some" is the part of time in which at least one
task waited.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from quantix_api.host import HostPressure
from quantix_api.times import render_time
from quantix_hostd.facts.load import MachineLoad

SAMPLE_S = 10.0
WINDOW_S = 180.0
SHARES_AGAIN_S = 900.0
"""How often it is told anew who uses what is short, while it stays so."""
WATCHED_FROM = 0.1
"""Of the time: where programs wait for CPUs so much, it is of interest who uses them."""
_MOST_SHARES, _STEP = 16, 5

Level = Literal["Low", "Some", "High"]


@dataclass(frozen=True)
class Marks:
    """Parts, 0 to 1. `high`, `low`: of the time in which programs wait, where a level begins; `spare`: of the
    resource, at least so much is unused while it is Low; `least`: with less it is High whoever waits.
    """

    high: float
    low: float
    spare: float
    least: float = 0.0

    def level(self, waited: float, unused: float) -> Level:
        if waited >= self.high or unused < self.least:
            return "High"
        return "Low" if waited < self.low and unused >= self.spare else "Some"


# by the level that holds already
_CPU = {"High": Marks(0.15, 0.05, 0.5), "Low": Marks(0.25, 0.1, 0.4)}
_CPU_ELSE = Marks(0.25, 0.05, 0.5)
_MEMORY = {"High": Marks(0.05, 0.02, 0.2, 0.1), "Low": Marks(0.1, 0.05, 0.15, 0.05)}
_MEMORY_ELSE = Marks(0.1, 0.02, 0.2, 0.05)


@dataclass(frozen=True)
class Sample:
    """At one moment, all but `free` counted from some time on: seconds in which programs waited, seconds that
    CPUs worked, and had. `free`: of the memory, 0 to 1; `guests_ns`: CPU time by UID of the VM, where asked.
    """

    at_s: float
    cpu_waited_s: float
    memory_waited_s: float
    worked_s: float
    had_s: float
    free: float
    guests_ns: Mapping[str, int] = field(default_factory=dict)


@dataclass
class _Said:
    level: Level
    since: str
    at_s: float
    shares: tuple[Mapping[str, Any], ...] = ()
    shares_at_s: float = 0.0


def sample_of(load: MachineLoad, at_s: float, guests_ns: Mapping[str, int]) -> Sample | None:
    """None where the kernel tells no pressure."""
    waited = [load.pressure_s.get((resource, "some")) for resource in ("cpu", "memory")]
    total, free = (load.memory_bytes.get(name) for name in ("MemTotal", "MemAvailable"))
    if waited[0] is None or waited[1] is None or not total or free is None:
        return None
    had_s = sum(load.cpu_s.values())
    idle_s = sum(load.cpu_s.get(mode, 0.0) for mode in ("idle", "iowait"))
    return Sample(at_s, waited[0], waited[1], had_s - idle_s, had_s, free / total, guests_ns)


class Pressure:
    """One for a host. `cpus`: how many it has."""

    def __init__(self, cpus: int) -> None:
        self._cpus = cpus
        self._samples: deque[Sample] = deque()
        self._said: dict[str, _Said] = {}
        self._unknown = False

    def remember(self, told: Iterable[HostPressure]) -> None:
        """What an earlier process said holds until this one knows better."""
        if self._said or self._unknown:
            return
        for item in told:
            since = render_time(item.since) if item.since is not None else ""
            shares = tuple({"uid": vm.uid, "percent": vm.percent} for vm in item.virtual_machines)
            self._said[item.resource] = _Said(item.level, since, float("-inf"), shares)

    @property
    def is_of_interest(self) -> bool:
        """Whether it is worth knowing which guests use the CPUs."""
        if len(self._samples) < 2:
            return False
        first, last = self._samples[-2], self._samples[-1]
        return last.cpu_waited_s - first.cpu_waited_s >= WATCHED_FROM * (last.at_s - first.at_s)

    def take(self, sample: Sample, now: datetime) -> bool:
        """One more; whether what is said changed by it."""
        if self._samples and sample.had_s < self._samples[-1].had_s:
            self._samples.clear()  # the machine was started anew
        self._samples.append(sample)
        while len(self._samples) > 2 and self._samples[1].at_s <= sample.at_s - WINDOW_S:
            self._samples.popleft()
        first, seconds = self._samples[0], sample.at_s - self._samples[0].at_s
        if seconds < WINDOW_S:
            return False
        had_s = max(sample.had_s - first.had_s, 1e-9)
        unused = 1.0 - (sample.worked_s - first.worked_s) / had_s
        before = self.told()
        self._say("CPU", _CPU, _CPU_ELSE, ((sample.cpu_waited_s - first.cpu_waited_s) / seconds, unused), now)
        waited = (sample.memory_waited_s - first.memory_waited_s) / seconds
        self._say("Memory", _MEMORY, _MEMORY_ELSE, (waited, sample.free), now)
        self._tell_shares(sample.at_s)
        return self.told() != before

    def _say(
        self,
        resource: str,
        marks: Mapping[str, Marks],
        otherwise: Marks,
        found: tuple[float, float],
        now: datetime,
    ) -> None:
        said, at_s = self._said.get(resource), self._samples[-1].at_s
        level = marks.get(said.level if said is not None else "", otherwise).level(*found)
        if said is not None and (level == said.level or at_s - said.at_s < WINDOW_S):
            return
        self._said[resource] = _Said(level, render_time(now), at_s)

    def _tell_shares(self, at_s: float) -> None:
        said = self._said.get("CPU")
        if said is None or said.level != "High":
            return
        due = not said.shares or at_s - said.shares_at_s >= SHARES_AGAIN_S
        shares = self._shares() if due else ()
        if shares:
            said.shares, said.shares_at_s = shares, at_s

    def _shares(self) -> tuple[Mapping[str, Any], ...]:
        """Of those guests that were there all the while, who uses most first."""
        known = [sample for sample in self._samples if sample.guests_ns]
        if len(known) < 2:
            return ()
        first, last = known[0], known[-1]
        had_ns = (last.at_s - first.at_s) * self._cpus * 1e9
        used = {
            uid: (used_ns - first.guests_ns[uid]) / had_ns
            for uid, used_ns in last.guests_ns.items()
            if _only_grew([sample.guests_ns.get(uid) for sample in known])
        }
        percents = {uid: _coarse(part) for uid, part in used.items()}
        ordered: Sequence[tuple[str, int]] = sorted(percents.items(), key=lambda item: (-item[1], item[0]))
        return tuple({"uid": uid, "percent": part} for uid, part in ordered[:_MOST_SHARES] if part)

    def told(self) -> list[dict[str, Any]]:
        """As `Host.status.pressure` has it; nothing while nothing is known."""
        return [
            {
                "resource": resource,
                "level": said.level,
                **({"since": said.since} if said.since else {}),
                **({"virtualMachines": [*said.shares]} if said.shares and said.level == "High" else {}),
            }
            for resource, said in sorted(self._said.items())
        ]

    def forget(self) -> None:
        """The kernel tells nothing."""
        self._unknown = True
        self._samples.clear()
        self._said.clear()


def _only_grew(counted: Sequence[int | None]) -> bool:
    """Whether it is one QEMU's: another one counts from its own start on, as after a migration to and fro."""
    return all(a is not None and b is not None and a <= b for a, b in pairwise(counted))


def _coarse(part: float) -> int:
    """In percent, in steps, of all that there is at most."""
    return min(round(part * 100 / _STEP) * _STEP, 100)
