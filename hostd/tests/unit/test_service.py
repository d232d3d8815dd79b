"""What a process of hostd gives its parts."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import patch

from quantix_hostd import service
from quantix_hostd.settings import Settings, parse


async def test_many_wait_for_disks_at_once_whatever_the_number_of_cpus() -> None:
    together = threading.Barrier(32)

    async def serve(settings: Settings) -> None:
        await asyncio.gather(*(asyncio.to_thread(together.wait, 5) for _ in range(32)))

    with patch.object(service, "serve", serve):
        assert await service.run_until_stopped(parse([])) == 1, "it ended by itself"
    assert not together.broken


_CRASH = """
import ctypes, sys
from quantix_hostd import service

async def crashing(settings):
    ctypes.string_at(0)

service.run_until_stopped = crashing
service.main(["--root", sys.argv[1]])
"""


def test_where_code_of_libvirt_or_ceph_crashed_is_in_the_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _CRASH, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGSEGV, ended.stderr
    assert "Fatal Python error: Segmentation fault" in ended.stderr
    assert "in crashing" in ended.stderr
