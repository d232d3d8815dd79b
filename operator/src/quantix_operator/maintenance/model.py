"""What a look at all hosts in maintenance knows, and what it decides: frozen values, no I/O and no clock.

Made by `observe`, which leaves out whom nothing has to be done for (`goes_anyhow`); read by `plan`. What is
to be done is carried out by the controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from quantix_api import VirtualMachine, VirtualMachineMigration
from quantix_operator.migration.model import Prospect
from quantix_operator.scheduling.model import World
from quantix_operator.scheduling.running import runs


@dataclass(frozen=True)
class Staying:
    """A VM that stays on a host in maintenance unless something is done. `prospect`: None while nobody knows
    what it needs elsewhere; `ended`: the last migration that this maintenance made and that did not succeed;
    `silent_since`: as people read it, while its host is silent.
    """

    vm: VirtualMachine
    host: str
    host_uid: str
    prospect: Prospect | None = None
    ended: VirtualMachineMigration | None = None
    silent_since: str = ""


@dataclass(frozen=True)
class Observed:
    """`world`: empty where nobody is to leave; `needless`: migrations that wait, of hosts that are no longer
    to be emptied.
    """

    staying: tuple[Staying, ...]
    world: World
    needless: tuple[VirtualMachineMigration, ...] = ()


@dataclass(frozen=True)
class Create:
    """A migration of this VM, under this name."""

    name: str
    staying: Staying


@dataclass(frozen=True)
class Plan:
    """`stays`: by host, the first VM that does not leave it by itself, and why."""

    create: tuple[Create, ...]
    cancel: tuple[VirtualMachineMigration, ...]
    stays: Mapping[str, tuple[str, str]]
    look_again_at: datetime | None = None


def goes_anyhow(vm: VirtualMachine, *, moves: bool) -> bool:
    """Whether it moves, ends, or its host shuts it down; one that starts is looked at again when it runs."""
    if moves or vm.deleting or vm.spec.power_state == "Stopped":
        return True
    policy = vm.spec.migration.on_maintenance
    return policy == "Stop" or (policy == "Migrate" and vm.spec.power_state == "Running" and not runs(vm))
