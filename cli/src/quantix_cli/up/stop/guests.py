"""The processes of guests, found without libvirt or hostd. Used by `qx down`, `make clean` and the lab."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from quantix_api.layout import Layout
from quantix_cli.up.neighbours import is_trusted

PATIENCE_S = 5.0


def guest_processes(layout: Layout, proc: Path = Path("/proc")) -> list[int]:
    """QEMU and swtpm processes of this installation: their command lines name files of its directories. What
    another user of the machine calls so keeps nobody from stopping.
    """
    folders = b"|".join(re.escape(f"{folder}/".encode()) for folder in (layout.run / "vm", layout.data))
    # only where a path begins: below "/" ours would also be the end of another installation's
    ours = re.compile(rb'(?:^|[\0=:,"])(?:' + folders + b")")
    found = []
    for process in proc.iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue
            program = words.partition(b"\0")[0].rpartition(b"/")[2]
            named = program.startswith((b"qemu-system-", b"swtpm")) and ours.search(words)
            if named and is_trusted(process):
                found.append(int(process.name))
    return found


def end_guests(layout: Layout) -> None:
    """End the guests' processes that are left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in guest_processes(layout):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + PATIENCE_S
        while guest_processes(layout) and time.monotonic() < deadline:
            time.sleep(0.05)
