"""Which claims in Ceph this host has taken for work of its own, or was about to, also where hostd restarts
before they are down again.

Used by `volume.noted_claims`. One small file of the host,
`{"<pool>/<handle>": {"key": "<namespace/name of the Volume>", "uid": "<its UID>"}}`. What else is in it stays
as it is: another version may know what it means. Everything here blocks.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from quantix_hostd.claims import CephPool, VolumePlace
from quantix_hostd.clients.files import write_atomically

_MOST_BYTES = 16 << 20

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ClaimNote:
    """The claim at `place`, held for the volume itself: under its UID, which no VM has."""

    place: VolumePlace
    key: str
    uid: str


class ClaimNotes:
    """One for a process; several threads may use it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._one_at_a_time = threading.Lock()

    def read(self) -> tuple[ClaimNote, ...]:
        """All that can be read as one. Raises OSError."""
        found = (_parse(shown, noted) for shown, noted in self._read().items())
        return tuple(note for note in found if note is not None)

    def note(self, note: ClaimNote) -> None:
        """Remember that this host takes the claim: durable once it returns. Raises OSError."""
        with self._one_at_a_time:
            noted = self._read()
            if _parse(note.place.shown, noted.get(note.place.shown)) != note:
                self._write({**noted, note.place.shown: {"key": note.key, "uid": note.uid}})

    def forget(self, note: ClaimNote) -> None:
        """That it has it. Raises OSError."""
        with self._one_at_a_time:
            noted = self._read()
            if noted.pop(note.place.shown, None) is not None:
                self._write(noted)

    def _read(self) -> dict[str, Any]:
        try:
            with self._file.open("rb") as opened:
                noted = json.loads(opened.read(_MOST_BYTES))
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            log.warning("notes of claims are damaged, begun anew", error=str(error))
            return {}
        return noted if isinstance(noted, dict) else {}

    def _write(self, noted: dict[str, Any]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file, json.dumps(noted, indent=1).encode())


def _parse(shown: str, noted: Any) -> ClaimNote | None:
    """None for what is no note of this version."""
    pool, _, handle = shown.partition("/")
    known = noted if isinstance(noted, dict) else {}
    key, uid = known.get("key"), known.get("uid")
    if not (pool and handle and isinstance(key, str) and isinstance(uid, str)):
        return None
    return ClaimNote(VolumePlace(CephPool(pool), handle), key, uid)
