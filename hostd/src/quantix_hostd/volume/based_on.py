"""Which volumes of a pool need an image: those whose disk lies on top of it. Called before an image goes."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from quantix_api.errors import QuantixError
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.volume.disk_header import read_disk_file

log = structlog.get_logger(__name__)


def volumes_based_on(pool: Pool, image_uid: str) -> list[Path]:
    """The volumes of the pool whose backing file is this image, or that are its clones. Blocks.

    What is no disk is skipped where no volume of ours can be meant. Raises as `read_disk_file` for others.
    """
    if isinstance(pool, PoolRbd):
        return pool.volumes_based_on(image_uid)
    found = []
    folders = (folder for folder in (pool.volumes, pool.snapshots) if folder.is_dir())
    for directory in (entry for folder in folders for entry in folder.iterdir()):
        try:
            disk = read_disk_file(pool.path, directory.parent.name, directory.name, "data")
        except QuantixError as error:
            if error.reason != "DataDamaged" or not _is_foreign(directory):
                raise
            log.warning("foreign entry of a pool skipped", path=str(directory), error=error.message)
            continue
        if disk is not None and disk.backing.endswith(f"/images/{image_uid}"):
            found.append(directory)
    return found


def _is_foreign(entry: Path) -> bool:
    """Whether it is neither a volume, which has its claim before it has its name, nor a draft of one, nor a
    link that may stand for either.
    """
    if entry.name.startswith(".") or entry.is_symlink():
        return False
    return not entry.is_dir() or not os.path.lexists(entry / "claim")
