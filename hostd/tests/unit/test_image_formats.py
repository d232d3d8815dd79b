"""Which files become images and which are refused, and with which words."""

from __future__ import annotations

import struct

import pytest

from quantix_api.errors import PermanentError
from quantix_hostd.image.formats import HEAD_BYTES, ImageFormat, inspect_image

_GIB = 1 << 30
_FILE = 1 << 20


def qcow2(
    *,
    version: int = 3,
    backing: int = 0,
    cluster_bits: int = 16,
    size: int = _GIB,
    crypt: int = 0,
    l1_entries: int = 2,
    l1_offset: int = 0x30000,
    refcount_offset: int = 0x10000,
    refcount_clusters: int = 1,
    snapshots: int = 0,
    incompatible: int = 0,
) -> bytes:
    head = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb",
        version,
        backing,
        10 if backing else 0,
        cluster_bits,
        size,
        crypt,
        l1_entries,
        l1_offset,
        refcount_offset,
        refcount_clusters,
        snapshots,
        0,
        incompatible,
        0,
        0,
        4,
        104,
    )
    return head.ljust(HEAD_BYTES, b"\0")


def raw_disk() -> bytes:
    return b"\0" * 510 + b"\x55\xaa" + b"\0" * (HEAD_BYTES - 512)


def iso() -> bytes:
    return (b"\0" * 0x8001 + b"CD001").ljust(HEAD_BYTES, b"\0")


@pytest.mark.parametrize(
    ("head", "wanted", "image_format", "virtual_size"),
    [
        (qcow2(), "Auto", ImageFormat.QCOW2, _GIB),
        (qcow2(), "Qcow2", ImageFormat.QCOW2, _GIB),
        (qcow2(version=2), "Auto", ImageFormat.QCOW2, _GIB),
        (qcow2(incompatible=1 << 3), "Auto", ImageFormat.QCOW2, _GIB),
        (raw_disk(), "Auto", ImageFormat.RAW, _FILE),
        (raw_disk(), "Raw", ImageFormat.RAW, _FILE),
        (b"\0" * HEAD_BYTES, "Raw", ImageFormat.RAW, _FILE),
        (iso(), "Auto", ImageFormat.ISO, _FILE),
        (iso(), "ISO", ImageFormat.ISO, _FILE),
        (iso(), "Raw", ImageFormat.RAW, _FILE),
    ],
)
def test_a_sound_file_is_taken_for_what_it_is(
    head: bytes, wanted: str, image_format: ImageFormat, virtual_size: int
) -> None:
    facts = inspect_image(head, _FILE, wanted, _GIB)
    assert (facts.format, facts.virtual_size_bytes) == (image_format, virtual_size)


@pytest.mark.parametrize(
    ("head", "wanted", "words"),
    [
        (qcow2(backing=200), "Auto", "names another file as its backing file"),
        (qcow2(incompatible=1 << 2), "Auto", "keeps its data in another file"),
        (qcow2(crypt=2), "Auto", "encrypted"),
        (qcow2(snapshots=1), "Auto", "1 internal snapshots"),
        (qcow2(incompatible=1 << 0), "Auto", "not closed cleanly"),
        (qcow2(incompatible=1 << 1), "Auto", "not closed cleanly"),
        (qcow2(incompatible=1 << 40), "Auto", "unknown qcow2 features"),
        (qcow2(version=4), "Auto", "version 4"),
        (qcow2(cluster_bits=40), "Auto", "2^40"),
        (qcow2(l1_offset=_FILE), "Auto", "cut off"),
        (qcow2(l1_offset=0x30008), "Auto", "cut off"),
        (qcow2(refcount_clusters=1000), "Auto", "cut off"),
        (qcow2(l1_entries=0xFFFFFFFF), "Auto", "cut off"),
        (qcow2(l1_entries=1), "Auto", "table of blocks is too small"),
        (qcow2(size=2 * _GIB, l1_entries=4), "Auto", "a disk of 2Gi; spec.maxVirtualSize allows 1Gi"),
        (qcow2(size=1 << 63), "Auto", "table of blocks is too small"),
        (qcow2()[:60], "Auto", "ends within its qcow2 header"),
        (qcow2()[:90], "Auto", "ends within its qcow2 header"),
        (qcow2(), "Raw", "The file is Qcow2, but spec.format says Raw"),
        (raw_disk(), "ISO", "no qcow2, no ISO"),
        (raw_disk(), "Qcow2", "no qcow2, no ISO"),
        (iso(), "Qcow2", "The file is ISO"),
        (b"<!DOCTYPE html>".ljust(HEAD_BYTES), "Auto", "no qcow2, no ISO"),
        (b'# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0', "Auto", "VMDK descriptor"),
        (b"# Disk DescriptorFile\n", "Raw", "VMDK descriptor"),
        (b"\x1f\x8b\x08", "Auto", "gzip"),
        (b"QFI\xfb\x00\x00\x00\x01".ljust(HEAD_BYTES), "Auto", "version 1"),
        ((b"\0" * 257 + b"ustar").ljust(HEAD_BYTES), "Auto", "OVA"),
    ],
)
def test_what_is_unsafe_broken_or_something_else_is_refused(head: bytes, wanted: str, words: str) -> None:
    with pytest.raises(PermanentError) as caught:
        inspect_image(head, _FILE, wanted, _GIB)
    assert caught.value.reason == "ImageRefused"
    assert words in caught.value.message
    assert caught.value.hint


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(PermanentError, match="empty"):
        inspect_image(b"", 0, "Raw", _GIB)
