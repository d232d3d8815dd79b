"""Packs first-boot settings into an ISO 9660 image that is the same to the byte wherever it is made.

Called by `drive`. The target of a live migration makes the same image again (hypervisor.md, section 8), so no
clock, time zone, host name or random number may leave a trace.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

import pycdlib

_SECTOR = 2048
_FIRST_DESCRIPTOR = 16
# ECMA-119 8.4: root directory record at 156, four dates of 17 bytes from 813 on
_ROOT_RECORD = 156
_DATES = slice(813, 813 + 4 * 17)
_DESCRIPTOR_DATE = b"1980010100000000" + b"\0"
_RECORD_DATE = bytes([80, 1, 1, 0, 0, 0, 0])
_TERMINATOR = 255


def render_iso(label: str, files: Mapping[str, bytes]) -> bytes:
    """An ISO 9660 image with Joliet names holding `files` in its root; cloud-init finds it by `label`.

    At most 99 files.
    """
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, vol_ident=label)
    for number, (name, content) in enumerate(sorted(files.items())):
        iso.add_fp(io.BytesIO(content), len(content), f"/FILE{number:02}.;1", joliet_path=f"/{name}")
    buffer = io.BytesIO()
    iso.write_fp(buffer)
    iso.close()
    return _with_fixed_dates(bytearray(buffer.getvalue()))


def _with_fixed_dates(image: bytearray) -> bytes:
    offset = _FIRST_DESCRIPTOR * _SECTOR
    while image[offset] != _TERMINATOR:
        image[offset + _DATES.start : offset + _DATES.stop] = _DESCRIPTOR_DATE * 4
        root = offset + _ROOT_RECORD
        image[root + 18 : root + 25] = _RECORD_DATE
        extent, _, size = struct.unpack_from("<I4sI", image, root + 2)
        _fix_records(image, extent * _SECTOR, size)
        offset += _SECTOR
    return bytes(image)


def _fix_records(image: bytearray, start: int, size: int) -> None:
    """Directory records do not cross sectors; a length of 0 means that the rest of the sector is empty."""
    position = start
    while position < start + size:
        length = image[position]
        if length == 0:
            position = (position // _SECTOR + 1) * _SECTOR
            continue
        image[position + 18 : position + 25] = _RECORD_DATE
        position += length
