"""Claims of `dir` pools: `<pool>/volumes/<handle>/claim`, changed only by compare-and-set on all of it.

Used through `claims.ClaimStore`; which moves there are is decided in `claims`. Everything here blocks.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quantix_api.errors import InvariantError, TransientError
from quantix_api.message_table_phrases import NO_CLAIM
from quantix_api.messages import as_error
from quantix_hostd.claims import (
    Claim,
    ClaimChangedError,
    ClaimDamagedError,
    Holder,
    VolumeMissingError,
    VolumePlace,
)
from quantix_hostd.clients.no_follow import opened_directory, opened_file_at, replace_file_at

_VOLUMES = "volumes"
_CLAIM = "claim"
_MAX_BYTES = 4096
_MODE = 0o600
# 5 s: whoever holds one writes a few bytes; below the time after which a pool counts as silent (`patience`)
_LOCK_TRIES, _LOCK_AGAIN_S = 250, 0.02


class LocalClaimStore:
    """Replaces the file under a lock on its directory.

    The lock is on the directory, since the file itself is replaced. Every path component is opened without
    following links. Each change is on disk (file and directory synced) before the call returns.
    """

    def create(self, place: VolumePlace, claim: Claim) -> None:
        with _locked(place) as directory:
            if _read(directory, place) is not None:
                raise as_error(ClaimChangedError, "VolumeInUse", handle=place.handle)
            _write(directory, claim)

    def read(self, place: VolumePlace) -> Claim | None:
        with _opened(place) as directory:
            content = _read(directory, place)
        return None if content is None else _parse(content, place)

    def compare_and_set(
        self, place: VolumePlace, expected: Claim, wanted: Claim, *, rewrite: bool = False
    ) -> None:
        with _locked(place) as directory:
            content = _read(directory, place)
            if content is None or _parse(content, place) != expected:
                raise as_error(ClaimChangedError, "VolumeInUse", handle=place.handle)
            if wanted.floor < expected.floor:
                raise InvariantError("InternalError", "The floor of a claim must never fall.")
            if rewrite or wanted != expected:
                _write(directory, wanted)


@contextmanager
def _locked(place: VolumePlace) -> Iterator[int]:
    with _opened(place) as directory:
        _lock(directory, place)
        yield directory


def _lock(directory: int, place: VolumePlace) -> None:
    """A lock that is never let go must not make the whole pool one that does not answer."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_AGAIN_S)
        else:
            return
    raise as_error(TransientError, "VolumeInUse", locked=place.handle)


@contextmanager
def _opened(place: VolumePlace) -> Iterator[int]:
    try:
        with opened_directory(place.pool_path, _VOLUMES, place.handle) as directory:
            yield directory
    except FileNotFoundError as error:
        raise as_error(VolumeMissingError, "DataMissing", place=place.data) from error


def _read(directory: int, place: VolumePlace) -> bytes | None:
    try:
        with opened_file_at(directory, _CLAIM, _path(place)) as file:
            return file.read(_MAX_BYTES)
    except FileNotFoundError:
        return None


def _path(place: VolumePlace) -> Path:
    """For messages only."""
    return place.pool_path / _VOLUMES / place.handle / _CLAIM


def _write(directory: int, claim: Claim) -> None:
    replace_file_at(directory, _CLAIM, _render(claim), _MODE)


def _render(claim: Claim) -> bytes:
    holder = {"host": claim.holder.host, "epoch": claim.holder.epoch} if claim.holder else None
    content: dict[str, object] = {
        "floor": claim.floor,
        "holder": holder,
        "vmUID": claim.vm_uid,
        "clusterUID": claim.cluster_uid,
    }
    optional = {
        "hasState": claim.has_state,
        "movingTo": claim.moving_to,
        "moved": claim.moved,
        "movedFrom": claim.moved_from,
        "partial": claim.partial,
    }
    content |= {name: value for name, value in optional.items() if value}
    return json.dumps(content, sort_keys=True).encode() + b"\n"


def _parse(content: bytes, place: VolumePlace) -> Claim:
    try:
        raw = json.loads(content)
        holder = raw["holder"]
        return Claim(
            _epoch(raw["floor"]),
            Holder(str(holder["host"]), _epoch(holder["epoch"])) if holder else None,
            str(raw["vmUID"]),
            str(raw["clusterUID"]),
            has_state=raw.get("hasState") is True,
            moving_to=str(raw.get("movingTo", "")),
            moved=raw.get("moved") is True,
            moved_from=str(raw.get("movedFrom", "")),
            partial=raw.get("partial") is True,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise as_error(ClaimDamagedError, "DataDamaged", path=_path(place), said=NO_CLAIM) from error


def _epoch(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value
