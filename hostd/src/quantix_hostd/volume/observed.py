"""One moment of a volume on this host, frozen: what the controller saw, and `plan` decides by."""

from __future__ import annotations

from dataclasses import dataclass, field

from quantix_api import Image, VirtualMachineSnapshot, Volume
from quantix_api.errors import QuantixError
from quantix_hostd.claims import Claim, VolumePlace
from quantix_hostd.facts.copies import LiveMove
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.seen import TransferSeen
from quantix_hostd.volume.recipe import Base, Origin


@dataclass(frozen=True)
class OtherPlace:
    """What lies of the volume in another pool: a copy that is being made, or what it was copied from.

    `there`: anything of it, be it a claim alone. `has_disk`: the disk of a copy that is not the volume yet;
    not asked of anything else. `problem`: that pool cannot be looked at; then nothing is known of it.
    """

    pool: str
    place: VolumePlace | None = None
    claim: Claim | None = None
    there: bool = False
    has_disk: bool = False
    holder_gone: bool = False
    problem: QuantixError | None = None


@dataclass(frozen=True)
class Arrival:
    """What somebody sends for the volume: `base` is the file once it is there whole and was checked, and
    `kept` what a broken upload left, bytes of so many. `left`: there is something to remove or to forget.
    """

    base: Base | None = None
    kept: tuple[int, int] | None = None
    transfer: TransferSeen[Received] | None = None
    left: bool = False


@dataclass(frozen=True)
class Unmade:
    """The names of the copies that are still to be made of it, and when to ask for them again."""

    names: tuple[str, ...] = ()
    again_s: float = 0.0


@dataclass(frozen=True)
class VolumeObserved:
    """`there`: something lies at `place`; `capacity_bytes` is its disk's, None where there is none. `full`:
    why its pool in Ceph takes no writes, "" while it does.

    `claim` is None where there is none, or where `claim_problem` kept it from being read. `image` is what
    spec makes the volume from, `base` its file in this pool; both are looked at only while the volume is no
    more than a wish. `holder_gone`: the claim names this host for a VM that is surely no more on it.
    `restore_over`: this host does not set it back any more, whatever the claim says.
    `copy`: the copy that it is being made or moved as, or how the last try ended. `lent_to`: the volume that
    is being made from this one now, "" for none.

    `source` is the Volume that spec makes it from, `snapshot` the snapshot, `origin` the data of either, of a
    Volume with its claim; `origin_user` the
    VM that holds it, `origin_lent` that this host holds it still for copies. The passphrases are for what is
    made or moved and for `origin`; what kept one from being read is `passphrase_problem`.

    `other` is None while nothing of it is, or is to be, in another pool; `live`: what its VM tells of moving
    it. `assigned`: a VM that has it is assigned to this host, running or not. `growth`: what making it
    larger waits for, "" where that is its VM's guest at work. `unmade`: the volumes that are still to be made
    from it, looked for while it is deleted. `arrival` is None for what is not made by
    upload.
    """

    volume: Volume
    host: str
    cluster_uid: str
    pool: str
    place: VolumePlace
    there: bool = False
    capacity_bytes: int | None = None
    full: str = ""
    claim: Claim | None = None
    claim_problem: QuantixError | None = None
    holder_gone: bool = False
    restore_over: bool = False
    copy: TransferSeen[None] | None = None
    image: Image | None = None
    base: Base | None = None
    lent_to: str = ""
    source: Volume | None = None
    snapshot: VirtualMachineSnapshot | None = None
    origin: Origin | None = None
    origin_claim: Claim | None = None
    origin_user: str = ""
    origin_lent: bool = False
    passphrase: str = field(default="", repr=False)
    origin_passphrase: str = field(default="", repr=False)
    passphrase_problem: QuantixError | None = None
    other: OtherPlace | None = None
    live: LiveMove | None = None
    assigned: bool = False
    growth: str = ""
    unmade: Unmade = field(default_factory=Unmade)
    arrival: Arrival | None = None
    now_s: float = 0.0

    @property
    def handle(self) -> str:
        return self.place.handle

    @property
    def source_pool(self) -> str:
        return (self.source.status.pool or "") if self.source is not None else ""
