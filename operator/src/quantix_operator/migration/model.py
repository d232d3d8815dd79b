"""What a pass over all migrations knows, and what it decides: frozen values, no I/O and no clock.

Made by `observe`, read by `plan`, `queue` and `beginning`; the actions are carried out by `apply`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from quantix_api import VirtualMachine, VirtualMachineMigration, Volume
from quantix_api.facts import Fact
from quantix_operator.scheduling.model import Guest, Refusal, World
from quantix_operator.vmwork.telling import Release, Tell


@dataclass(frozen=True)
class Prospect:
    """What decides whether a VM can leave its host. `guest`: what it asks of another one; `kept_by`: why
    it can leave for none; `refused_by`: by host, what speaks against that one and no filter of the scheduler
    knows, such as room for its data.
    """

    guest: Guest
    source: str
    source_uid: str
    kept_by: Fact | None = None
    refused_by: Mapping[str, tuple[Refusal, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """One migration. `vm`: the one that it names, or once it began the one that it began with, None when
    that is gone; `volumes`: those of its disks whose data is on one host only, `shared`: the others;
    `prospect`: before it begins.
    """

    migration: VirtualMachineMigration
    vm: VirtualMachine | None = None
    volumes: tuple[Volume, ...] = ()
    shared: tuple[Volume, ...] = ()
    prospect: Prospect | None = None
    snapshot: str = ""
    """One of the VM that a host is taking, before the VM says that it moves."""
    displaced: Volume | None = None
    """One of its disks that is on its way to another pool, before the VM says that it moves."""

    @property
    def is_named(self) -> bool:
        """Whether the VM says that it is this one that moves it: only then hosts act."""
        named = self.vm.status.migration if self.vm is not None else None
        return named is not None and named.uid == self.migration.metadata.uid

    @property
    def is_over(self) -> bool:
        """Whether it was told how it ended."""
        return self.migration.status.finished_at is not None

    @property
    def goes_on(self) -> bool:
        """Whether hosts were chosen, and it has not ended."""
        return self.migration.status.started_at is not None and not self.is_over


@dataclass(frozen=True)
class Limits:
    """How many may go on at once."""

    per_host: int = 2
    per_cluster: int = 8


@dataclass(frozen=True)
class Observed:
    """`moves`: in turn (`turns`); `silent`: hosts that are not heard, or are not there, and since when."""

    moves: tuple[Move, ...]
    world: World
    limits: Limits = Limits()
    silent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Choose:
    """Write the hosts into the migration, with when, and of which VM."""

    vm_uid: str
    source: str
    target: str
    at: datetime


@dataclass(frozen=True)
class Name:
    """Say in the VM that this migration moves it: from then on hosts act."""

    source: str
    target: str


@dataclass(frozen=True)
class GiveVolume:
    """Say of it that this host keeps it now, for certain."""

    volume: Volume
    host: str


@dataclass(frozen=True)
class CutOver:
    """The VM is the target's, under this epoch, and is no longer moved: one write."""

    target: str
    epoch: int


@dataclass(frozen=True)
class LetGo:
    """The VM is no longer moved, and stays where it is."""


@dataclass(frozen=True)
class Remove:
    """Delete the migration, whose time is over."""


Action = Choose | Name | GiveVolume | CutOver | LetGo | Tell | Remove | Release


@dataclass(frozen=True)
class Steps:
    """What is to be done about one migration, in this order; the first that fails ends it for now."""

    move: Move
    actions: tuple[Action, ...]

    @property
    def about(self) -> VirtualMachineMigration:
        return self.move.migration


@dataclass(frozen=True)
class Plan:
    """`look_again_at`: when the time of one that ended is over."""

    steps: tuple[Steps, ...] = ()
    look_again_at: datetime | None = None
