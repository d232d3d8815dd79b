"""One disk of a running guest that is, or is to be, copied into another pool, as it was at a moment. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.errors import QuantixError, WaitingError
from quantix_api.messages import as_wait
from quantix_hostd.claims import Claim, VolumePlace
from quantix_hostd.domainxml.ceph import CephSource
from quantix_hostd.facts.copies import CopyProgress, OtherCopies
from quantix_hostd.transfer.turns import DISK_COPIES

_TURN_S = 10.0
_STILL_S, GIVEN_UP_S = 60.0, 600.0


@dataclass(frozen=True)
class DiskMove:
    """`source` is where the volume is by its claims, in `source_pool`; `target` where it goes, None while
    `pool` cannot be looked at. `problem` is why, or why the pool of a disk that is copied cannot, or what
    keeps the passphrase of a copy from being read.
    `target_ceph`: how QEMU gets there, None where it is a directory.
    `path` is what QEMU has open, `copy_path` that of a copy under way, "" for none. `wanted`: spec wants
    it in `pool`, which has promised room; else what lies there goes. `refusal`: why it may not go where spec
    wants it. `grows`: the volume is to become larger first. `encrypted`: the copy is to open with the
    passphrase of the volume.

    `free_bytes` may be taken of the pool, None where nobody tells it; `stored_bytes` is about what a copy
    takes. `others`: the copies
    that are made for running guests beside it, or before. `still_s`: how long its own has come no further.
    """

    disk: str
    volume: str
    uid: str
    key: str
    source: VolumePlace
    source_pool: str
    size_bytes: int
    dev: str
    path: str
    pool: str = ""
    target: VolumePlace | None = None
    target_ceph: CephSource | None = None
    wanted: bool = False
    claim: Claim | None = None
    target_claim: Claim | None = None
    target_there: bool = False
    copy_path: str = ""
    ready: bool = False
    progress: CopyProgress | None = None
    free_bytes: int | None = 0
    stored_bytes: int = 0
    others: OtherCopies = OtherCopies()  # noqa: RUF009 - it is frozen
    still_s: float = 0.0
    grows: bool = False
    encrypted: bool = False
    problem: QuantixError | None = None
    refusal: QuantixError | None = None

    @property
    def copying(self) -> bool:
        return self.target is not None and self.copy_path == self.target.shown

    def lacks_room(self, wanted_bytes: int) -> bool:
        """Whether its pool is known to have less left."""
        return self.free_bytes is not None and self.free_bytes < wanted_bytes

    @property
    def adrift(self) -> bool:
        """QEMU is on no file that is known to be the volume: on the copy, whose pool cannot be looked at."""
        return self.target is None and self.problem is not None and self.path != self.source.shown

    @property
    def switched(self) -> bool:
        """QEMU is on the copy, and nothing durable says so yet."""
        return self.target is not None and self.path == self.target.shown != self.source.shown

    @property
    def begun(self) -> bool:
        """Whether something of it lies in the other pool, or is about to by the word of its claim."""
        told = self.wanted and self.claim is not None and self.claim.moving_to == self.pool
        return self.copying or self.switched or self.target_there or told

    @property
    def stands_still(self) -> bool:
        """Whether its copy came no further for so long that others may be copied beside it."""
        return self.copying and not self.ready and self.still_s >= _STILL_S

    @property
    def is_given_up(self) -> bool:
        """Whether its copy has stood still too long to be waited for."""
        return self.stands_still and self.still_s >= GIVEN_UP_S

    @property
    def has_turn(self) -> bool:
        """Whether so few others are copied, or wait before it, that it may begin."""
        return DISK_COPIES.admit(self.others.on_host, self.others.of_namespace)


def wait_for_turn(volume: str, pool: str) -> WaitingError:
    """What a volume says that is to go to `pool` while as many others are copied as may be."""
    most, each = DISK_COPIES.at_once, DISK_COPIES.of_namespace
    return as_wait("Moving", _TURN_S, volume=volume, pool=pool, most=most, each=each)
