"""For which volumes this host took files that it still has: so that what was sent is put away also where
hostd restarted before the volume went.

Used by `volume.uploads`. One small file of the host, `{"<UID of the Volume>": ["<its key>", "<its pool>"]}`:
in the pool itself nothing tells the file of a volume from an image. Everything here blocks.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from quantix_hostd.clients.files import write_atomically


class SentFiles:
    """One for a process; several threads may use it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._one_at_a_time = threading.Lock()

    def read(self) -> dict[str, tuple[str, str]]:
        """By UID the key of each volume and the name of its pool. Raises OSError."""
        try:
            noted = json.loads(self._file.read_bytes())
            return {str(uid): (str(key), str(pool)) for uid, (key, pool) in noted.items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return {}

    def note(self, uid: str, key: str, pool: str) -> None:
        """Remember that this host takes a file for the volume. Raises OSError."""
        with self._one_at_a_time:
            noted = self.read()
            if noted.get(uid) != (key, pool):
                self._write({**noted, uid: (key, pool)})

    def forget(self, uid: str) -> None:
        """That it has one: nothing of it is left. Raises OSError."""
        with self._one_at_a_time:
            noted = self.read()
            if noted.pop(uid, None) is not None:
                self._write(noted)

    def _write(self, noted: dict[str, tuple[str, str]]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file, json.dumps(noted, indent=1).encode())
