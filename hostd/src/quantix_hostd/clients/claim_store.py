"""Claims of `dir` pools: `<pool>/volumes/<handle>/claim`, changed only by compare-and-set on all of it.

Used through `claims.ClaimStore`; which moves there are is decided in `claims`. Everything here blocks.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantix_api.errors import InvariantError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import Claim, ClaimChangedError, VolumeMissingError, VolumePlace
from quantix_hostd.clients.claim_text import parse_claim, render_claim
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
        return None if content is None else parse_claim(content, str(_path(place)))

    def compare_and_set(
        self, place: VolumePlace, expected: Claim, wanted: Claim, *, rewrite: bool = False
    ) -> None:
        with _locked(place) as directory:
            content = _read(directory, place)
            if content is None or parse_claim(content, str(_path(place))) != expected:
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
        with opened_directory(place.directory, _VOLUMES, place.handle) as directory:
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
    return place.directory / _VOLUMES / place.handle / _CLAIM


def _write(directory: int, claim: Claim) -> None:
    replace_file_at(directory, _CLAIM, render_claim(claim).encode() + b"\n", _MODE)
