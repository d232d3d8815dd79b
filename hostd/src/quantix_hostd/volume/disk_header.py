"""What the header of a disk of ours says: its size, the image that it stands on, whether it is encrypted.

Called by the volume controller, the VM's look and whoever removes images; also while a guest has the disk.
Everything here blocks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from quantix_api.errors import InvariantError
from quantix_api.message_table_phrases import FOREIGN_BACKING
from quantix_api.messages import as_error
from quantix_api.qcow2_header import BACKING_FORMAT, MAX_CLUSTER_BYTES, Qcow2Error, Qcow2Header
from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.no_follow import opened_file
from quantix_hostd.facts.disk_file import DiskFile

_MAX_BACKING_BYTES = 1023
# the header and its extensions
_HEAD_BYTES = 64 << 10
_CRYPT_NONE = 0
_IMAGE_DRIVERS = frozenset({"qcow2", "raw"})


def read_volume(place: VolumePlace) -> DiskFile | None:
    """The disk of a volume in its pool, as `read_disk_file`.

    Raises InvariantError (DataDamaged) also for one that stands on what is no image of its pool.
    """
    disk = read_disk_file(place.directory, place.folder, place.handle, "data")
    if disk is not None and disk.backing and not (disk.image_uid and disk.backing_driver in _IMAGE_DRIVERS):
        raise as_error(InvariantError, "DataDamaged", path=place.data, said=FOREIGN_BACKING)
    return disk


def read_disk_file(root: Path, *names: str) -> DiskFile | None:
    """Read the header of one of our own disks below `root`, in use or not; None when there is no file.

    Raises InvariantError (DataDamaged) when it is no qcow2 (we make nothing else), and as `opened_file`.
    """
    try:
        with opened_file(root, *names) as file:
            head = file.read(_HEAD_BYTES)
            header = Qcow2Header.parse(head)
            driver = dict(header.extensions(head)).get(BACKING_FORMAT, b"")
            backing = _backing_name(file, header)
    except FileNotFoundError:
        return None
    except Qcow2Error as error:
        raise as_error(InvariantError, "DataDamaged", path=root.joinpath(*names), said=error.flaw) from error
    encrypted = header.crypt_method != _CRYPT_NONE
    return DiskFile(header.virtual_size_bytes, backing, driver.decode("ascii", errors="replace"), encrypted)


def file_size_bytes(root: Path, *names: str) -> int:
    """The size of a raw disk. Raises FileNotFoundError, and as `opened_file`."""
    with opened_file(root, *names) as file:
        return os.fstat(file.fileno()).st_size


def _backing_name(file: BinaryIO, header: Qcow2Header) -> str:
    """It lies in the first cluster. Raises Qcow2Error."""
    if not header.backing_offset:
        return ""
    if header.backing_offset > MAX_CLUSTER_BYTES or header.backing_length > _MAX_BACKING_BYTES:
        raise Qcow2Error("the name of its backing file lies beyond its header")
    file.seek(header.backing_offset)
    return file.read(header.backing_length).decode("utf-8", errors="replace")
