"""One moment of a snapshot on this host, frozen: what was seen, and `plan` decides by."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import VirtualMachine, VirtualMachineSnapshot
from quantix_api.errors import QuantixError
from quantix_hostd.claims import Claim, VolumePlace
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.snapshot.kept import Kept


@dataclass(frozen=True)
class DiskSeen:
    """A disk that is to be kept. `place`: where its data is, None while there is none; `claim` beside it.
    `target` and `live_place`: its `dev` in the running domain, and where QEMU has it.
    """

    name: str
    volume: str
    volume_uid: str
    pool: str
    size_bytes: int = 0
    encrypted: bool = False
    place: VolumePlace | None = None
    claim: Claim | None = None
    target: str = ""
    live_place: VolumePlace | None = None


@dataclass(frozen=True)
class GuestSeen:
    """The VM's guest, as far as it is here. `steady`: it runs, or its user paused it. `leaves`: it is on its
    way to another host. `held_epoch`: under which its claims are held. `encrypted_disk`: one that QEMU has
    open for it, asked for or not, "" for none. `memory_bytes`: of its memory, as much as it has now.
    """

    steady: bool
    leaves: bool = False
    held_epoch: int = 0
    encrypted_disk: str = ""
    memory_bytes: int = 0


@dataclass(frozen=True)
class WorkSeen:
    """The taking as this process does it: whether it goes on, how far it is, or what it ended with.
    `untold`: why nobody knows now how far it is, "" while that is known.
    """

    running: bool = False
    progress: CopyProgress | None = None
    error: QuantixError | None = None
    untold: str = ""


@dataclass(frozen=True)
class SnapshotObserved:
    """`vm` is None where the API does not have it; `guest` where none of it is here. `other`: another one
    of the VM that is being taken. `is_read`: a volume is being made from it. `unmade`: volumes that are still
    to be made from it, `restore`: the restore that needs it, "" for none; all three are looked for while it
    is deleted.
    """

    snapshot: VirtualMachineSnapshot
    host: str
    vm: VirtualMachine | None = None
    guest: GuestSeen | None = None
    disks: tuple[DiskSeen, ...] = ()
    kept: Kept | None = None
    work: WorkSeen = WorkSeen()
    other: str = ""
    is_read: bool = False
    unmade: tuple[str, ...] = ()
    restore: str = ""

    @property
    def uid(self) -> str:
        return self.snapshot.metadata.uid
