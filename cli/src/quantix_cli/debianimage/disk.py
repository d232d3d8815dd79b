"""Makes the disk of the image: a boot record with GRUB in it, a partition for UEFI's boot loaders, and one
with the root file system, which comes last so that it can grow.

Called by the builder. Nothing is mounted and no device is needed: mke2fs fills the file system from the
directory, and GRUB's core lies in the gap before the partitions, where its boot sector expects it (GRUB
manual 2.06, BIOS installation: the core begins in sector 1). UEFI knows its partition by the type of the
boot record's entry, EFh (UEFI 2.10, section 5.2.2).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from quantix_cli.guestimage.disk import run_tool

_SECTOR_BYTES = 512


@dataclass(frozen=True)
class Partition:
    """One of the boot record's: its type, and whether BIOS looks to it."""

    start_bytes: int
    size_bytes: int
    kind: int
    active: bool = False


ESP = Partition(start_bytes=1024**2, size_bytes=16 * 1024**2, kind=0xEF)
ROOT = Partition(ESP.start_bytes + ESP.size_bytes, size_bytes=2 * 1024**3, kind=0x83, active=True)
LABEL = "root"
_ESP_VOLUME_ID = "51580003"
_DISK_SIGNATURE = bytes.fromhex("51580002")
_BOOT_CODE_BYTES = 440
_MODULES = ("biosdisk", "part_msdos", "ext2", "search", "search_label", "linux")
_GRUB = Path("/usr/lib/grub/i386-pc")


def _render_entry(partition: Partition) -> bytes:
    no_geometry = b"\xfe\xff\xff"
    flag = 0x80 if partition.active else 0
    sectors = (partition.start_bytes // _SECTOR_BYTES, partition.size_bytes // _SECTOR_BYTES)
    return struct.pack("<B3sB3sII", flag, no_geometry, partition.kind, no_geometry, *sectors)


def render_boot_record(boot_code: bytes) -> bytes:
    """The master boot record: GRUB's code and the two partitions."""
    code = boot_code[:_BOOT_CODE_BYTES].ljust(_BOOT_CODE_BYTES, b"\0")
    entries = _render_entry(ESP) + _render_entry(ROOT)
    return code + _DISK_SIGNATURE + b"\0\0" + entries + b"\0" * 32 + b"\x55\xaa"


def make_disk(tree: Path, boot_config: Path, raw: Path) -> None:
    """Write a disk with `tree` as its root file system to `raw`. From BIOS it boots as `boot_config` says;
    the partition for UEFI is empty.

    Raises PermanentError `GuestImageFailed`.
    """
    core = raw.with_suffix(".core")
    place = ["-O", "i386-pc", "-d", str(_GRUB), "-p", "/"]
    run_tool(["grub-mkimage", *place, "-o", str(core), "-c", str(boot_config), *_MODULES])
    with raw.open("wb") as disk:
        disk.truncate(ROOT.start_bytes + ROOT.size_bytes)
        disk.write(render_boot_record((_GRUB / "boot.img").read_bytes()) + core.read_bytes())
    esp = ["--offset", str(ESP.start_bytes // _SECTOR_BYTES), str(raw), str(ESP.size_bytes // 1024)]
    run_tool(["mkfs.fat", "-F", "16", "--invariant", "-i", _ESP_VOLUME_ID, "-n", "ESP", *esp])
    root = ["-E", f"offset={ROOT.start_bytes}", str(raw), f"{ROOT.size_bytes // 1024}k"]
    run_tool(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "1", "-L", LABEL, "-d", str(tree), *root])
