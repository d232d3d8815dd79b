"""What the balancer knows, and what it decides: frozen values, no I/O and no clock.

Made by `observe`, read by `plan`; what is to be done is carried out by the controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from quantix_api.facts import Fact
from quantix_operator.migration.model import Prospect
from quantix_operator.scheduling.model import Guest, World


class Cause(StrEnum):
    """Why a VM would be better off elsewhere; the words are reasons of the API."""

    SELECTOR = "SelectorBroken"
    AFFINITY = "AffinityBroken"
    ANTI_AFFINITY = "AntiAffinityBroken"
    PREFERENCE = "PreferenceUnmet"
    MEMORY = "MemoryPressure"
    CPU = "CPUPressure"
    PROMISED = "MemoryPromised"


@dataclass(frozen=True)
class Broken:
    """A rule of the VM `uid`. `near`: it asks for company; `place` tells rules of one text apart."""

    uid: str
    cause: Cause
    rule: str
    near: bool = False
    required: bool = True
    place: int = 0

    @property
    def turn(self) -> tuple[bool, str, str, int]:
        """Sorts by when it is seen to: what must be kept first."""
        return not self.required, self.uid, self.cause, self.place


LOADED_FOR = timedelta(minutes=2)
"""How long a host says that it is short before anything moves: its daemon has waited for minutes already."""
FULL_PERMILLE = 850
"""Of a host's memory: with more promised, VMs move to where there is more room."""
FILLED_PERMILLE = 800
"""What no move fills a host beyond, so that what is brought is never what has to leave next."""
GAP_PERMILLE = 200
"""By how much a host has to be emptier, with the VM, than the one that it leaves because of promises."""
LEAST_PERCENT, MOST_PERCENT = 5, 40
"""Of CPU: what is worth a move, and what a host whose CPUs are idle half of the time takes without being
short itself.
"""


@dataclass(frozen=True)
class HostLoad:
    """How a host fares. Levels are "" where they are not known, or are too old a word; `since`: when it came
    to be short of CPU or memory; `uses`: by UID, the percents of its CPUs that VMs use while it is short.
    `memory_bytes`: what guests can really have, whatever may be promised.
    """

    name: str
    cpu: str = ""
    memory: str = ""
    cpu_since: datetime | None = None
    memory_since: datetime | None = None
    cpus: int = 1
    memory_bytes: int = 0
    uses: Mapping[str, int] = field(default_factory=dict)

    def is_short_of(self, cause: Cause, now: datetime) -> bool:
        """Whether it is short of that, and for long enough."""
        level, since = (self.cpu, self.cpu_since) if cause is Cause.CPU else (self.memory, self.memory_since)
        return level == "High" and since is not None and since + LOADED_FOR <= now

    @property
    def has_some_to_spare(self) -> bool:
        """Whether nothing on it waits for CPU or memory."""
        return (self.cpu, self.memory) == ("Low", "Low")

    @property
    def is_strained(self) -> bool:
        """Whether something on it waits for CPU or memory."""
        return "High" in (self.cpu, self.memory)


@dataclass(frozen=True)
class Mover:
    """A VM that may be moved. `local`: the first of its volumes whose data is on its host only; `policy`:
    what it wants when its host is emptied; `rest_minutes`: for how long it has to have been left alone, 0
    when it was.
    """

    prospect: Prospect
    local: str = ""
    policy: str = "Migrate"
    rest_minutes: int = 0

    @property
    def guest(self) -> Guest:
        return self.prospect.guest


@dataclass(frozen=True)
class Observed:
    """`broken`: the rules that are, in turn; `movers`: by UID, those VMs that could matter; `settling_hosts`:
    those that take part in a migration or did lately, so that how they fare is not known yet; `unsettled`:
    namespaces of which a VM is about to move who knows where to. `held`: why nothing is moved at all.
    """

    world: World
    broken: tuple[Broken, ...] = ()
    loads: Mapping[str, HostLoad] = field(default_factory=dict)
    movers: Mapping[str, Mover] = field(default_factory=dict)
    settling_hosts: frozenset[str] = frozenset()
    unsettled: frozenset[str] = frozenset()
    held: Fact | None = None


@dataclass(frozen=True)
class Better:
    """A move, and why; of VM `mover`."""

    mover: Mover
    target: str
    cause: Cause
    why: Fact

    @property
    def source(self) -> str:
        return self.mover.prospect.source


@dataclass(frozen=True)
class Stays:
    """A VM that a move could have helped, or that stands in the way, and why it stays."""

    guest: Guest
    why: Fact
    grave: bool = True
    """Whether a rule that must be kept is broken, or a host is short, because of it."""


@dataclass(frozen=True)
class Plan:
    """`moves`: the gravest first, at most one from or to a host because of its load. `troubled`: hosts that
    are short and that no move helps, by cause; `settling`: hosts that are short, and take part in a migration
    or did lately, so that how they fare shows later.
    """

    moves: tuple[Better, ...] = ()
    stays: tuple[Stays, ...] = ()
    troubled: Mapping[str, Cause] = field(default_factory=dict)
    settling: tuple[str, ...] = ()
