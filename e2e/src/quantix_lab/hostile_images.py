"""The corpus of hostile images: files that somebody may make an Image of to harm the host or its neighbours.

Made by code, so that each says what is wrong with it. Used by the tests of the check (`quantix_api`), of what
takes images in (hostd) and of `qx image upload`. The table is the documentation: who refuses the file, and
with which words.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum

from quantix_lab.qcow2_file import (
    CLUSTER,
    COPIED,
    DATA,
    L1,
    L2,
    REFCOUNT_TABLE,
    Qcow2File,
    compressed,
    extension,
)

MAX_VIRTUAL_SIZE = 1 << 30
"""What the Images of the corpus allow, in bytes."""


class Refuser(StrEnum):
    """Who finds out: our own look at the file's beginning, or QEMU, which is locked up for it."""

    CHECK = "check"
    QEMU = "QEMU"


@dataclass(frozen=True)
class HostileImage:
    """`says` is part of the message of ImageRefused, `wanted` the spec.format of the Image."""

    name: str
    content: bytes
    says: str
    by: Refuser = Refuser.CHECK
    wanted: str = "Auto"


def bomb(clusters: int = CLUSTER // 8) -> bytes:
    """A sound disk of which every cluster is the same few compressed bytes: a file of some 24 KiB says that
    its `clusters` hold data, and none of them zeros.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    packed = packer.compress(b"\7" * CLUSTER) + packer.flush()
    tables = -(-clusters // (CLUSTER // 8))
    if tables > CLUSTER // 8:
        raise ValueError("its L1 table has one cluster")
    # every L1 entry is the same L2 table, too: each is referred to as often as there are tables
    entries = tuple(compressed(DATA) for _ in range(CLUSTER // 8))
    counts = (1, 1, 1, 1, tables, min(tables * CLUSTER // 8, 65535))
    copied = COPIED if tables == 1 else 0
    return Qcow2File(
        size=clusters * CLUSTER,
        l1_entries=tables,
        l1=(L2 | copied,) * tables,
        l2=entries,
        refcounts=counts,
        data=packed.ljust(CLUSTER, b"\0"),
    ).content()


def _named(name: bytes) -> Qcow2File:
    return Qcow2File(backing_offset=1024, backing=name)


_SOUND = Qcow2File()
_OUTSIDE = 1 << 40
_FOREIGN = (
    ("a VMDK disk", b"KDMV"),
    ("a VHDX disk", b"vhdxfile"),
    ("a VHD disk", b"conectix"),
    ("a VDI disk", b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(0x40, b"\0") + b"\x7f\x10\xda\xbe"),
    ("a QED disk", b"QED\0"),
    ("a Parallels disk", b"WithoutFreeSpace"),
    ("a gzip archive", b"\x1f\x8b\x08"),
    ("an xz archive", b"\xfd7zXZ\0"),
    ("a zstd archive", b"\x28\xb5\x2f\xfd"),
)
_VMDK_TEXT = b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 9 FLAT "/etc/shadow" 0\n'
_BOOT_SECTOR = (b"\0" * 510 + b"\x55\xaa").ljust(CLUSTER, b"\0")
_LUKS = b"LUKS\xba\xbe\0\2".ljust(CLUSTER, b"\0")

_BACKING = "names another file as its backing file"
_DATA_FILE = "keeps its data in another file"
_CUT = "it is cut off"
_SMALL_TABLE = "its table of blocks is too small"
_ENDS = "it ends within its qcow2 header"
_ERRORS = "QEMU finds errors in its tables"

_REFERENCES: tuple[HostileImage, ...] = (
    HostileImage("a backing file of the host", _named(b"/etc/shadow").content(), _BACKING),
    HostileImage(
        "a backing file over the network",
        _named(b'json:{"driver":"nbd","host":"127.0.0.1","port":"10809"}').content(),
        _BACKING,
    ),
    HostileImage(
        "a backing file of version 2",
        Qcow2File(version=2, backing_offset=1024, backing=b"/etc/shadow").content(),
        _BACKING,
    ),
    HostileImage("a backing name behind its end", Qcow2File(backing_offset=_OUTSIDE).content(), _BACKING),
    HostileImage(
        "an external data file",
        Qcow2File(incompatible=1 << 2, extensions=extension(0x44415441, b"/etc/shadow")).content(),
        _DATA_FILE,
    ),
    HostileImage(
        "the name of a data file without the feature",
        Qcow2File(extensions=extension(0x44415441, b"/etc/shadow")).content(),
        _DATA_FILE,
    ),
    HostileImage("a VMDK descriptor", _VMDK_TEXT, "a VMDK descriptor"),
    HostileImage("a VMDK descriptor said to be raw", _VMDK_TEXT, "a VMDK descriptor", wanted="Raw"),
    HostileImage("a VMDK descriptor behind a comment", b"#\n" + _VMDK_TEXT, "no qcow2, no ISO"),
)
_FEATURES: tuple[HostileImage, ...] = (
    HostileImage("AES", Qcow2File(crypt=1).content(), "is encrypted"),
    HostileImage("LUKS inside", Qcow2File(crypt=2).content(), "is encrypted"),
    HostileImage(
        "a LUKS header of no method",
        Qcow2File(extensions=extension(0x0537BE77, b"\0" * 16)).content(),
        "is encrypted",
    ),
    HostileImage("internal snapshots", Qcow2File(snapshots=3).content(), "holds 3 internal snapshots"),
    HostileImage(
        "dirty bitmaps",
        Qcow2File(autoclear=1, extensions=extension(0x23852875, b"\0" * 24)).content(),
        "holds dirty bitmaps",
    ),
    HostileImage("an unknown feature", Qcow2File(incompatible=1 << 40).content(), "unknown qcow2 features"),
    HostileImage("the mark of damage", Qcow2File(incompatible=1 << 1).content(), "not closed cleanly"),
    HostileImage("version 1", Qcow2File(version=1).content(), "a qcow disk of version 1"),
    HostileImage("version 4", Qcow2File(version=4).content(), "is qcow2 of version 4"),
)
_SIZES: tuple[HostileImage, ...] = (
    HostileImage("nothing", b"", "it is empty"),
    HostileImage("one byte", b"Q", "no qcow2, no ISO"),
    HostileImage("half a header", _SOUND.content()[:60], _ENDS),
    HostileImage("half a header of version 3", _SOUND.content()[:90], _ENDS),
    HostileImage("a disk of 2^63 bytes", Qcow2File(size=1 << 63).content(), _SMALL_TABLE),
    HostileImage("a disk of no bytes", Qcow2File(size=0).content(), _SMALL_TABLE),
    HostileImage(
        "a disk beyond the limit",
        Qcow2File(size=MAX_VIRTUAL_SIZE * 2, l1_entries=1024, data=b"\0" * CLUSTER * 8).content(),
        "a disk of 2Gi; spec.maxVirtualSize allows 1Gi",
    ),
    HostileImage("clusters of 2^63 bytes", Qcow2File(cluster_bits=63).content(), "clusters have 2^63 bytes"),
    HostileImage("clusters of a byte", Qcow2File(cluster_bits=0).content(), "clusters have 2^0 bytes"),
    HostileImage("counts of 2^31 bits", Qcow2File(refcount_order=31).content(), "2^31 bits"),
    HostileImage(
        "a header longer than its cluster", Qcow2File(header_length=1 << 30).content(), "header has"
    ),
    HostileImage("a header of no length", Qcow2File(header_length=0).content(), "header has 0 bytes"),
)
_TABLES: tuple[HostileImage, ...] = (
    HostileImage("an L1 table of 32 GiB", Qcow2File(l1_entries=0xFFFFFFFF).content(), _CUT),
    HostileImage("an L1 table beyond the end", Qcow2File(l1_offset=_OUTSIDE).content(), _CUT),
    HostileImage("an L1 table between clusters", Qcow2File(l1_offset=L1 + 8).content(), _CUT),
    HostileImage("an L1 table in the header", Qcow2File(l1_offset=0).content(), "lie over each other"),
    HostileImage(
        "an L1 table in the counts", Qcow2File(l1_offset=REFCOUNT_TABLE).content(), "lie over each other"
    ),
    HostileImage("a short L1 table", Qcow2File(l1_entries=0).content(), _SMALL_TABLE),
    HostileImage("counts beyond the end", Qcow2File(refcount_offset=_OUTSIDE).content(), _CUT),
    HostileImage("more counts than file", Qcow2File(refcount_clusters=1 << 20).content(), _CUT),
    HostileImage("no counts", Qcow2File(refcount_clusters=0).content(), "no table of reference counts"),
    HostileImage("cut within the L1 table", _SOUND.content()[: L1 + 4], _CUT),
    HostileImage("cut within the counts", _SOUND.content()[: REFCOUNT_TABLE + 8], _CUT),
    HostileImage(
        "an extension longer than its cluster",
        Qcow2File(extensions=extension(0x6803F857, b"", 0xFFFFFFF0)).content(),
        "an extension of its header lies beyond",
    ),
    HostileImage(
        "an extension that ends where it begins, by 32 bits",
        Qcow2File(extensions=extension(0x6803F857, b"", 0xFFFFFFF8)).content(),
        "an extension of its header lies beyond",
    ),
)
_LOOPS: tuple[HostileImage, ...] = (
    HostileImage(
        "an L1 table that is its own L2", Qcow2File(l1=(L1 | COPIED,)).content(), _ERRORS, Refuser.QEMU
    ),
    HostileImage(
        "an L2 table that is its own data", Qcow2File(l2=(L2 | COPIED,)).content(), _ERRORS, Refuser.QEMU
    ),
    HostileImage("data in the header", Qcow2File(l2=(1 << 9 | COPIED,)).content(), _ERRORS, Refuser.QEMU),
    HostileImage(
        "counts that count themselves",
        Qcow2File(refcount_table=(REFCOUNT_TABLE,)).content(),
        _ERRORS,
        Refuser.QEMU,
    ),
    HostileImage(
        "an L2 table beyond the end", Qcow2File(l1=(_OUTSIDE | COPIED,)).content(), _ERRORS, Refuser.QEMU
    ),
    HostileImage("data beyond the end", Qcow2File(l2=(_OUTSIDE | COPIED,)).content(), _ERRORS, Refuser.QEMU),
    HostileImage(
        "compressed data beyond the end",
        Qcow2File(l2=(compressed(_OUTSIDE, 9),)).content(),
        _ERRORS,
        Refuser.QEMU,
    ),
    HostileImage(
        "two places in one cluster",
        Qcow2File(l2=(DATA | COPIED, DATA | COPIED)).content(),
        _ERRORS,
        Refuser.QEMU,
    ),
)
_POSERS: tuple[HostileImage, ...] = (
    *(
        HostileImage(f"{kind} as raw", magic.ljust(CLUSTER, b"\0"), kind, wanted="Raw")
        for kind, magic in _FOREIGN
    ),
    HostileImage("LUKS as a disk that boots", _LUKS, "no qcow2, no ISO"),
    HostileImage(
        "a qcow2 as raw", _SOUND.content(), "Qcow2, but its format was said to be Raw", wanted="Raw"
    ),
    HostileImage(
        "a qcow2 as ISO", _SOUND.content(), "Qcow2, but its format was said to be ISO", wanted="ISO"
    ),
    HostileImage("raw as a qcow2", _BOOT_SECTOR, "no qcow2, no ISO", wanted="Qcow2"),
    HostileImage(
        "an ISO as a qcow2",
        b"\0" * 0x8001 + b"CD001" + b"\0" * 2048,
        "is ISO, but its format was said to be Qcow2",
        wanted="Qcow2",
    ),
    HostileImage(
        "an ISO with the head of a qcow2",
        _named(b"/etc/shadow").content().ljust(0x8001, b"\0") + b"CD001" + b"\0" * 2048,
        _BACKING,
    ),
    HostileImage("a tar archive", (b"\0" * 257 + b"ustar").ljust(CLUSTER, b"\0"), "OVA"),
    HostileImage("a web page", b"<!DOCTYPE html>".ljust(CLUSTER), "no qcow2, no ISO"),
)

HOSTILE_IMAGES = (*_REFERENCES, *_FEATURES, *_SIZES, *_TABLES, *_LOOPS, *_POSERS)

HARMLESS_IMAGES: dict[str, bytes] = {
    "the smallest disk": _SOUND.content(),
    "version 2": Qcow2File(version=2).content(),
    "an unknown extension": Qcow2File(extensions=extension(0x12345678, b"whatever")).content(),
    "cut within its last cluster, which reads as zeros": _SOUND.content()[: DATA + 8],
    "a disk that boots": _BOOT_SECTOR,
    "a bomb, which only a full copy unpacks": bomb(),
}
"""What looks odd, and is taken."""
