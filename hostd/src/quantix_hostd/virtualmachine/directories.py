"""The directories of one VM: sockets that only hostd opens, and the console's log.

Made before each start, removed at the release. The sockets' directory belongs to QEMU's user, since QEMU
makes its VNC socket itself; nobody else may enter it. Blocking: call it from a thread.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from quantix_api.layout import Layout

_PASS, _OWN = 0o711, 0o710
# for support bundles: hypervisor.md, section 7
LOG_KEPT_S = 7 * 24 * 3600.0


@dataclass(frozen=True)
class QemuUser:
    """Who QEMU runs as; `uid` and `gid` None leave the owner as it is (tests without root)."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def named(cls, name: str) -> QemuUser:
        """Raises KeyError when the machine has no such user."""
        entry = pwd.getpwnam(name)
        return cls(entry.pw_uid, entry.pw_gid)


class VmDirectories:
    def __init__(self, layout: Layout, owner: QemuUser) -> None:
        self._layout = layout
        self._owner = owner

    def prepare(self, vm_uid: str) -> None:
        """Make the directories of this VM with their owners; what is there stays."""
        run = self._layout.vm_run(vm_uid)
        _ensure(run.parent, _PASS)
        _ensure(run, _OWN)
        if self._owner.uid is not None and self._owner.gid is not None:
            os.chown(run, self._owner.uid, self._owner.gid)
        # virtlogd writes the log as root
        _ensure(self._layout.vm_log(vm_uid).parent, 0o700)
        _ensure(self._layout.vm_log(vm_uid), 0o700)

    def sweep_logs(self, kept: Collection[str], now_s: float) -> tuple[str, ...]:
        """Remove logs that nobody in `kept` has and nothing was added to for a week; returns their UIDs."""
        swept = []
        for directory in self._log_directories():
            if directory.name not in kept and now_s - _last_change_s(directory) > LOG_KEPT_S:
                shutil.rmtree(directory, ignore_errors=True)
                swept.append(directory.name)
        return tuple(swept)

    def _log_directories(self) -> list[Path]:
        parent = self._layout.vm_log("x").parent
        return sorted(parent.iterdir()) if parent.is_dir() else []

    def remove(self, vm_uid: str) -> None:
        """Remove the sockets and the seed. The console's log stays for support bundles."""
        shutil.rmtree(self._layout.vm_run(vm_uid), ignore_errors=True)


def _last_change_s(directory: Path) -> float:
    return max((path.stat().st_mtime for path in (directory, *directory.iterdir())), default=0.0)


def _ensure(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
