"""Which volumes keep an image from being deleted, among what else lies in the pool."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from quantix_api.errors import QuantixError
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.volume.based_on import volumes_based_on

_IMAGE = "1111"
HEADER = 104
NO_EXTENSIONS = b"\0" * 8


def header(offset: int, length: int) -> bytes:
    """A qcow2 header, version 3, that places the name of its backing file there."""
    fields = b"QFI\xfb" + struct.pack(">IQIIQ", 3, offset, length, 16, 1 << 20)
    return fields.ljust(HEADER - 4, b"\0") + struct.pack(">I", HEADER) + NO_EXTENSIONS


def overlay(image: str) -> bytes:
    name = f"../../images/{image}".encode()
    return header(HEADER + len(NO_EXTENSIONS), len(name)) + name


@pytest.fixture
def pool(tmp_path: Path) -> PoolDir:
    made = PoolDir("local", tmp_path / "pool", FileOwner.current(), "h1")
    made.prepare(create=True)
    add(made, "aaaa", overlay(_IMAGE), claim=b"{}")
    add(made, "bbbb", overlay("2222"), claim=b"{}")
    return made


def add(pool: PoolDir, name: str, data: bytes, claim: bytes | None = None) -> Path:
    directory = pool.volumes / name
    directory.mkdir()
    (directory / "data").write_bytes(data)
    if claim is not None:
        (directory / "claim").write_bytes(claim)
    return directory


@pytest.mark.parametrize(
    "data",
    [b"", b"no disk", header(1 << 63, 10), header(104, 1 << 31), header((1 << 64) - 1, 1)],
    ids=["empty", "text", "a name far away", "a long name", "a name at the end of all"],
)
def test_a_directory_without_a_claim_that_holds_no_disk_blocks_nothing(pool: PoolDir, data: bytes) -> None:
    add(pool, "backup", data)
    (pool.volumes / "lost+found").mkdir()
    (pool.volumes / "notes").write_text("no volume")
    assert volumes_based_on(pool, _IMAGE) == [pool.volumes / "aaaa"]


def test_a_disk_on_the_image_counts_even_without_a_claim(pool: PoolDir) -> None:
    copy = add(pool, "copy", overlay(_IMAGE))
    assert set(volumes_based_on(pool, _IMAGE)) == {pool.volumes / "aaaa", copy}


@pytest.mark.parametrize(
    ("name", "claim"),
    [("cccc", b"{}"), ("cccc", b"no claim"), (".cccc.h1.new", None), (".cccc.h2.new", None)],
)
def test_what_may_be_a_volume_of_ours_blocks_while_it_cannot_be_read(
    pool: PoolDir, name: str, claim: bytes | None
) -> None:
    add(pool, name, b"half", claim)
    with pytest.raises(QuantixError) as raised:
        volumes_based_on(pool, _IMAGE)
    assert raised.value.reason == "DataDamaged"


def test_a_link_in_the_place_of_a_volume_blocks(pool: PoolDir, tmp_path: Path) -> None:
    (pool.volumes / "aaaa").rename(tmp_path / "elsewhere")
    (pool.volumes / "aaaa").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(QuantixError) as raised:
        volumes_based_on(pool, _IMAGE)
    assert raised.value.reason == "DataDamaged"
