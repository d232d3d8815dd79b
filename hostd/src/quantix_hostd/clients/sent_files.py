"""Which files this host has that it has to put away itself, also where hostd restarts before.

Used by `volume.sent_here` for what was sent for volumes, and by `image.kept_copies` for copies of images that
other hosts keep. One small file of the host for each,
`{"<UID of the Volume>": ["<its key>", "<UID of its pool>", "<path of the pool>"]}`: in the pool itself
nothing tells such a file from an image of the host's own, and a pool made anew under the same name may lie
elsewhere. Everything here blocks.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

from quantix_hostd.clients.files import write_atomically

_MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class SentFile:
    """What came for the volume, or is a copy of the image, with this `key` (namespace/name). `pool`: UID of
    the StoragePool that lay at `path`.
    """

    key: str
    pool: str
    path: Path


class SentFiles:
    """One for a process; several threads may use it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._one_at_a_time = threading.Lock()

    def read(self) -> dict[str, SentFile]:
        """By the UID of each volume; nothing of what cannot be read as that. Raises OSError."""
        try:
            with self._file.open("rb") as opened:
                noted = json.loads(opened.read(_MOST_BYTES))
            return {
                str(uid): SentFile(str(key), str(pool), Path(path))
                for uid, (key, pool, path) in noted.items()
            }
        except (FileNotFoundError, ValueError, TypeError, AttributeError, RecursionError):
            return {}

    def note(self, uid: str, file: SentFile) -> None:
        """Remember that this host takes a file for the volume with this UID. Raises OSError."""
        with self._one_at_a_time:
            noted = self.read()
            if noted.get(uid) != file:
                self._write({**noted, uid: file})

    def forget(self, uid: str) -> None:
        """That it has one: nothing of it is left. Raises OSError."""
        with self._one_at_a_time:
            noted = self.read()
            if noted.pop(uid, None) is not None:
                self._write(noted)

    def _write(self, noted: dict[str, SentFile]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        content = {uid: (file.key, file.pool, str(file.path)) for uid, file in noted.items()}
        write_atomically(self._file, json.dumps(content, indent=1).encode())
