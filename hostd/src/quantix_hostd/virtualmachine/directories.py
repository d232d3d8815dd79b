"""The directories of one VM: sockets that only hostd opens, and the console's log.

Made before each start, removed at the release. The sockets' directory belongs to QEMU's user, since QEMU
makes its VNC socket itself; nobody else may enter it, and only root may connect. Blocking: call it from a
thread.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from quantix_api.layout import FIRST_BOOT_FILE, PASSAGE, Layout
from quantix_hostd.clients.files import FileOwner, close_socket

_OWN = 0o710
# for support bundles: hypervisor.md, section 7
LOG_KEPT_S = 7 * 24 * 3600.0
_GONE_FOR = "gone-for-seconds"


class VmDirectories:
    """Those of all VMs below `layout`; `owner` is QEMU's user and its group."""

    def __init__(self, layout: Layout, owner: FileOwner) -> None:
        self._layout = layout
        self._owner = owner

    def prepare(self, vm_uid: str) -> None:
        """Make the directories of this VM with their owners; what is there stays."""
        run = self._layout.vm_run(vm_uid)
        _ensure(run.parent, PASSAGE)
        _ensure(run, _OWN)
        self._owner.give(run)
        # virtlogd writes the log as root
        _ensure(self._layout.vm_log(vm_uid).parent, 0o700)
        _ensure(self._layout.vm_log(vm_uid), 0o700)

    def close_sockets(self, vm_uid: str) -> int:
        """Let only root connect; returns how many were open to others.

        libvirt and QEMU make them by umasks of their own.
        """
        return sum(close_socket(path) for path in self._layout.vm_run(vm_uid).iterdir())

    def correct(self) -> int:
        """Put right what an older version made for guests that run; returns how many things changed."""
        changed = 0
        for run in self._run_directories():
            changed += self._owner.correct(run) + self.close_sockets(run.name)
            drive = run / FIRST_BOOT_FILE
            if drive.exists():
                changed += FileOwner(0, self._owner.gid).correct(drive)
        return changed

    def sweep_logs(self, kept: Collection[str], passed_s: float) -> tuple[str, ...]:
        """Remove logs of guests that were in `kept` for a week no more; returns their UIDs. `passed_s`:
        since the last sweep. How long a guest has been gone is counted beside its log, by no clock.
        """
        swept = []
        for directory in self._log_directories():
            count = directory / _GONE_FOR
            if directory.name in kept:
                count.unlink(missing_ok=True)
                continue
            gone_s = _counted_s(count) + passed_s
            if gone_s > LOG_KEPT_S:
                shutil.rmtree(directory, ignore_errors=True)
                swept.append(directory.name)
            else:
                count.write_text(f"{gone_s:.0f}\n")
        return tuple(swept)

    def _log_directories(self) -> list[Path]:
        parent = self._layout.vm_log("x").parent
        return sorted(parent.iterdir()) if parent.is_dir() else []

    def _run_directories(self) -> list[Path]:
        parent = self._layout.vm_run("x").parent
        return sorted(parent.iterdir()) if parent.is_dir() else []

    def remove(self, vm_uid: str) -> None:
        """Remove the sockets and the first-boot settings. The console's log stays for support bundles."""
        shutil.rmtree(self._layout.vm_run(vm_uid), ignore_errors=True)


def _counted_s(count: Path) -> float:
    """What a sweep before has written; one that was cut short begins anew."""
    try:
        return float(count.read_text())
    except (FileNotFoundError, ValueError):
        return 0.0


def _ensure(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
