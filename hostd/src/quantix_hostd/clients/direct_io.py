"""Can files of a pool be opened with O_DIRECT? tmpfs and some overlays refuse it.

Asked once a directory by the VM's reconciler, which chooses QEMU's cache mode by the answer.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=256)
def supports_direct_io(directory: Path) -> bool:
    """Try it with a file without a name; False also where such files cannot be made. Blocking."""
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    os.close(descriptor)
    return True
