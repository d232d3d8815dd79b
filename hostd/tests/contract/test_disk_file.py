"""Disk files of volumes with the real qemu-img and real claims, on ext4-like and on reflinking file
systems.
"""

from __future__ import annotations

import asyncio
import grp
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from quantix_api import Volume
from quantix_api.errors import InvariantError, PermanentError, TransientError
from quantix_hostd.claims import VolumePlace, new_claim
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.transfer.room import Room
from quantix_hostd.volume.based_on import volumes_based_on
from quantix_hostd.volume.copying import Copying
from quantix_hostd.volume.disk_draft import remove_volume
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.disk_header import read_disk_file, read_volume
from quantix_hostd.volume.recipe import Base, Recipe
from quantix_hostd.volume.storage import StorageByKind
from quantix_lab.disk_pools import IMAGES, QEMU, pool_with_image
from quantix_lab.hostile_images import bomb
from quantix_lab.lent_volumes import lending_at
from quantix_lab.qcow2_file import CLUSTER
from quantix_lab.waiting import eventually_async

_MIB, _GIB = 1 << 20, 1 << 30
_BASE = Base("1111", "qcow2", 64 * _MIB)


async def test_volumes_of_an_older_version_get_qemus_group_and_once(
    pool: PoolDir, maker: DiskFileMaker
) -> None:
    await maker.make(pool, Recipe("v1", 64 * _MIB, _BASE))
    kvm = grp.getgrnam("kvm").gr_gid
    older = [pool.volume("v1"), pool.place("v1").data, pool.image("1111")]
    for path in older:
        os.chown(path, 0, kvm)
    elsewhere = pool.path.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "data").write_text("")
    (pool.volumes / "link").symlink_to(elsewhere)
    claim_mode = (pool.volume("v1") / "claim").stat().st_mode

    assert pool.correct_owners() == 3
    groups = [QEMU.gid, QEMU.gid, IMAGES.gid]
    assert [(path.stat().st_uid, path.stat().st_gid) for path in older] == [(0, gid) for gid in groups]
    assert pool.place("v1").data.stat().st_mode & 0o777 == 0o660
    assert (pool.volume("v1") / "claim").stat().st_mode == claim_mode
    assert {path.stat().st_gid for path in (elsewhere, elsewhere / "data")} == {0}
    assert pool.correct_owners() == 0


async def test_qemu_reaches_its_disk_and_image_and_others_do_not(
    tmp_path: Path, maker: DiskFileMaker
) -> None:
    former = os.umask(0o077)
    try:
        pool = pool_with_image(tmp_path / "data/pools/local")
        pool.correct_owners()
        await maker.make(pool, Recipe("v1", 64 * _MIB, _BASE))
    finally:
        os.umask(former)
    pool.image("1111").chmod(0o440)
    # as libvirt does it: with all groups that the user is in
    as_qemu = [f"--reuid={QEMU.uid}", f"--regid={QEMU.gid}", "--init-groups"]
    as_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"]
    opened = ["qemu-io", "-f", "qcow2", "-c", "read 0 1M", "volumes/v1/data"]
    for user, works in ((as_qemu, True), (as_nobody, False)):
        done = run_in(pool.path, "setpriv", *user, *opened)
        assert ("read 1048576/1048576" in done.stdout) is works, done


def run_in(directory: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False)


def qemu_info(path: Path) -> dict[str, object]:
    out = subprocess.run(
        ["qemu-img", "info", "-f", "qcow2", "--output=json", path], check=True, capture_output=True
    )
    return dict(json.loads(out.stdout))


def holds_the_mark(path: Path) -> bool:
    out = subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", "read -P 7 0 1M", path], check=True, capture_output=True, text=True
    )
    return "verification failed" not in out.stdout


async def test_a_blank_volume_is_thin_owned_by_qemus_group_and_free(
    pool: PoolDir, maker: DiskFileMaker
) -> None:
    await maker.make(pool, Recipe("aaaa", 10 << 30))
    data = pool.place("aaaa").data
    assert qemu_info(data)["virtual-size"] == 10 << 30
    assert (data.stat().st_mode & 0o777, data.stat().st_gid) == (0o660, pool.owner.gid)
    assert pool.volume("aaaa").stat().st_gid == pool.owner.gid
    assert LocalClaimStore().read(VolumePlace(pool.path, "aaaa")) == new_claim("cluster-1")
    assert [entry.name for entry in pool.volumes.iterdir()] == ["aaaa"]


async def test_a_linked_volume_names_its_image_relative_to_the_pool(
    pool: PoolDir, maker: DiskFileMaker
) -> None:
    await maker.make(pool, Recipe("aaaa", 100 * _MIB, _BASE))
    info = qemu_info(pool.place("aaaa").data)
    assert info["virtual-size"] == 100 * _MIB
    assert (info["backing-filename"], info["backing-filename-format"]) == ("../../images/1111", "qcow2")
    assert holds_the_mark(pool.place("aaaa").data)


async def test_a_volume_smaller_than_its_image_gets_the_images_size(
    pool: PoolDir, maker: DiskFileMaker
) -> None:
    await maker.make(pool, Recipe("aaaa", _MIB, _BASE))
    assert qemu_info(pool.place("aaaa").data)["virtual-size"] == 64 * _MIB


async def test_a_full_copy_stands_alone(pool: PoolDir, maker: DiskFileMaker) -> None:
    await maker.make(pool, Recipe("aaaa", 100 * _MIB, _BASE, full_copy=True))
    pool.image("1111").unlink()
    info = qemu_info(pool.place("aaaa").data)
    assert "backing-filename" not in info
    assert info["virtual-size"] == 100 * _MIB
    assert holds_the_mark(pool.place("aaaa").data)


async def test_a_full_copy_shares_blocks_where_the_file_system_can(
    xfs_pool: PoolDir, maker: DiskFileMaker
) -> None:
    before = xfs_pool.space().available_bytes
    await maker.make(xfs_pool, Recipe("aaaa", 0, _BASE, full_copy=True))
    assert before - xfs_pool.space().available_bytes < _MIB
    assert holds_the_mark(xfs_pool.place("aaaa").data)


async def test_making_again_leaves_what_is_there(pool: PoolDir, maker: DiskFileMaker) -> None:
    await maker.make(pool, Recipe("aaaa", 0, _BASE))
    inode = pool.place("aaaa").data.stat().st_ino
    await maker.make(pool, Recipe("aaaa", 1 << 30))
    assert pool.place("aaaa").data.stat().st_ino == inode


async def test_a_volume_that_cannot_be_filled_leaves_nothing(pool: PoolDir, maker: DiskFileMaker) -> None:
    with pytest.raises(TransientError):
        await maker.make(pool, Recipe("aaaa", 0, Base("2222", "qcow2", _MIB)))
    assert list(pool.volumes.iterdir()) == []


@pytest.mark.parametrize("turns", range(6))
async def test_one_that_is_given_up_as_it_begins_leaves_nothing(
    pool: PoolDir, maker: DiskFileMaker, turns: int
) -> None:
    making = asyncio.create_task(maker.make(pool, Recipe("v", _MIB), lambda: True))
    for _ in range(turns):
        await asyncio.sleep(0)
    making.cancel()
    await asyncio.wait({making})
    await asyncio.sleep(0.1)
    assert list(pool.volumes.iterdir()) == []


async def test_growing_only_grows(pool: PoolDir, maker: DiskFileMaker) -> None:
    await maker.make(pool, Recipe("aaaa", 100 * _MIB, _BASE))
    place = pool.place("aaaa")
    await maker.grow(place, 200 * _MIB)
    await maker.grow(place, 50 * _MIB)
    found = read_volume(place)
    assert found is not None
    assert (found.capacity_bytes, found.backing) == (200 * _MIB, "../../images/1111")


async def test_a_removed_volume_is_gone_with_its_claim(pool: PoolDir, maker: DiskFileMaker) -> None:
    await maker.make(pool, Recipe("aaaa", _MIB))
    assert remove_volume(pool, "aaaa") is True
    assert list(pool.volumes.iterdir()) == []
    assert remove_volume(pool, "aaaa") is False


async def test_two_namespaces_with_images_out_of_proportion_keep_a_third_waiting_for_seconds_only(
    pool: PoolDir, maker: DiskFileMaker, tmp_path: Path
) -> None:
    bombs = [pool.image(f"{number}{number}") for number in (2, 3)]
    for path in bombs:
        path.write_bytes(bomb(_GIB // CLUSTER))
        IMAGES.files.give(path)
    pool.image("1111").chmod(0o440)
    IMAGES.files.give(pool.image("1111"))
    ended: list[str] = []
    lending = lending_at(tmp_path, LocalClaimStore(), ended.append)
    copying = Copying(StorageByKind(maker), Room(), lending, ended.append)
    bases = {"a": Base("22", "qcow2", _GIB), "b": Base("33", "qcow2", _GIB), "c": _BASE}
    volumes = {namespace: volume_in(namespace) for namespace in bases}
    for namespace, base in bases.items():
        recipe = Recipe(f"v-{namespace}", 0, base, full_copy=True)
        copying.begin(pool, volumes[namespace], recipe, lambda: True)
    await eventually_async("the end of all three", lambda: len(ended) == 3, 40)
    for namespace in ("a", "b"):
        seen = copying.seen(volumes[namespace])
        assert seen is not None
        assert isinstance(seen.error, PermanentError)
        assert seen.error.reason == "ImageRefused"
        assert "unpacks to more than 71 MiB, out of all proportion" in seen.error.message
    assert [entry.name for entry in pool.volumes.iterdir()] == ["v-c"]
    await copying.stop()


def volume_in(namespace: str) -> Volume:
    about = {"name": "disk", "namespace": namespace, "uid": f"uid-{namespace}", "generation": 1}
    return Volume.model_validate({"metadata": about, "spec": {"size": "1Gi"}})


def test_a_file_that_is_no_disk_any_more_is_reported(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"\0" * 4096)
    with pytest.raises(InvariantError, match="no qcow2"):
        read_disk_file(tmp_path, "data")
    assert read_disk_file(tmp_path, "absent") is None


@pytest.mark.parametrize("full_copy", [False, True])
async def test_no_link_or_pipe_is_followed_to_an_image(
    pool: PoolDir, maker: DiskFileMaker, tmp_path: Path, full_copy: bool
) -> None:
    image = pool.image("1111")
    image.rename(tmp_path / "elsewhere")
    recipe = Recipe("aaaa", 0, _BASE, full_copy=full_copy)
    poses: list[Callable[[], None]] = [
        lambda: image.symlink_to(tmp_path / "elsewhere"),
        lambda: os.mkfifo(image),
    ]
    for pose in poses:
        pose()
        with pytest.raises(TransientError) as refused:
            await maker.make(pool, recipe)
        assert refused.value.reason == "DataDamaged"
        image.unlink()
    assert list(pool.volumes.iterdir()) == []


async def test_no_link_is_followed_to_a_disk(pool: PoolDir, maker: DiskFileMaker, tmp_path: Path) -> None:
    await maker.make(pool, Recipe("aaaa", _MIB))
    elsewhere = tmp_path / "elsewhere"
    pool.volume("aaaa").rename(elsewhere)
    pool.volume("aaaa").symlink_to(elsewhere)
    for touch in (lambda: read_volume(pool.place("aaaa")), lambda: volumes_based_on(pool, "1111")):
        with pytest.raises(TransientError) as refused:
            touch()
        assert refused.value.reason == "DataDamaged"
    with pytest.raises(TransientError, match="is not as Quantix left it"):
        await maker.grow(pool.place("aaaa"), 2 * _MIB)
    assert qemu_info(elsewhere / "data")["virtual-size"] == _MIB


def test_a_handle_never_leaves_the_pool(pool: PoolDir) -> None:
    for handle in ("../x", ".aaaa.h1.new", "", "a/b"):
        with pytest.raises(InvariantError):
            pool.volume(handle)
