"""What the header of a qcow2 file says, whoever wrote it."""

from __future__ import annotations

import pytest

from quantix_api.qcow2_header import BACKING_FORMAT, Qcow2Error, Qcow2Header
from quantix_lab.qcow2_file import CLUSTER, MAPPED, Qcow2File, extension


def test_an_overlay_names_its_backing_file_and_the_format_of_that() -> None:
    known = extension(0x6803F857, b"names of features") + extension(BACKING_FORMAT, b"raw")
    head = Qcow2File(backing_offset=512, backing=b"../../images/1111", extensions=known).content()
    header = Qcow2Header.parse(head)
    assert (header.backing_offset, header.backing_length) == (512, 17)
    assert (header.virtual_size_bytes, header.cluster_bytes, header.crypt_method) == (MAPPED, CLUSTER, 0)
    assert dict(header.extensions(head))[BACKING_FORMAT] == b"raw"


def test_version_2_has_its_extensions_right_behind_its_shorter_header() -> None:
    header = Qcow2Header.parse(Qcow2File(version=2).content())
    assert (header.length, header.shortest_length, header.incompatible) == (72, 72, 0)


@pytest.mark.parametrize(
    ("head", "flaw"),
    [
        (b"", "no qcow2 disk"),
        (b"\0" * 200, "no qcow2 disk"),
        (Qcow2File().content()[:71], "ends within"),
        (Qcow2File().content()[:103], "ends within"),
        (Qcow2File(cluster_bits=8).content(), "2^8 bytes"),
        (Qcow2File(cluster_bits=(1 << 32) - 1).content(), "2^4294967295 bytes"),
    ],
)
def test_what_is_no_header_is_told_as_that(head: bytes, flaw: str) -> None:
    with pytest.raises(Qcow2Error) as caught:
        Qcow2Header.parse(head)
    assert flaw in caught.value.flaw


@pytest.mark.parametrize("length", [CLUSTER, (1 << 32) - 1])
def test_an_extension_that_is_longer_than_its_cluster_ends_the_reading(length: int) -> None:
    head = Qcow2File(extensions=extension(7, b"", length)).content()
    with pytest.raises(Qcow2Error, match="beyond the header's cluster"):
        list(Qcow2Header.parse(head).extensions(head))
