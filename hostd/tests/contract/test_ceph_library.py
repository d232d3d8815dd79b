"""Ceph's bindings in a process of many threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRIES = 4
_ALL_AT_ONCE = """
import threading
from quantix_hostd.clients.ceph_library import rbd
together, found = threading.Barrier(8), []
def ask():
    together.wait()
    module = rbd()
    found.append((module, module.ImageNotFound, module.RBD()))
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(found) == 8 and len({id(module) for module, *_ in found}) == 1
"""


@pytest.mark.parametrize("_again", range(TRIES))
def test_many_threads_that_ask_first_get_one_module(_again: int) -> None:
    done = subprocess.run([sys.executable, "-c", _ALL_AT_ONCE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
