"""What a pass over all restores knows, and what it decides: frozen values, no I/O and no clock.

Made by `observe`, read by `plan`; the actions are carried out by `apply`.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import VirtualMachine, VirtualMachineRestore, VirtualMachineSnapshot
from quantix_api.virtual_machine_restore import OVER
from quantix_operator.diskset.model import Reach, VmDisk
from quantix_operator.vmwork.telling import Release, Tell


@dataclass(frozen=True)
class Task:
    """One restore. `vm`: the one that it names, once it began the one that it began with, None when that is
    gone; `disks`: all that the VM has; `snapshot`: the one of that name; `taken`: a snapshot of the VM that a
    host is taking; `heard`: its host said how it goes; `differences`: where the VM's spec differs from the
    snapshot's config; `unlike`: those that its memory does not fit.
    """

    restore: VirtualMachineRestore
    vm: VirtualMachine | None = None
    disks: tuple[VmDisk, ...] = ()
    snapshot: VirtualMachineSnapshot | None = None
    taken: str = ""
    heard: bool = False
    differences: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()

    @property
    def is_named(self) -> bool:
        """Whether the VM says that it is this one that holds it off."""
        named = self.vm.status.restore if self.vm is not None else None
        return named is not None and named.uid == self.restore.metadata.uid

    @property
    def is_over(self) -> bool:
        """Whether its disks are set back, or will not be."""
        return self.restore.status.phase in OVER


@dataclass(frozen=True)
class Observed:
    """`tasks`: the elder first. `left`: VMs that are held off by a restore that is not known."""

    tasks: tuple[Task, ...]
    reach: Reach
    left: tuple[VirtualMachine, ...] = ()


@dataclass(frozen=True)
class Name:
    """Say in the VM that this restore holds it off: from then on nothing starts it."""


@dataclass(frozen=True)
class LetGo:
    """The VM is no longer held off."""


@dataclass(frozen=True)
class Choose:
    """Write host, snapshot and volumes into the restore: from then on the host acts."""

    host: str
    vm: VirtualMachine
    snapshot: VirtualMachineSnapshot
    disks: tuple[VmDisk, ...]


@dataclass(frozen=True)
class Leave:
    """Its host says how it goes; ours is where the VM's spec differs from what the snapshot knew."""

    differences: tuple[str, ...] = ()


Action = Name | LetGo | Choose | Tell | Leave | Release


@dataclass(frozen=True)
class Steps:
    """What is to be done about one restore, in this order; the first that fails ends it for now."""

    task: Task
    actions: tuple[Action, ...]

    @property
    def about(self) -> VirtualMachineRestore:
        return self.task.restore


@dataclass(frozen=True)
class LetGoLeft:
    """A VM that names a restore which is not known goes on where the API does not have that either."""

    about: VirtualMachine
