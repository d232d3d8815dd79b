"""Keeps the machine's own network managers away from our devices.

Called by `assembly` once. NetworkManager and systemd-networkd configure whatever appears: they would take the
addresses of `qx…` devices away again. Only files of our own are written, and only where the manager is there.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import structlog

from quantix_hostd.clients.command import run
from quantix_hostd.clients.files import write_atomically

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class DropIn:
    """One manager: the directory that exists where it is installed, our file in it, and how it reads it
    again.
    """

    directory: str
    name: str
    content: str
    reload: tuple[str, ...]


DROP_INS = (
    DropIn(
        "etc/NetworkManager/conf.d",
        "90-quantix.conf",
        "# Made by Quantix: its own devices\n[keyfile]\nunmanaged-devices+=interface-name:qx*\n",
        ("nmcli", "general", "reload", "conf"),
    ),
    DropIn(
        "etc/systemd/network",
        "05-quantix.network",
        "# Made by Quantix: its own devices\n[Match]\nName=qx*\n\n[Link]\nUnmanaged=yes\n",
        ("networkctl", "reload"),
    ),
)


async def keep_managers_away(root: Path = Path("/")) -> list[str]:
    """Write what is missing; the names of the files that were written."""
    written = []
    for drop_in in DROP_INS:
        path = root / drop_in.directory / drop_in.name
        try:
            changed = await asyncio.to_thread(_ensure, path, drop_in.content)
        except OSError as error:
            log.warning("network manager not told", file=str(path), error=str(error))
            continue
        if changed:
            written.append(drop_in.name)
            # A manager that is installed but does not run reads it when it starts
            there = shutil.which(drop_in.reload[0]) is not None
            reloaded = there and (await run(*drop_in.reload, check=False)).code == 0
            log.info("network manager told", file=str(path), reloaded=reloaded)
    return written


def _ensure(path: Path, content: str) -> bool:
    if not path.parent.is_dir() or (path.exists() and path.read_text() == content):
        return False
    write_atomically(path, content.encode(), mode=0o644)
    return True
