"""What can be done to a VM on this host: the words between `plan` and `apply`. Frozen data, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quantix_hostd.claims import VolumePlace
from quantix_hostd.domainxml.spec import UNBOUND, BoundMemory
from quantix_hostd.facts.devices import Seat
from quantix_hostd.facts.domain import ShutdownMode
from quantix_hostd.facts.process import QemuProcess
from quantix_hostd.virtualmachine.leaving_actions import LeavingAction
from quantix_hostd.virtualmachine.live_actions import LiveAction
from quantix_hostd.virtualmachine.memory_actions import ForgetMemory, RestorePaused
from quantix_hostd.virtualmachine.move_actions import MoveAction
from quantix_hostd.virtualmachine.record import Record


@dataclass(frozen=True)
class SaveRecord:
    record: Record


@dataclass(frozen=True)
class ForgetRecord:
    pass


@dataclass(frozen=True)
class EnterCpus:
    """Note in the book of CPUs which ones the guest has to itself, and its memory that is bound to their
    nodes; none: it shares, or does not run.
    """

    cpus: tuple[int, ...]
    bound: BoundMemory = UNBOUND


@dataclass(frozen=True)
class EnterDevices:
    """Note in the book of devices which of the host's the guest has, by name; none: it does not run."""

    held: Mapping[str, str]


@dataclass(frozen=True)
class RemovePorts:
    ports: tuple[str, ...]


@dataclass(frozen=True)
class PrepareDirectories:
    """The VM's directories of sockets and logs, with the owners that QEMU needs."""


@dataclass(frozen=True)
class BuildFirstBootDrive:
    pass


@dataclass(frozen=True)
class TakeClaims:
    """The first place decides and is taken first. `rewrite`: written anew also where it is ours already, so
    that what an earlier hostd was about to write there cannot replace it any more.
    """

    places: tuple[VolumePlace, ...]
    epoch: int
    rewrite: bool = False


@dataclass(frozen=True)
class GrowDisk:
    """Make a disk that no QEMU has larger, under our claim. `encrypted`: the name of such a volume."""

    place: VolumePlace
    size_bytes: int
    encrypted: str = ""


@dataclass(frozen=True)
class Define:
    xml: str


@dataclass(frozen=True)
class MakeDevices:
    """The mediated devices that a start needs, where they are not there."""

    seats: tuple[Seat, ...]


@dataclass(frozen=True)
class CheckPassphrases:
    """Wait until those of encrypted volumes can be read, before anything is begun."""

    volumes: tuple[str, ...]


@dataclass(frozen=True)
class CreatePaused:
    """`encrypted`: the volumes whose passphrases QEMU needs; `ceph`: the pools in Ceph whose keys it does."""

    encrypted: tuple[str, ...] = ()
    ceph: tuple[str, ...] = ()


@dataclass(frozen=True)
class WirePorts:
    """Mark the taps as ours and wait, for a bounded time, until OVN has put in their flows."""

    ports: tuple[str, ...]
    timeout_s: float = 5.0


@dataclass(frozen=True)
class Resume:
    pass


@dataclass(frozen=True)
class Suspend:
    pass


@dataclass(frozen=True)
class AskToShutDown:
    mode: ShutdownMode


@dataclass(frozen=True)
class Reset:
    pass


@dataclass(frozen=True)
class WriteMetadata:
    """Our mark in the running domain, as element text."""

    xml: str


@dataclass(frozen=True)
class Destroy:
    graceful: bool


@dataclass(frozen=True)
class Undefine:
    pass


@dataclass(frozen=True)
class EndProcess:
    """End a QEMU that libvirt does not know: SIGTERM, or SIGKILL by force."""

    process: QemuProcess
    force: bool


@dataclass(frozen=True)
class EnsureNoProcess:
    """Before claims are freed: look again for QEMU of this very domain. What another runs hinders nothing."""

    uuid: str


@dataclass(frozen=True)
class EnsureUUIDUnused:
    """Before a start: look again for any QEMU of this UUID, this domain's or another's."""

    uuid: str


@dataclass(frozen=True)
class FreeClaims:
    """Freed in reverse, so that the deciding claim goes last. Where data is missing nothing can be freed;
    that is waited for, unless `give_up_missing`; with `give_up` nothing is waited for. Such a claim is
    regained once the data is back and the VM has ended.
    """

    places: tuple[VolumePlace, ...]
    epoch: int
    give_up_missing: bool = False
    give_up: bool = False


@dataclass(frozen=True)
class RemoveDirectories:
    pass


@dataclass(frozen=True)
class PutDownClaims:
    """Of volumes that the running QEMU has let go: free for others, and for a later plug under this epoch.
    What a start could not give back, and is held under an earlier one, too. Whether it came about the next
    look sees.
    """

    places: tuple[VolumePlace, ...]
    epoch: int


@dataclass(frozen=True)
class RestoreState:
    """What firmware and TPM remember, from beside the volume at `place`."""

    place: VolumePlace
    uuid: str
    epoch: int


@dataclass(frozen=True)
class SaveState:
    """If this host holds the claim under `epoch`. With `give_up` a missing volume is not waited for."""

    place: VolumePlace
    uuid: str
    epoch: int
    give_up: bool = False


@dataclass(frozen=True)
class RemoveLocalState:
    """This host's copy: the VM may start elsewhere next."""

    uuid: str


Action = (
    SaveRecord
    | ForgetRecord
    | EnterCpus
    | EnterDevices
    | RemovePorts
    | PrepareDirectories
    | BuildFirstBootDrive
    | TakeClaims
    | GrowDisk
    | Define
    | MakeDevices
    | CheckPassphrases
    | CreatePaused
    | RestorePaused
    | ForgetMemory
    | WirePorts
    | Resume
    | Suspend
    | AskToShutDown
    | Reset
    | WriteMetadata
    | Destroy
    | Undefine
    | EndProcess
    | EnsureNoProcess
    | EnsureUUIDUnused
    | FreeClaims
    | RemoveDirectories
    | PutDownClaims
    | RestoreState
    | SaveState
    | RemoveLocalState
    | LiveAction
    | MoveAction
    | LeavingAction
)
