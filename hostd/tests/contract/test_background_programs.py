"""What runs in the background ends with the process that began it, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from quantix_lab.waiting import wait_for

_SCRIPT = """
import asyncio
from quantix_hostd.clients.command import run
from quantix_hostd.clients.qemu_img import IN_THE_BACKGROUND
asyncio.run(run(*IN_THE_BACKGROUND, "sleep", "60", timeout_s=90))
"""


def test_a_program_in_the_background_is_gone_once_its_process_was_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _SCRIPT])
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")

    def sleeping() -> tuple[int | None, object]:
        for pid in map(int, children.read_text().split()):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "sleep":
                return pid, pid
        return None, children.read_text()

    pid = wait_for("the program", sleeping, 20)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_for("the program to end", lambda: (not Path(f"/proc/{pid}").exists(), pid), 10)
