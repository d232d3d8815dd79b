"""Which files become images. What is refused, with which words, is the corpus of `test_hostile_images`."""

from __future__ import annotations

import pytest

from quantix_api.disk_image import HEAD_BYTES, ImageFormat, inspect_image
from quantix_api.errors import PermanentError
from quantix_lab.qcow2_file import MAPPED, Qcow2File

_GIB = 1 << 30
_FILE = 1 << 20
_COMPRESSION_TYPE, _DIRTY = 1 << 3, 1 << 0
QCOW2 = Qcow2File().content()
RAW_DISK = (b"\0" * 510 + b"\x55\xaa").ljust(HEAD_BYTES, b"\0")
ISO = (b"\0" * 0x8001 + b"CD001").ljust(HEAD_BYTES, b"\0")


@pytest.mark.parametrize(
    ("head", "wanted", "image_format", "virtual_size"),
    [
        (QCOW2, "Auto", ImageFormat.QCOW2, MAPPED),
        (QCOW2, "Qcow2", ImageFormat.QCOW2, MAPPED),
        (Qcow2File(version=2).content(), "Auto", ImageFormat.QCOW2, MAPPED),
        (Qcow2File(incompatible=_COMPRESSION_TYPE).content(), "Auto", ImageFormat.QCOW2, MAPPED),
        (RAW_DISK, "Auto", ImageFormat.RAW, _FILE),
        (RAW_DISK, "Raw", ImageFormat.RAW, _FILE),
        (b"\0" * HEAD_BYTES, "Raw", ImageFormat.RAW, _FILE),
        (ISO, "Auto", ImageFormat.ISO, _FILE),
        (ISO, "ISO", ImageFormat.ISO, _FILE),
        (ISO, "Raw", ImageFormat.RAW, _FILE),
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
        (Qcow2File(incompatible=_DIRTY).content(), "Auto", "not closed cleanly"),
        (RAW_DISK, "ISO", "no qcow2, no ISO"),
    ],
)
def test_what_is_broken_or_something_else_without_malice_is_refused_too(
    head: bytes, wanted: str, words: str
) -> None:
    with pytest.raises(PermanentError, match=words) as caught:
        inspect_image(head, _FILE, wanted, _GIB)
    assert (caught.value.reason, bool(caught.value.hint)) == ("ImageRefused", True)
