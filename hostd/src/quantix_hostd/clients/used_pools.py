"""Which pools this host has kept data in: so that an empty mount point is never taken for a new pool.

Used by `pools`. One small file of the host, `{"<UID of the StoragePool>": "<path>"}`; a pool that is made
anew under the same name has another UID and begins anew. Everything here blocks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from quantix_hostd.clients.files import write_atomically


@dataclass(frozen=True)
class UsedPools:
    """`file` is read at each question: it is asked for seldom, and by several threads."""

    file: Path

    def has(self, uid: str, path: Path) -> bool:
        """Whether the pool was noted at this path. Raises OSError."""
        return self._read().get(uid) == str(path)

    def note(self, uid: str, path: Path) -> None:
        """Remember the pool. One that is noted by two threads at once is noted at its next use. Raises
        OSError.
        """
        noted = self._read()
        if noted.get(uid) != str(path):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.file, json.dumps({**noted, uid: str(path)}, indent=1).encode())

    def forget(self, uid: str) -> None:
        """That the pool was ever used here. Raises OSError."""
        noted = self._read()
        if noted.pop(uid, None) is not None:
            write_atomically(self.file, json.dumps(noted, indent=1).encode())

    def _read(self) -> dict[str, str]:
        try:
            noted = json.loads(self.file.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}
