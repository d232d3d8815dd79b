"""Makes the disk of the image: a boot record with GRUB in it, and one partition with the file system.

Called by the builder. Nothing is mounted and no device is needed: mke2fs fills the file system from the
directory, and GRUB's core lies in the gap before the partition, where its boot sector expects it (GRUB
manual 2.06, BIOS installation: the core begins in sector 1).
"""

from __future__ import annotations

import struct
from pathlib import Path

from quantix_cli.guestimage.disk import run_tool

FILE_SYSTEM_BYTES = 2 * 1024**3
PARTITION_START_BYTES = 1024**2
LABEL = "root"
_SECTOR_BYTES = 512
_PARTITION_TYPE_LINUX = 0x83
_DISK_SIGNATURE = bytes.fromhex("51580002")
_BOOT_CODE_BYTES = 440
_MODULES = ("biosdisk", "part_msdos", "ext2", "search", "search_label", "linux")
_GRUB = Path("/usr/lib/grub/i386-pc")


def render_boot_record(boot_code: bytes, sectors: int) -> bytes:
    """The master boot record: GRUB's code and one active Linux partition of `sectors`."""
    no_geometry = b"\xfe\xff\xff"
    start = PARTITION_START_BYTES // _SECTOR_BYTES
    entry = struct.pack("<B3sB3sII", 0x80, no_geometry, _PARTITION_TYPE_LINUX, no_geometry, start, sectors)
    code = boot_code[:_BOOT_CODE_BYTES].ljust(_BOOT_CODE_BYTES, b"\0")
    return code + _DISK_SIGNATURE + b"\0\0" + entry + b"\0" * 48 + b"\x55\xaa"


def make_disk(tree: Path, boot_config: Path, target: Path) -> None:
    """Write a qcow2 with `tree` as its root file system to `target`; GRUB does what `boot_config` says.

    Raises PermanentError `GuestImageFailed`.
    """
    core, raw = target.with_suffix(".core"), target.with_suffix(".raw")
    place = ["-O", "i386-pc", "-d", str(_GRUB), "-p", "/"]
    run_tool(["grub-mkimage", *place, "-o", str(core), "-c", str(boot_config), *_MODULES])
    record = render_boot_record((_GRUB / "boot.img").read_bytes(), FILE_SYSTEM_BYTES // _SECTOR_BYTES)
    with raw.open("wb") as disk:
        disk.truncate(PARTITION_START_BYTES + FILE_SYSTEM_BYTES)
        disk.write(record + core.read_bytes())
    offset = f"offset={PARTITION_START_BYTES}"
    size = f"{FILE_SYSTEM_BYTES // 1024}k"
    run_tool(
        [
            "mke2fs",
            "-q",
            "-F",
            "-t",
            "ext4",
            "-m",
            "1",
            "-L",
            LABEL,
            "-d",
            str(tree),
            "-E",
            offset,
            str(raw),
            size,
        ]
    )
    run_tool(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(target)])
