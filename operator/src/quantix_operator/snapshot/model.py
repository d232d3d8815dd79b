"""What a pass over all snapshots knows, and what it decides: frozen values, no I/O and no clock.

Made by `observe`, read by `plan`; the actions are carried out by `apply`.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import VirtualMachine, VirtualMachineSnapshot
from quantix_api.virtual_machine_snapshot import OVER
from quantix_operator.diskset.model import Reach, VmDisk
from quantix_operator.vmwork.telling import Release, Tell


@dataclass(frozen=True)
class Shot:
    """One snapshot. `vm`: the one of that name, until it goes; `disks`: those of it that are asked for;
    `taken_already`: another one of that VM that a host is taking; `heard`: its host said how it goes;
    `encrypted_disk`: an encrypted disk of the VM, asked for or not, "" for none.
    """

    snapshot: VirtualMachineSnapshot
    vm: VirtualMachine | None = None
    disks: tuple[VmDisk, ...] = ()
    taken_already: str = ""
    heard: bool = False
    encrypted_disk: str = ""

    @property
    def bars_memory(self) -> bool:
        """Whether memory is asked for of a guest that may hold there what it read of an encrypted disk."""
        return self.snapshot.spec.memory and bool(self.encrypted_disk)

    @property
    def is_over(self) -> bool:
        """Whether it was taken, or never will be."""
        return self.snapshot.status.phase in OVER


@dataclass(frozen=True)
class Observed:
    """`shots`: the elder first."""

    shots: tuple[Shot, ...]
    reach: Reach


@dataclass(frozen=True)
class Choose:
    """Write host, VM and volumes into the snapshot: from then on the host acts."""

    host: str
    vm: VirtualMachine
    disks: tuple[VmDisk, ...]


@dataclass(frozen=True)
class TakeBack:
    """Take host, VM and volumes out of the snapshot, which then waits as before."""


@dataclass(frozen=True)
class Hand:
    """Its host was removed: another one deletes what there is of it."""

    host: str


@dataclass(frozen=True)
class Leave:
    """Its host says how it goes: nothing of it is ours to say any more."""


Action = Choose | TakeBack | Hand | Tell | Leave | Release


@dataclass(frozen=True)
class Steps:
    """What is to be done about one snapshot, in this order; the first that fails ends it for now."""

    shot: Shot
    actions: tuple[Action, ...]

    @property
    def about(self) -> VirtualMachineSnapshot:
        return self.shot.snapshot
