"""What a host remembers of a guest that comes to it, until that is its own or gone: a small file each.

Without it a restarted hostd would take half a guest for one that nobody has. Calls block for under 1 ms.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from quantix_api.layout import Layout
from quantix_hostd.clients.files import write_atomically

log = structlog.get_logger(__name__)

_NAME = "incoming.json"


@dataclass(frozen=True)
class Coming:
    """Of migration `uid`, from `source`. `copies`: the volumes (pool, handle) that were made for data that
    comes, too. `epoch`: under which the guest was taken over, 0 before that. `prepared`: all is made.
    `switching`: it comes by post-copy, and the source is about to hand it over under this epoch, or has; 0 as
    soon as it is known to have all its memory. `left_paused`: libvirt does not let it go on, whatever the
    source says from now on. `uuid`, `ports`, `staying` (the volumes that stay where they
    are) and `encrypted` (the UIDs of volumes whose passphrase libvirt knows) are what is left of it here once
    the API no longer tells this host of the VM. `order`: the handles of all its volumes, as the VM has them;
    `half`: of those that its half has open here, none before one was seen.
    """

    uid: str
    source: str
    copies: tuple[tuple[str, str], ...] = ()
    epoch: int = 0
    prepared: bool = False
    uuid: str = ""
    ports: tuple[str, ...] = ()
    staying: tuple[tuple[str, str], ...] = ()
    encrypted: tuple[str, ...] = ()
    switching: int = 0
    left_paused: bool = False
    order: tuple[str, ...] = ()
    half: tuple[str, ...] = ()

    @property
    def volumes(self) -> tuple[tuple[str, str], ...]:
        """All that it was made ready for, the deciding one first."""
        turns = {handle: turn for turn, handle in enumerate(self.order)}
        return tuple(sorted((*self.copies, *self.staying), key=lambda volume: turns.get(volume[1], 0)))

    @property
    def sent(self) -> tuple[tuple[str, str], ...]:
        """Those of them that came with it, as far as anybody saw: a disk may have been unplugged before."""
        return tuple(volume for volume in self.volumes if volume[1] in self.half) or self.volumes


@dataclass(frozen=True)
class IncomingMove:
    """A migration that the API names this host for, and that has not ended."""

    uid: str
    source: str
    vm_uid: str


class ComingStore:
    """The files below `layout.vm_data(uid)`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def load(self, vm_uid: str) -> Coming | None:
        """None where nothing comes, or the file is damaged."""
        try:
            raw = json.loads(self._path(vm_uid).read_bytes())
            about = (str(raw["uid"]), str(raw["source"]), _volumes(raw["copies"]))
            return Coming(
                *about,
                int(raw["epoch"]),
                bool(raw["prepared"]),
                str(raw.get("uuid", "")),
                tuple(str(port) for port in raw.get("ports", ())),
                _volumes(raw.get("staying", ())),
                tuple(str(uid) for uid in raw.get("encrypted", ())),
                int(raw.get("switching", 0)),
                bool(raw.get("left_paused", False)),
                tuple(str(handle) for handle in raw.get("order", ())),
                tuple(str(handle) for handle in raw.get("half", ())),
            )
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError) as error:
            log.warning("file of a VM is damaged", uid=vm_uid, file=_NAME, error=str(error))
            return None

    def save(self, vm_uid: str, coming: Coming) -> None:
        path = self._path(vm_uid)
        path.parent.mkdir(parents=True, exist_ok=True)
        # after a power cut, too, when no guest is left: some claims of a hand-over that did not reach its end
        # name this host, and here stands which
        write_atomically(path, json.dumps(asdict(coming)).encode())

    def forget(self, vm_uid: str) -> None:
        path = self._path(vm_uid)
        path.unlink(missing_ok=True)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()

    def vm_uids(self) -> frozenset[str]:
        """The VMs that come, or of which that is not told to be over."""
        parent = self._layout.vm_data("x").parent
        return frozenset(path.parent.name for path in parent.glob(f"*/{_NAME}"))

    def _path(self, vm_uid: str) -> Path:
        return self._layout.vm_data(vm_uid) / _NAME


def _volumes(raw: Iterable[tuple[object, object]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(pool), str(handle)) for pool, handle in raw)
