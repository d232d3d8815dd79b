"""Claims: the record beside each volume that says which host may write it.

The rule that a VM never runs twice (architecture.md, law 1) in one place: its moves are exactly those of
ha.md, "Ownership", and everything else is refused here, before anything is written. Pure: where claims lie is
`clients.claim_store`'s matter. Called by the VM's apply step (start, release) and by whoever makes a volume.

```
  free(f) ──take e > f, by the assigned host──► held(e, H) ──hand_over, by H──► held(e+1, T)
   │  ▲ ▲ ▲                                         │ │
   │  │ │ └── put_down, by H (f as before) ─────────┘ │
   │  │ └──── release, by H (f ≥ e) ──────────────────┘   f never falls; a released e is spent
   └──┘ revoke e, by the leader
```
While a copy of a free volume is made, its host holds it still: held(0, H) in the volume's own name, an epoch
that no VM has, so that nobody begins to write; it ends as free(f). While a free volume is set back to a
snapshot it is held likewise, and says so (`restoring`), so that it admits nobody until all disks of that
restore are whole, whatever becomes of its host (`restoring`, the module).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from quantix_api.errors import InvariantError, TransientError
from quantix_api.messages import as_error


@dataclass(frozen=True)
class Holder:
    """The host that may write, under the epoch of the assignment that let it."""

    host: str
    epoch: int


@dataclass(frozen=True)
class Claim:
    """`floor` is the highest epoch that was ever released here: it never falls. `has_state`: what firmware
    and TPM remember lies beside this volume (`clients.state_store`). From `moving_to` to `partial` it is
    about a volume on its way to another pool (`moves`), from `restoring` on about one that is set back
    (`restoring`).
    """

    floor: int
    holder: Holder | None
    vm_uid: str
    cluster_uid: str
    has_state: bool = False
    moving_to: str = ""
    """The pool that a copy of this volume lies in, or is about to."""
    moved: bool = False
    """That copy is the volume now: nobody may have this one any more."""
    moved_from: str = ""
    """The pool of the volume that this one is the copy of."""
    partial: bool = False
    """It is no whole copy yet: nobody may have it."""
    restoring: str = ""
    """The restore (its UID) that sets the disk back: until all of it is, nobody may have it."""
    untouched: bool = False
    """That restore has not changed the disk yet: it may still be given up."""
    restored: str = ""
    """The restore that set it back last: it is over, and must not be done again."""
    written: int | None = None
    """The highest epoch under which a guest may have written, where nothing but work had the volume since, or
    that guest goes on without it.
    None: that is the floor.
    """
    memory: str = ""
    """VM/POOL/SNAPSHOT: the next start of that VM (its UID) goes on with the memory that this snapshot (its
    UID) keeps in this pool, if all its disks say so. It goes before that guest writes anything, and with
    whoever else has the volume.
    """

    def held_by(self, host: str, epoch: int) -> bool:
        return self.holder == Holder(host, epoch)


@dataclass(frozen=True)
class CephPool:
    """A pool in Ceph, by the name of its StoragePool: what Ceph calls it says nothing without the cluster."""

    name: str

    def __str__(self) -> str:
        return f"pool {self.name}"


PoolKey = Path | CephPool
"""How a host knows a pool: by its directory, or by the StoragePool that says where in Ceph it is."""


@dataclass(frozen=True)
class VolumePlace:
    """Where a volume lies: the pool and the volume's handle (its UID, never a name)."""

    pool: PoolKey
    handle: str

    @property
    def directory(self) -> Path:
        """Of its pool, which is a `dir` pool."""
        if not isinstance(self.pool, Path):
            raise TypeError(f"{self} is in no directory")
        return self.pool

    @property
    def is_local(self) -> bool:
        """Whether its pool is a directory of this host."""
        return isinstance(self.pool, Path)

    @property
    def folder(self) -> str:
        """The directory of a `dir` pool in which such things lie."""
        return "volumes"

    @property
    def data(self) -> Path:
        """The disk file of one in a `dir` pool, as it is named to QEMU."""
        return self.directory / self.folder / self.handle / "data"

    @property
    def shown(self) -> str:
        """What holds its data, as people and views of domains name it."""
        return str(self.data) if isinstance(self.pool, Path) else f"{self.pool.name}/{self.handle}"

    @property
    def shown_whole(self) -> str:
        """What holds its data and its claim."""
        return str(self.data.parent) if isinstance(self.pool, Path) else self.shown


def place_recorded(raw: Mapping[str, Any]) -> VolumePlace:
    """The place as the fields of it were written down. Raises LookupError."""
    # its name in records of guests that run since before there were pools in Ceph
    pool = raw["pool"] if "pool" in raw else raw["pool_path"]
    key = CephPool(str(pool["name"])) if isinstance(pool, dict) else Path(pool)
    return VolumePlace(key, raw["handle"])


def pools_in_ceph(places: Iterable[VolumePlace]) -> tuple[str, ...]:
    """The StoragePools of those places that are in Ceph, each once."""
    return tuple(dict.fromkeys(place.pool.name for place in places if isinstance(place.pool, CephPool)))


def place_shown(text: str) -> VolumePlace | None:
    """The place that has this as its `shown`; None for what is none of ours."""
    path = Path(text)
    if not path.is_absolute():
        return VolumePlace(CephPool(path.parts[0]), path.parts[1]) if len(path.parts) == 2 else None
    ours = path.name == "data" and path.parent.parent.name == "volumes"
    return VolumePlace(path.parents[2], path.parent.name) if ours else None


class ClaimRefusedError(TransientError):
    """The table of moves does not allow this one; the claim is as it was."""


class ClaimChangedError(TransientError):
    """Somebody else moved the claim since it was read: read again, decide again."""


class ClaimDamagedError(InvariantError):
    """What lies beside the volume is no claim: it admits nobody until somebody puts a claim back."""


class VolumeMissingError(TransientError):
    """There is no volume at that place now: of its claim nothing is known, least of all that it is free."""


class ClaimStore(Protocol):
    """Where claims live (`clients.claim_store`). Calls block: run them in a thread.

    All raise VolumeMissingError, TransientError when the pool does not answer, and ClaimDamagedError.
    """

    def create(self, place: VolumePlace, claim: Claim) -> None:
        """Make the claim of a new volume; raises ClaimChangedError when there is one already."""

    def read(self, place: VolumePlace) -> Claim | None:
        """The claim, None when the volume has none."""

    def compare_and_set(
        self, place: VolumePlace, expected: Claim, wanted: Claim, *, rewrite: bool = False
    ) -> None:
        """Replace `expected` by `wanted` and make it durable; raises ClaimChangedError when it differs.
        `rewrite`: also where they are equal.
        """


def new_claim(cluster_uid: str) -> Claim:
    """free(0): the claim of a volume that was just made."""
    return Claim(0, None, "", cluster_uid)


def take(claim: Claim, host: str, epoch: int, vm_uid: str, cluster_uid: str) -> Claim:
    """free(f) → held(e, H) for e > f; held(e, H) by itself stays, so that a crashed guest can restart."""
    if claim.cluster_uid != cluster_uid:
        raise as_error(ClaimRefusedError, "ClaimForeign", cluster=claim.cluster_uid)
    if claim.moved or claim.partial or claim.restoring:
        raise as_error(ClaimRefusedError, "VolumeInUse", host=host)
    if claim.held_by(host, epoch) and claim.vm_uid == vm_uid:
        return claim
    if claim.holder is not None:
        raise as_error(ClaimRefusedError, "VolumeInUse", host=claim.holder.host)
    if epoch <= claim.floor:
        raise as_error(ClaimRefusedError, "ClaimStale", epoch=epoch, floor=claim.floor)
    memory = claim.memory if claim.memory.startswith(f"{vm_uid}/") else ""
    return replace(claim, holder=Holder(host, epoch), vm_uid=vm_uid, memory=memory, written=None)


def take_for_work(claim: Claim, host: str, volume_uid: str, cluster_uid: str) -> Claim:
    """free(f) → held(f+1, H) for the volume itself: what it holds is copied or grown, and no guest writes."""
    held = take(claim, host, claim.floor + 1, volume_uid, cluster_uid)
    return replace(held, written=claim.floor if claim.written is None else claim.written)


def release(claim: Claim, host: str, epoch: int) -> Claim:
    """held(e, H) → free(e), by H after its release; a claim that H does not hold at e stays as it is."""
    if not claim.held_by(host, epoch):
        return claim
    return replace(claim, floor=max(claim.floor, epoch), holder=None)


def put_down(claim: Claim, host: str, epoch: int) -> Claim:
    """held(e, H) → free(f) with f as before, by H: its QEMU goes on under e without this volume, in which its
    guest may have written.
    """
    return replace(claim, holder=None, written=epoch) if claim.held_by(host, epoch) else claim


def regain(claim: Claim, host: str, epoch: int, vm_uid: str) -> Claim:
    """held(e', H) of this VM → free(e') for e' < e, by H: its end under e' could not be written down, since
    the pool was away. Any other claim stays as it is. Only once no QEMU that was started under e' is left
    on H.
    """
    holder = claim.holder
    if holder is None or holder.host != host or holder.epoch >= epoch or claim.vm_uid != vm_uid:
        return claim
    return release(claim, host, holder.epoch)


def hold_still(claim: Claim, host: str, volume_uid: str, cluster_uid: str) -> Claim:
    """free(f) → held(0, H) for the volume itself: what is read meanwhile does not change.

    Not of a volume on its way: one that is held beside its copy in another pool is held for that copy.
    """
    if claim.cluster_uid != cluster_uid:
        raise as_error(ClaimRefusedError, "ClaimForeign", cluster=claim.cluster_uid)
    if claim.holder is not None:
        raise as_error(ClaimRefusedError, "VolumeInUse", host=claim.holder.host)
    if claim.moving_to or claim.moved or claim.partial or claim.restoring:
        raise as_error(ClaimRefusedError, "VolumeInUse", host=host)
    return replace(claim, holder=Holder(host, 0), vm_uid=volume_uid)


def without_memory(claim: Claim, host: str) -> Claim:
    """Before the guest of this host goes on: what it writes fits that memory no more."""
    return replace(claim, memory="") if claim.holder is not None and claim.holder.host == host else claim


def without_memory_of(claim: Claim, snapshot_uid: str) -> Claim:
    """Before what that snapshot keeps is removed, whoever has the volume: its guest boots."""
    return replace(claim, memory="") if claim.memory.endswith(f"/{snapshot_uid}") else claim


def revoke(claim: Claim, epoch: int) -> Claim:
    """free(f) → free(e), by the leader: an assignment e that was never taken can then never be."""
    if claim.holder is not None:
        raise as_error(ClaimRefusedError, "VolumeInUse", host=claim.holder.host)
    return replace(claim, floor=max(claim.floor, epoch))


def hand_over(claim: Claim, source: str, target: str) -> Claim:
    """held(e, S) → held(e+1, T), by S once its QEMU is gone and T has the complete, paused guest."""
    if claim.holder is None or claim.holder.host != source:
        raise as_error(ClaimRefusedError, "ClaimNotHeld", host=source)
    return replace(claim, holder=Holder(target, claim.holder.epoch + 1))
