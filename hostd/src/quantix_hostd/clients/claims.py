"""Claims: the record beside each volume that says which host may write it.

Read and moved by the VM's reconciler (start, release) and by whoever makes a volume. The moves are exactly
those of ha.md, "Ownership"; everything else is refused here, before anything is written. A claim changes
only by compare-and-set on its whole content.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from quantix_api.errors import InvariantError, TransientError

_CLAIM_NAME = "claim"
_MAX_BYTES = 4096
_MODE = 0o600
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Holder:
    """The host that may write, under the epoch of the assignment that let it."""

    host: str
    epoch: int


@dataclass(frozen=True)
class Claim:
    """`floor` is the highest epoch that was ever released here: it never falls."""

    floor: int
    holder: Holder | None
    vm_uid: str
    cluster_uid: str

    def held_by(self, host: str, epoch: int) -> bool:
        return self.holder == Holder(host, epoch)


@dataclass(frozen=True)
class VolumePlace:
    """Where a volume lies: the pool's directory and the volume's handle (its UID, never a name)."""

    pool_path: Path
    handle: str


class ClaimRefusedError(TransientError):
    """The table of moves does not allow this one; the claim is as it was."""


class ClaimChangedError(TransientError):
    """Somebody else moved the claim since it was read: read again, decide again."""


class ClaimStore(Protocol):
    """Where claims live. Calls block: run them in a thread."""

    def create(self, place: VolumePlace, claim: Claim) -> None:
        """Make the claim of a new volume; raises ClaimChangedError when there is one already."""

    def read(self, place: VolumePlace) -> Claim | None:
        """The claim, None when the volume has none; raises TransientError when the pool does not answer."""

    def compare_and_set(self, place: VolumePlace, expected: Claim, wanted: Claim) -> None:
        """Replace `expected` by `wanted` and make it durable; raises ClaimChangedError when it differs."""


def new_claim(cluster_uid: str) -> Claim:
    """free(0): the claim of a volume that was just made."""
    return Claim(0, None, "", cluster_uid)


def take(claim: Claim, host: str, epoch: int, vm_uid: str, cluster_uid: str) -> Claim:
    """free(f) → held(e, H) for e > f; held(e, H) by itself stays, so that a crashed guest can restart."""
    if claim.cluster_uid != cluster_uid:
        raise ClaimRefusedError(
            "ClaimForeign",
            f"The volume belongs to cluster {claim.cluster_uid}, not to this one.",
            "an administrator has to take the pool over",
        )
    if claim.held_by(host, epoch) and claim.vm_uid == vm_uid:
        return claim
    if claim.holder is not None:
        raise ClaimRefusedError(
            "VolumeInUse",
            f"The volume is held by host {claim.holder.host} under epoch {claim.holder.epoch}.",
            "wait until that host has released it",
        )
    if epoch <= claim.floor:
        raise ClaimRefusedError(
            "ClaimStale", f"Epoch {epoch} was released already (floor {claim.floor}); it cannot start again."
        )
    return replace(claim, holder=Holder(host, epoch), vm_uid=vm_uid)


def release(claim: Claim, host: str, epoch: int) -> Claim:
    """held(e, H) → free(e), by H after its release; a claim that H does not hold at e stays as it is."""
    if not claim.held_by(host, epoch):
        return claim
    return replace(claim, floor=max(claim.floor, epoch), holder=None)


def revoke(claim: Claim, epoch: int) -> Claim:
    """free(f) → free(e), by the leader: an assignment e that was never taken can then never be."""
    if claim.holder is not None:
        raise ClaimRefusedError(
            "VolumeInUse",
            f"Host {claim.holder.host} has taken the volume; it cannot be revoked without a fence.",
        )
    return replace(claim, floor=max(claim.floor, epoch))


def hand_over(claim: Claim, source: str, target: str) -> Claim:
    """held(e, S) → held(e+1, T), by S once its QEMU is gone and T has the complete, paused guest."""
    if claim.holder is None or claim.holder.host != source:
        raise ClaimRefusedError("ClaimNotHeld", f"Host {source} does not hold the volume.")
    return replace(claim, holder=Holder(target, claim.holder.epoch + 1))


class LocalClaimStore:
    """Claims of `dir` pools: `<pool>/volumes/<handle>/claim`, replaced under a lock on that directory.

    The lock is on the directory, since the file itself is replaced. Every path component is opened without
    following links. Each change is on disk (file and directory synced) before the call returns.
    """

    def create(self, place: VolumePlace, claim: Claim) -> None:
        with _locked(place) as directory:
            if _read(directory) is not None:
                raise ClaimChangedError("VolumeInUse", f"Volume {place.handle} has a claim already.")
            _write(directory, claim)

    def read(self, place: VolumePlace) -> Claim | None:
        try:
            with _opened(place) as directory:
                content = _read(directory)
        except FileNotFoundError:
            return None
        return None if content is None else _parse(content, place)

    def compare_and_set(self, place: VolumePlace, expected: Claim, wanted: Claim) -> None:
        with _locked(place) as directory:
            content = _read(directory)
            if content is None or _parse(content, place) != expected:
                raise ClaimChangedError(
                    "VolumeInUse", f"The claim of volume {place.handle} changed meanwhile."
                )
            if wanted.floor < expected.floor:
                raise InvariantError("InternalError", "The floor of a claim must never fall.")
            if wanted != expected:
                _write(directory, wanted)


@contextmanager
def _opened(place: VolumePlace) -> Iterator[int]:
    if "/" in place.handle or place.handle in ("", ".", ".."):
        raise InvariantError("InternalError", f"{place.handle!r} is no handle of a volume.")
    opened: list[int] = []
    try:
        opened.append(os.open(place.pool_path, _DIRECTORY))
        for name in ("volumes", place.handle):
            opened.append(os.open(name, _DIRECTORY, dir_fd=opened[-1]))
        yield opened[-1]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TransientError(
            "PoolUnreachable", f"The claim of {place.handle} cannot be read. Said: {error}."
        ) from error
    finally:
        for descriptor in reversed(opened):
            os.close(descriptor)


@contextmanager
def _locked(place: VolumePlace) -> Iterator[int]:
    try:
        with _opened(place) as directory:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield directory
    except FileNotFoundError as error:
        raise TransientError("DataMissing", f"Volume {place.handle} is not in {place.pool_path}.") from error


def _read(directory: int) -> bytes | None:
    try:
        descriptor = os.open(_CLAIM_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(_MAX_BYTES)


def _write(directory: int, claim: Claim) -> None:
    temporary = f".{_CLAIM_NAME}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, _MODE, dir_fd=directory), "wb") as stream:
        stream.write(_render(claim))
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, _CLAIM_NAME, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)


def _render(claim: Claim) -> bytes:
    holder = {"host": claim.holder.host, "epoch": claim.holder.epoch} if claim.holder else None
    content = {
        "floor": claim.floor,
        "holder": holder,
        "vmUID": claim.vm_uid,
        "clusterUID": claim.cluster_uid,
    }
    return json.dumps(content, sort_keys=True).encode() + b"\n"


def _parse(content: bytes, place: VolumePlace) -> Claim:
    try:
        raw = json.loads(content)
        holder = raw["holder"]
        return Claim(
            int(raw["floor"]),
            Holder(str(holder["host"]), int(holder["epoch"])) if holder else None,
            str(raw["vmUID"]),
            str(raw["clusterUID"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvariantError(
            "InternalError",
            f"The claim of volume {place.handle} is damaged.",
            "restore the volume from a backup",
        ) from error
