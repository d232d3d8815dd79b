"""What a host remembers of a snapshot that it takes, until the API has it: a small file each.

It is there before anything is stored, and says how far it was: by it the next hostd goes on, or removes what
is left, and has a guest go on that stands still. Calls block for under 1 ms.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import structlog

from quantix_api.layout import Layout
from quantix_hostd.clients.files import write_atomically

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class KeptDisk:
    """A disk of the snapshot. `target`: its `dev` in the running domain, "" of a VM that is off. `in_ceph`:
    whether its pool is.
    """

    name: str
    volume: str
    volume_uid: str
    pool: str
    size_bytes: int
    target: str = ""
    encrypted: bool = False
    in_ceph: bool = False


@dataclass(frozen=True)
class Kept:
    """Of the snapshot `key` (namespace/name) with this `uid`. "moment": it is about to be kept, or is; what
    there is of it is not whole. "copying": the moment is kept, and QEMU still copies disks as they were then.
    "taken": all of it is there. "failed", for `reason`: nothing is; in an earlier step that says why it will
    be. `live`: of a guest that runs. `frozen`: the guest's file systems may be. `quiesced` and `taken_at` are
    known from "copying" on.
    """

    uid: str
    key: str
    vm_uid: str
    vm: str
    step: Literal["moment", "copying", "taken", "failed"]
    live: bool
    disks: tuple[KeptDisk, ...]
    memory: bool = False
    frozen: bool = False
    quiesced: str = ""
    taken_at: str = ""
    reason: str = ""
    message: str = ""
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def under_way(self) -> bool:
        return self.step in ("moment", "copying")

    @property
    def home(self) -> str:
        """The pool with what is of no single disk."""
        return self.disks[0].pool


class KeptStore:
    """The files below `layout.data`, each named by the snapshot's UID."""

    def __init__(self, layout: Layout) -> None:
        self._directory = layout.data / "snapshots"

    def load(self, uid: str) -> Kept | None:
        """None where there is none, or the file is damaged."""
        try:
            raw = json.loads(self._path(uid).read_bytes())
            disks = tuple(KeptDisk(**item) for item in raw.pop("disks"))
            return Kept(**raw, disks=disks)
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError) as error:
            log.warning("file of a snapshot is damaged", uid=uid, error=str(error))
            return None

    def save(self, kept: Kept) -> None:
        """On disk when it returns: what is stored of it must be found after a power cut, too."""
        self._directory.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path(kept.uid), json.dumps(asdict(kept)).encode())

    def forget(self, uid: str) -> None:
        self._path(uid).unlink(missing_ok=True)

    def all(self) -> tuple[Kept, ...]:
        """Those that are remembered."""
        names = sorted(path.stem for path in self._directory.glob("[!.]*.json"))
        return tuple(kept for name in names if (kept := self.load(name)) is not None)

    def under_way(self, vm_uid: str) -> bool:
        """Whether a snapshot of this VM is being taken here: no disk of it begins to move, and it begins to
        go nowhere.
        """
        return any(kept.vm_uid == vm_uid and kept.under_way for kept in self.all())

    def in_moment(self, vm_uid: str) -> bool:
        """Whether the moment of one is not over, and a guest that stands still may do so for it."""
        return any(kept.vm_uid == vm_uid and kept.live and kept.step == "moment" for kept in self.all())

    def _path(self, uid: str) -> Path:
        return self._directory / f"{uid}.json"
