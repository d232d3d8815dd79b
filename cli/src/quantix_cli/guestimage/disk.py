"""Makes the disk: a partition table and a FAT file system with the boot loader, the kernel and the initramfs.

Called by the builder. Works without root and without mounting: mkfs.fat, mtools and syslinux write into the
file. The same input gives the same bytes.
"""

from __future__ import annotations

import os
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import PermanentError

DISK_BYTES = 40 * 1024 * 1024
SECTOR_BYTES = 512
PARTITION_START = 2048
FILE_SYSTEM_START_BYTES = PARTITION_START * SECTOR_BYTES
PARTITION_TYPE_FAT16_LBA = 0x0E
VOLUME_ID = "51580001"
# mtools 4.0.32 takes every time stamp from here
EPOCH = "1704067200"


@dataclass(frozen=True)
class BootFiles:
    """What the disk is made of; all are files that exist."""

    kernel: Path
    initramfs: Path
    config: Path
    boot_record: Path
    syslinux: Path


def run_tool(
    argv: list[str],
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
    timeout_s: float = 300.0,
) -> str:
    """Run a build tool and return what it prints.

    Raises PermanentError `GuestImageFailed` with the command and its last line when it fails.
    """
    variables = {**os.environ, "LC_ALL": "C", "TZ": "UTC", **(environment or {})}
    try:
        done = subprocess.run(
            argv, cwd=cwd, env=variables, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PermanentError(
            "GuestImageFailed", f"{argv[0]} could not be run: {error}.", "run qx up again"
        ) from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise PermanentError(
            "GuestImageFailed", f"{' '.join(argv[:6])} failed: {lines[-1]}.", "run qx up again"
        )
    return done.stdout


def render_boot_sector(boot_code: bytes) -> bytes:
    """The master boot record: syslinux' code and one active FAT16 partition that fills the disk."""
    sectors = DISK_BYTES // SECTOR_BYTES - PARTITION_START
    no_geometry = b"\xfe\xff\xff"
    entry = struct.pack(
        "<B3sB3sII", 0x80, no_geometry, PARTITION_TYPE_FAT16_LBA, no_geometry, PARTITION_START, sectors
    )
    disk_signature = bytes.fromhex(VOLUME_ID)
    return boot_code[:440].ljust(440, b"\0") + disk_signature + b"\0\0" + entry + b"\0" * 48 + b"\x55\xaa"


def make_disk(files: BootFiles, raw: Path) -> None:
    """Write the disk, which boots from BIOS, to `raw`. Raises PermanentError `GuestImageFailed`."""
    with raw.open("wb") as disk:
        disk.truncate(DISK_BYTES)
        disk.write(render_boot_sector(files.boot_record.read_bytes()))
    offset = FILE_SYSTEM_START_BYTES
    clusters_kib = (DISK_BYTES - offset) // 1024
    place = ["--offset", str(PARTITION_START), "-h", str(PARTITION_START), str(raw), str(clusters_kib)]
    run_tool(["mkfs.fat", "-F", "16", "--invariant", "-i", VOLUME_ID, "-n", "TINY", *place])
    mtools = {"SOURCE_DATE_EPOCH": EPOCH, "MTOOLS_SKIP_CHECK": "1"}
    run_tool([str(files.syslinux), "--install", "--offset", str(offset), str(raw)], environment=mtools)
    names = {"::/vmlinuz": files.kernel, "::/initrd.gz": files.initramfs, "::/syslinux.cfg": files.config}
    for name, source in names.items():
        run_tool(["mcopy", "-i", f"{raw}@@{offset}", str(source), name], environment=mtools)
