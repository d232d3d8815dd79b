"""What a process of hostd gives its parts."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import patch

import pytest

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


_STOPPED = """
import asyncio, sys, threading
from quantix_hostd import service
from quantix_hostd.thread_calls import to_the_end

def never():
    print("begun", flush=True)
    threading.Event().wait()

async def waits_to_the_end(settings):
    await to_the_end(lambda _: never())

async def left_a_thread(settings):
    await asyncio.to_thread(never)

service.serve, service._STOP_S, service._THREADS_S = globals()[sys.argv[2]], 1.0, 0.5
service.main(["--root", sys.argv[1]])
"""


@pytest.mark.parametrize("serve", ["waits_to_the_end", "left_a_thread"])
def test_it_ends_when_it_is_told_to_beside_a_thread_that_does_not(serve: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _STOPPED, str(tmp_path), serve]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            assert running.stdout.readline() == "begun\n"
            running.terminate()
            said = "".join(running.communicate(timeout=60))
        finally:
            running.kill()
    assert running.returncode == 0, said
    assert "hostd ends beside threads that do not" in said
    assert "in never" in said, "who did not end"
