"""What the VM controller saw: one frozen snapshot for plan and status.

Made by `observe.py`; nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quantix_api import VirtualMachine
from quantix_api.conditions import STALLED_REASONS
from quantix_api.facts import Fact
from quantix_api.vm_status import OfType
from quantix_operator.scheduling.eligible import Obstacle
from quantix_operator.scheduling.sizing import Sizing
from quantix_operator.virtualmachine.platform import HostPlatform
from quantix_operator.virtualmachine.ports import NicsResult
from quantix_operator.virtualmachine.protection import Standing
from quantix_operator.virtualmachine.volume_model import DiskWish, Surroundings, VolumeView


@dataclass(frozen=True)
class Observed:
    """`host_lost`: since when its host has not been heard ("" it is heard, or it has none); `no_room`: why a
    VM that its host has is not given what it asks for anew; `of_type`: what its instance type says;
    `staying`: what it says where it keeps its namespace from being deleted; `arrived`: its guest came to this
    host running.
    """

    vm: VirtualMachine
    live: Mapping[str, Any]
    sizing: Sizing | None
    of_type: OfType | None = None
    disks: tuple[DiskWish, ...] = ()
    volumes: Mapping[str, VolumeView] = field(default_factory=dict)
    surroundings: Surroundings = field(default_factory=Surroundings)
    fleet: Sequence[HostPlatform] = ()
    standing: Standing | None = None
    obstacle: Obstacle | None = None
    nics: NicsResult | None = None
    host_lost: str = ""
    no_room: Obstacle | None = None
    staying: Fact | None = None
    arrived: bool = False

    @property
    def host(self) -> str | None:
        """Where the VM is assigned."""
        assignment = self.vm.status.assignment
        return assignment.host if assignment else None

    @property
    def barred(self) -> bool:
        """Whether nothing may be made for it. What a VM with a host has is looked after all the same."""
        return self.host is None and self.obstacle is not None and self.obstacle.bars

    @property
    def unconnectable(self) -> bool:
        """Whether it has no host, and a NIC asks for what its network gives nobody: until a user changes that
        it starts nowhere, and takes no room.
        """
        nics = self.nics
        return self.host is None and nics is not None and not nics.ready and nics.reason in STALLED_REASONS

    @property
    def heard(self) -> bool:
        """Whether the host's daemon acts on this assignment."""
        assignment = self.vm.status.assignment
        return (
            assignment is not None
            and assignment.host is not None
            and self.vm.status.runtime.observed_epoch == assignment.epoch
        )

    @property
    def running(self) -> bool:
        """Whether there is a QEMU (or something left of one) under this assignment."""
        if not self.heard:
            return self.arrived
        return self.vm.status.runtime.domain == "Present"
