"""Whether QEMU's user may enter all directories on the way to a path: tried as that user, since access lists
and the groups of the user count as well as modes.

Used by `pools`, at each look of the host: a process is started only where a directory on the way is another
one or has other rights than at the last look, and now and then, since a user may get into other groups.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from quantix_api.errors import QuantixError
from quantix_client.clock import Clock, SystemClock
from quantix_hostd.clients.command import CommandResult, CommandTimedOut, failed, run
from quantix_hostd.clients.patience import PatientThreads
from quantix_hostd.clients.qemu_account import QemuAccount

_BARRED_S = 25.0
_OPEN_S = 600.0
_TIMEOUT_S = 10.0
_BARRED_CODE = 7
_MOST_LINKS = 40  # as the kernel (path_resolution(7))
_ACCESS_LIST = "system.posix_acl_access"
# to look up "." wants the right to search the directory, whatever test(1) thinks of modes
_TRY = f'for way; do test -d "$way/." || {{ printf %s "$way"; exit {_BARRED_CODE}; }}; done'

log = structlog.get_logger(__name__)

_Rights = dict[Path, tuple[object, ...]]


class WayIn(Protocol):
    """Tells which directory on the way to a path QEMU's user may not enter."""

    user: str

    async def first_barred(self, *paths: Path) -> Path | None: ...


@dataclass(frozen=True)
class _Seen:
    rights: _Rights
    barred: Path | None
    until_s: float


class QemusWayIn:
    """One for a process. `threads` are those that all else asks pools by: what is silent is known to both.
    `start` starts a program, as `command.run` does.
    """

    def __init__(
        self,
        account: QemuAccount,
        threads: PatientThreads,
        clock: Clock | None = None,
        start: Callable[..., Awaitable[CommandResult]] = run,
    ) -> None:
        self.user = account.user
        self._account = account
        self._threads = threads
        self._clock = clock or SystemClock()
        self._start = start
        self._seen: dict[tuple[Path, ...], _Seen] = {}

    async def first_barred(self, *paths: Path) -> Path | None:
        """The first directory on the way to these absolute paths, themselves included, that QEMU's user may
        not enter; None also where that cannot be found out. The first of them is the place that is asked.
        Raises SilentPlaceError.
        """
        try:
            rights = await self._threads.ask(paths[0], lambda: _rights_on_the_way(paths))
            seen = self._seen.get(paths)
            if seen is not None and seen.rights == rights and self._clock.monotonic() < seen.until_s:
                return seen.barred
            barred = await self._try(rights)
        except CommandTimedOut as error:
            # it may be left in the kernel: no further one at each look
            log.warning("way not tried", paths=[*map(str, paths)], error=str(error))
            self._seen[paths] = _Seen(rights, None, self._clock.monotonic() + _OPEN_S)
            return None
        except (OSError, QuantixError) as error:
            log.warning("way not tried", paths=[*map(str, paths)], error=str(error))
            return None
        lasts_s = _OPEN_S if barred is None else _BARRED_S
        self._seen[paths] = _Seen(rights, barred, self._clock.monotonic() + lasts_s)
        return barred

    async def _try(self, ways: Iterable[Path]) -> Path | None:
        """Raises QuantixError where it cannot be tried."""
        as_user = [f"--reuid={self._account.uid}", f"--regid={self._account.gid}", "--init-groups"]
        argv = ["setpriv", *as_user, "sh", "-c", _TRY, "sh", *map(str, ways)]
        tried = await self._start(*argv, timeout_s=_TIMEOUT_S, check=False)
        if tried.code not in (0, _BARRED_CODE):
            raise failed(argv, tried)
        return Path(tried.stdout) if tried.code else None


def ways_to(path: Path) -> Iterator[Path]:
    """The directories that the kernel enters to reach what is in the directory `path`, in its order, and each
    as it is without links: those that a link lies in are entered, too. Blocks; raises OSError.
    """
    here, left, links = Path("/"), list(path.parts[1:]), 0
    yield here
    while left:
        name = left.pop(0)
        if name == "..":
            here = here.parent
            continue
        step = here / name
        if not step.is_symlink():
            here = step
            yield here
            continue
        links += 1
        if links > _MOST_LINKS:
            return
        target = step.readlink()
        left = [*(part for part in target.parts if part != "/"), *left]
        here = Path("/") if target.is_absolute() else here


def _rights_on_the_way(paths: Iterable[Path]) -> _Rights:
    """Of each directory on the way to these paths, in its order. Raises OSError."""
    return {way: _rights(way) for path in paths for way in ways_to(path)}


def _rights(directory: Path) -> tuple[object, ...]:
    """What decides who may enter it. Raises OSError."""
    found = directory.stat()
    try:
        access_list = os.getxattr(directory, _ACCESS_LIST)
    except OSError:
        access_list = b""  # it has none, or its file system knows none
    return (found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid, access_list)
