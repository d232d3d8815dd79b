"""What a guest shows becomes a PNG, and nothing else."""

from __future__ import annotations

import struct
import zlib

import pytest

from quantix_hostd.api.pictures import as_png


def rows_of(png: bytes, width: int) -> list[bytes]:
    """The rows of an unfiltered RGB picture."""
    at = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[at - 4 : at])
    data = zlib.decompress(png[at + 4 : at + 4 + length])
    step = width * 3 + 1
    return [data[start + 1 : start + step] for start in range(0, len(data), step)]


def test_the_points_of_a_ppm_are_kept_in_their_rows() -> None:
    png = as_png(b"P6\n2 2\n255\n" + bytes(range(12)))
    assert png is not None
    assert struct.unpack(">II", png[16:24]) == (2, 2)
    assert rows_of(png, 2) == [bytes(range(6)), bytes(range(6, 12))]


def test_a_png_stays_as_it_is() -> None:
    assert as_png(b"\x89PNG\r\n\x1a\nrest") == b"\x89PNG\r\n\x1a\nrest"


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"P6\n2 2\n255\n" + bytes(11),
        b"P6\n0 2\n255\n",
        b"P6\n99999 99999\n255\n" + bytes(100),
        b"P6\n2 2\n65535\n" + bytes(24),
        b"P3\n1 1\n255\n1 2 3",
        b"GIF89a",
    ],
    ids=["nothing", "too short", "no width", "larger than its bytes", "two bytes a point", "text", "another"],
)
def test_what_is_no_picture_becomes_none(picture: bytes) -> None:
    assert as_png(picture) is None
