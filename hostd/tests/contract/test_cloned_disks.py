"""Disks made from other disks, and encrypted ones, with the real qemu-img, on file systems that share blocks
and on others.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import new_claim
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.moves import copy_of
from quantix_hostd.snapshot.dir_files import copy_disk, publish_set, put_back, remove_set, switch_back
from quantix_hostd.snapshot_place import place_of_disk
from quantix_hostd.volume.based_on import volumes_based_on
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.disk_header import read_volume
from quantix_hostd.volume.recipe import Base, Origin, Recipe
from quantix_lab.disk_pools import pool_at

_MIB = 1 << 20
_BASE = Base("1111", "qcow2", 64 * _MIB)
_KEY = "correct horse"
_MARK = b"the-mark-of-a-guest-in-plain-text"


def io(path: Path, act: str) -> str:
    done = subprocess.run(["qemu-io", "-f", "qcow2", "-c", act, path], check=True, capture_output=True)
    return done.stdout.decode()


def write(path: Path, pattern: int, at_mib: int, mib: int = 1) -> None:
    """What a guest would write."""
    io(path, f"write -P {pattern} {at_mib}M {mib}M")


def compress(path: Path, into: Path) -> None:
    subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", path, into], check=True)


def holds(path: Path, pattern: int, at_mib: int) -> bool:
    return "verification failed" not in io(path, f"read -P {pattern} {at_mib}M 1M")


def origin(pool: PoolDir, handle: str) -> Origin:
    place = pool.place(handle)
    disk = read_volume(place)
    assert disk is not None
    size, image, driver = disk.capacity_bytes, disk.image_uid, disk.backing_driver
    return Origin(f"default/{handle}", handle, place, size, image, driver, disk.encrypted)


async def source(pool: PoolDir, maker: DiskFileMaker) -> Origin:
    """A volume on the image, with a MiB of its own."""
    await maker.make(pool, Recipe("aaaa", 100 * _MIB, _BASE))
    write(pool.place("aaaa").data, 9, 2)
    return origin(pool, "aaaa")


def taken_bytes(path: Path) -> int:
    return path.stat().st_blocks * 512


async def test_a_linked_clone_shares_the_image_and_nothing_that_is_written_to(
    pool: PoolDir, maker: DiskFileMaker
) -> None:
    await maker.make(pool, Recipe("bbbb", 0, origin=await source(pool, maker)))
    one, other = pool.place("aaaa").data, pool.place("bbbb").data
    disk = read_volume(pool.place("bbbb"))
    assert disk is not None
    assert (disk.image_uid, disk.backing_driver, disk.capacity_bytes) == ("1111", "qcow2", 100 * _MIB)
    write(other, 11, 2)
    write(one, 13, 0)
    assert holds(other, 7, 0)
    assert holds(one, 9, 2)
    one.unlink()
    assert holds(other, 11, 2)
    assert taken_bytes(other) < 3 * _MIB


async def test_a_linked_clone_takes_no_room_where_the_file_system_shares_blocks(
    xfs_pool: PoolDir, maker: DiskFileMaker
) -> None:
    await maker.make(xfs_pool, Recipe("aaaa", 100 * _MIB, _BASE))
    write(xfs_pool.place("aaaa").data, 9, 2, 32)
    before = xfs_pool.space().available_bytes
    await maker.make(xfs_pool, Recipe("bbbb", 0, origin=origin(xfs_pool, "aaaa")))
    assert before - xfs_pool.space().available_bytes < _MIB
    write(xfs_pool.place("bbbb").data, 11, 2)
    assert holds(xfs_pool.place("aaaa").data, 9, 2)
    assert holds(xfs_pool.place("bbbb").data, 9, 3)


async def test_a_full_clone_stands_alone_and_is_as_large_as_was_asked_for(
    pool: PoolDir, maker: DiskFileMaker
) -> None:
    made_of = await source(pool, maker)
    await maker.make(pool, Recipe("bbbb", 200 * _MIB, full_copy=True, origin=made_of))
    pool.image("1111").unlink()
    disk = read_volume(pool.place("bbbb"))
    assert disk is not None
    assert (disk.backing, disk.capacity_bytes) == ("", 200 * _MIB)
    assert holds(pool.place("bbbb").data, 7, 0)
    assert holds(pool.place("bbbb").data, 9, 2)
    assert taken_bytes(pool.place("bbbb").data) < 4 * _MIB


async def test_what_a_copy_will_take_is_known_before_also_of_an_image_that_is_compressed(
    pool: PoolDir, maker: DiskFileMaker
) -> None:
    plain, small = pool.image("1111"), pool.image("2222")
    write(plain, 5, 8, 16)
    compress(plain, small)
    assert taken_bytes(small) < 2 * _MIB
    on_it = Base("2222", "qcow2", 64 * _MIB)
    full = Recipe("bbbb", 0, on_it, full_copy=True)
    told = await maker.made_bytes(pool, full)
    await maker.make(pool, full)
    assert told is not None
    assert taken_bytes(pool.place("bbbb").data) <= told < 19 * _MIB
    await maker.make(pool, Recipe("aaaa", 0, on_it))
    write(pool.place("aaaa").data, 9, 2, 4)
    linked = await maker.made_bytes(pool, Recipe("cccc", 0, origin=origin(pool, "aaaa")))
    moved = await maker.moved_bytes(pool.place("aaaa"))
    assert linked is not None
    assert moved is not None
    assert 4 * _MIB <= linked < 5 * _MIB
    assert 21 * _MIB <= moved < 24 * _MIB
    small.write_bytes(b"no disk")
    assert await maker.made_bytes(pool, full) is None


async def test_in_another_pool_a_clone_stands_alone_since_the_image_is_not_there(
    pool: PoolDir, maker: DiskFileMaker, tmp_path: Path
) -> None:
    other = pool_at(tmp_path / "other", "other")
    await maker.make(other, Recipe("bbbb", 0, origin=await source(pool, maker)))
    disk = read_volume(other.place("bbbb"))
    assert disk is not None
    assert disk.backing == ""
    assert holds(other.place("bbbb").data, 7, 0)
    assert holds(other.place("bbbb").data, 9, 2)


async def test_a_disk_that_was_moved_stands_alone_in_its_other_pool(
    pool: PoolDir, maker: DiskFileMaker, tmp_path: Path
) -> None:
    other = pool_at(tmp_path / "other", "other")
    moved = await source(pool, maker)
    claim = copy_of(new_claim("cluster-1"), "pool", None, "")
    assert await maker.copy(moved.place, other, claim, lambda: True)
    disk = read_volume(other.place("aaaa"))
    assert disk is not None
    assert (disk.backing, disk.capacity_bytes) == ("", 100 * _MIB)
    assert holds(other.place("aaaa").data, 7, 0)
    assert holds(other.place("aaaa").data, 9, 2)
    assert LocalClaimStore().read(other.place("aaaa")) == claim


def opened(path: Path, key: str) -> str:
    return json.dumps(
        {"driver": "qcow2", "encrypt.key-secret": key, "file": {"driver": "file", "filename": str(path)}}
    )


def in_encrypted(tmp_path: Path, path: Path, key: str, act: str) -> str:
    """What qemu-io says of an act on an encrypted disk."""
    file = tmp_path / "key"
    file.write_text(key)
    secret = ["--object", f"secret,id=k,file={file}"]
    argv = ["qemu-io", *secret, "-c", act, f"json:{opened(path, 'k')}"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


async def test_what_a_guest_writes_to_an_encrypted_disk_is_not_in_its_file(
    pool: PoolDir, maker: DiskFileMaker, tmp_path: Path
) -> None:
    """On an image, and as a copy of an encrypted and of a plain volume: each opens with its own passphrase
    only, and another one is told. One test, since QEMU takes seconds for each disk that it encrypts.
    """
    marks = tmp_path / "marks"
    marks.write_bytes((_MARK * 65536)[:65536])
    mark = f"write -s {marks} 8M 64k"
    plain, first = pool.place("aaaa").data, pool.place("bbbb").data
    await maker.make(pool, Recipe("aaaa", 64 * _MIB))
    assert "wrote" in io(plain, mark)
    assert _MARK in plain.read_bytes()
    await maker.make(pool, Recipe("bbbb", 0, _BASE, passphrase=_KEY))
    assert "wrote" in in_encrypted(tmp_path, first, _KEY, mark)
    of_encrypted = origin(pool, "bbbb")
    with pytest.raises(TransientError) as caught:
        await maker.make(pool, Recipe("cccc", 0, origin=of_encrypted, passphrase="b", origin_passphrase="no"))
    assert (caught.value.reason, _KEY in str(caught.value)) == ("PassphraseWrong", False)
    await maker.make(pool, Recipe("cccc", 0, origin=of_encrypted, passphrase="b", origin_passphrase=_KEY))
    await maker.make(pool, Recipe("dddd", 0, origin=origin(pool, "aaaa"), passphrase=_KEY))
    for handle, key in (("bbbb", _KEY), ("cccc", "b"), ("dddd", _KEY)):
        data, disk = pool.place(handle).data, read_volume(pool.place(handle))
        assert disk is not None
        assert (disk.encrypted, _MARK in data.read_bytes()) == (True, False)
        assert "read 1/1" in in_encrypted(tmp_path, data, key, f"read -P {_MARK[0]} 8M 1")
    assert "read 1048576" in in_encrypted(tmp_path, pool.place("cccc").data, "b", "read -P 7 0 1M")
    await it_moves_and_opens_as_before(tmp_path, pool, maker)
    with pytest.raises(TransientError) as caught:
        await maker.grow(pool.place("bbbb"), 128 * _MIB, "wrong")
    assert caught.value.reason == "PassphraseWrong"
    await maker.grow(pool.place("bbbb"), 128 * _MIB, _KEY)
    disk = read_volume(pool.place("bbbb"))
    assert disk is not None
    assert disk.capacity_bytes == 128 * _MIB
    assert not list(pool.volumes.glob(".*"))


async def it_moves_and_opens_as_before(tmp_path: Path, pool: PoolDir, maker: DiskFileMaker) -> None:
    """Into another pool, where it stands alone and is encrypted as a whole; also tried while it is open."""
    other, claim = pool_at(tmp_path / "other", "other"), copy_of(new_claim("cluster-1"), "pool", None, "")
    place, moved = pool.place("bbbb"), other.place("bbbb")
    with pytest.raises(TransientError) as caught:
        await maker.try_passphrase(place, "wrong")
    assert (caught.value.reason, "wrong" in str(caught.value.__cause__)) == ("PassphraseWrong", False)
    with place.data.open("r+b") as file:
        # as QEMU locks what a guest has
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 101)
        await maker.try_passphrase(place, _KEY)
    with pytest.raises(TransientError) as caught:
        await maker.copy(place, other, claim, lambda: True, "wrong")
    assert (caught.value.reason, list(other.volumes.iterdir())) == ("PassphraseWrong", [])
    assert await maker.copy(place, other, claim, lambda: True, _KEY)
    disk = read_volume(moved)
    assert disk is not None
    assert (disk.encrypted, disk.backing, _MARK in moved.data.read_bytes()) == (True, "", False)
    for act in (f"read -P {_MARK[0]} 8M 1", "read -P 7 0 1M"):
        said = in_encrypted(tmp_path, moved.data, _KEY, act)
        assert ("read " in said, "verification failed" in said) == (True, False), said


async def test_volumes_are_made_from_what_a_snapshot_keeps_also_after_its_volume_is_gone(
    pool: PoolDir, maker: DiskFileMaker, tmp_path: Path
) -> None:
    made_of = await source(pool, maker)
    copy_disk(pool, made_of.place, "5555-root", lambda: True)
    publish_set(pool, "5555-root")
    pool.place("aaaa").data.unlink()
    place = place_of_disk(pool, "5555", "root", "aaaa")
    kept = read_volume(place)
    assert kept is not None
    assert kept.image_uid == "1111"
    assert volumes_based_on(pool, "1111") == [pool.snapshots / "5555-root"]
    about = (kept.capacity_bytes, kept.image_uid, kept.backing_driver, kept.encrypted)
    of_snapshot = Origin("default/first", "5555-root", place, *about)
    other = pool_at(tmp_path / "other", "other")
    for target, full in ((pool, False), (pool, True), (other, False)):
        handle = "cccc" if full else "bbbb"
        await maker.make(target, Recipe(handle, 0, full_copy=full, origin=of_snapshot))
        disk = read_volume(target.place(handle))
        assert disk is not None
        assert bool(disk.backing) == (target is pool and not full)
        assert holds(target.place(handle).data, 7, 0)
        assert holds(target.place(handle).data, 9, 2)
    assert remove_set(pool, "5555-root")
    assert not remove_set(pool, "5555-root")
    assert list(pool.snapshots.iterdir()) == []


async def test_a_disk_that_is_put_back_is_the_volume_at_once_and_encrypted_as_before(
    pool: PoolDir, maker: DiskFileMaker, tmp_path: Path
) -> None:
    await maker.make(pool, Recipe("aaaa", 0, _BASE, passphrase=_KEY))
    place, kept = pool.place("aaaa"), place_of_disk(pool, "5555", "root", "aaaa")
    assert "wrote" in in_encrypted(tmp_path, place.data, _KEY, "write -P 9 2M 1M")
    copy_disk(pool, place, "5555-root", lambda: True)
    publish_set(pool, "5555-root")
    assert "wrote" in in_encrypted(tmp_path, place.data, _KEY, "write -P 11 2M 1M")
    put_back(pool, kept, place, lambda: True)
    assert "read 1048576" in in_encrypted(tmp_path, place.data, _KEY, "read -P 11 2M 1M"), "not yet"
    switch_back(pool, place)
    for act in ("read -P 9 2M 1M", "read -P 7 0 1M"):
        said = in_encrypted(tmp_path, place.data, _KEY, act)
        assert ("read " in said, "verification failed" in said) == (True, False), said
    assert sorted(path.name for path in place.data.parent.iterdir()) == ["claim", "data"]
