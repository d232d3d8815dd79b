"""Disks of volumes in a real Ceph: made whole or not at all, from nothing, images, files and other disks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from quantix_api.disk_image import ImageFacts, ImageFormat
from quantix_api.errors import PermanentError, TransientError
from quantix_hostd.claims import Claim, Holder, new_claim
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_claims import CephClaimStore
from quantix_hostd.clients.ceph_state import CephStateObjects
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.claims_by_kind import ClaimsByKind
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.rbd_import import RbdImport
from quantix_hostd.clients.rbd_snapshots import take_snapshot
from quantix_hostd.clients.sandbox import Sandbox
from quantix_hostd.clients.state_store import StateByKind, StateFiles
from quantix_hostd.image.rbd_images import RbdImages
from quantix_hostd.snapshot_place import SnapshotPlace
from quantix_hostd.transfer.received import Received
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.rbd_disk import RbdDiskMaker
from quantix_hostd.volume.rbd_export import RbdExport
from quantix_hostd.volume.recipe import Base, Origin, Recipe
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_pools import FAST, clients_of
from quantix_lab.disk_pools import IMAGES, pool_at

MIB = 1 << 20
CLUSTER = "cluster-1"
FREE = new_claim(CLUSTER)


class Fast:
    """Pool `fast` of a host, with all that makes disks in it."""

    def __init__(self, clients: CephClients, staging: PoolDir) -> None:
        self.clients, self.staging = clients, staging
        self.pool = PoolRbd("fast", "h1", clients, staging)
        self.claims = ClaimsByKind(LocalClaimStore(), CephClaimStore(clients))
        self.states = StateByKind(StateFiles(), CephStateObjects(clients))
        qemu_img = QemuImg(Sandbox(IMAGES), unlock_ms=1)
        importer = RbdImport(qemu_img, IMAGES)
        self.disks = RbdDiskMaker(importer, self.claims, self.states, CLUSTER, lambda _: self.pool)
        exports = RbdExport(lambda _: self.pool)
        self.files = DiskFileMaker(qemu_img, self.claims, CLUSTER, exports=exports, states=self.states)
        self.images = RbdImages(importer, lambda: CLUSTER)

    async def add_image(self, uid: str, pattern: int = 7) -> Base:
        """A qcow2 of 64 MiB whose first MiB holds `pattern`, received and brought into the pool."""
        file = self.staging.image(uid)
        await asyncio.to_thread(make_file, file, "qcow2", f"write -P {pattern} 0 1M")
        facts = ImageFacts(ImageFormat.QCOW2, 64 * MIB)
        await self.images.keep(self.pool, uid, Received(facts, "sha256:ab"))
        return Base(uid, "raw", 64 * MIB)

    def origin(self, handle: str) -> Origin:
        return Origin("default/data", handle, self.pool.place(handle), 64 * MIB)


@pytest.fixture(scope="module")
def clients(ceph_cluster: CephCluster) -> Iterator[CephClients]:
    found = clients_of(ceph_cluster, "h1")
    yield found
    found.close()


@pytest.fixture
def fast(clients: CephClients, tmp_path: Path) -> Fast:
    open_way(tmp_path)
    return Fast(clients, pool_at(tmp_path / "staging", "fast"))


def open_way(path: Path) -> None:
    """Who reads images passes, as below hostd's own data."""
    for directory in (path, *path.parents):
        if directory == Path(tempfile.gettempdir()):
            return
        directory.chmod(0o711)


def make_file(file: Path, image_format: str, command: str) -> None:
    """A file of 64 MiB as it lies there once it was received."""
    subprocess.run(["qemu-img", "create", "-q", "-f", image_format, file, "64M"], check=True)
    write = ["qemu-io", "-f", image_format, "-c", command, str(file)]
    subprocess.run(write, check=True, capture_output=True)
    file.chmod(0o440)
    IMAGES.files.give(file)


def images(cluster: CephCluster) -> set[str]:
    return set(cluster.rbd("ls", FAST).split())


def holds(cluster: CephCluster, handle: str, offset_bytes: int, pattern: int) -> bool:
    """Whether the 64 KiB there have this value in each byte."""
    name = f"rbd:{FAST}/{handle}:conf={cluster.config}"
    command = ["qemu-io", "-r", "-f", "raw", "-c", f"read -P {pattern} {offset_bytes} 64k", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "read 65536/65536" in done.stdout, done.stdout + done.stderr
    return "verification failed" not in done.stdout


def write(cluster: CephCluster, handle: str, offset_bytes: int, pattern: int) -> None:
    name = f"rbd:{FAST}/{handle}:conf={cluster.config}"
    command = ["qemu-io", "-f", "raw", "-c", f"write -P {pattern} {offset_bytes} 64k", name]
    subprocess.run(command, capture_output=True, check=True, timeout=60)


async def test_a_blank_volume_has_its_size_a_free_claim_and_the_marks_of_its_owner(
    fast: Fast, ceph_cluster: CephCluster
) -> None:
    handle = str(uuid4())

    assert await fast.disks.make(fast.pool, Recipe(handle, 100 * MIB))

    found = fast.disks.read(fast.pool.place(handle))
    assert found is not None
    assert found.capacity_bytes == 100 * MIB
    assert fast.claims.read(fast.pool.place(handle)) == FREE
    marks = json.loads(ceph_cluster.rbd("image-meta", "ls", f"{FAST}/{handle}", "--format", "json"))
    assert marks == {"quantix.owner": handle, "quantix.cluster": CLUSTER}
    assert holds(ceph_cluster, handle, 0, 0)


async def test_a_volume_of_an_image_is_a_clone_within_a_second_and_as_large_as_asked(
    fast: Fast, ceph_cluster: CephCluster
) -> None:
    image, handle = str(uuid4()), str(uuid4())
    base = await fast.add_image(image)
    began = time.monotonic()

    assert await fast.disks.make(fast.pool, Recipe(handle, 128 * MIB, base))

    took_s = time.monotonic() - began
    found = fast.disks.read(fast.pool.place(handle))
    assert found is not None
    assert found.capacity_bytes == 128 * MIB
    assert holds(ceph_cluster, handle, 0, 7)
    parent = json.loads(ceph_cluster.rbd("info", f"{FAST}/{handle}", "--format", "json"))["parent"]
    assert (parent["image"], parent["snapshot"]) == (f"image.{image}", "base")
    assert took_s < 3, f"{took_s:.2f} s, on a machine that others share"
    assert not list(fast.staging.images.iterdir()), "the file goes once the image is in the pool"


async def test_an_image_stays_while_a_volume_is_its_clone(fast: Fast) -> None:
    image, handle = str(uuid4()), str(uuid4())
    base = await fast.add_image(image)
    await fast.disks.make(fast.pool, Recipe(handle, 0, base))

    assert [str(path) for path in fast.pool.volumes_based_on(image)] == [f"fast/{handle}"]
    with pytest.raises(TransientError) as used:
        fast.pool.remove_image(image)
    assert used.value.reason == "VolumeInUse"
    fast.pool.remove_volume(handle)
    assert fast.pool.remove_image(image)
    assert not fast.pool.has_image(image)


async def test_what_was_found_of_an_images_file_is_known_from_the_pool(fast: Fast) -> None:
    image = str(uuid4())
    await fast.add_image(image)
    assert fast.pool.received_as(image) == {
        "format": "Qcow2",
        "size": str(64 * MIB),
        "checksum": "sha256:ab",
        **{"quantix.owner": image, "quantix.cluster": CLUSTER},
    }
    assert fast.pool.image_bytes(image) == 64 * MIB


async def test_a_full_copy_of_an_image_stands_alone(fast: Fast, ceph_cluster: CephCluster) -> None:
    image, handle = str(uuid4()), str(uuid4())
    base = await fast.add_image(image)

    assert await fast.disks.make(fast.pool, Recipe(handle, 0, base, full_copy=True))

    assert fast.pool.volumes_based_on(image) == []
    assert fast.pool.remove_image(image)
    assert holds(ceph_cluster, handle, 0, 7)


async def test_a_copy_of_a_volume_stands_alone_and_leaves_it_as_it_was(
    fast: Fast, ceph_cluster: CephCluster
) -> None:
    first, second = str(uuid4()), str(uuid4())
    await fast.disks.make(fast.pool, Recipe(first, 64 * MIB))
    write(ceph_cluster, first, 0, 9)

    assert await fast.disks.make(fast.pool, Recipe(second, 0, origin=fast.origin(first)))

    write(ceph_cluster, first, 0, 10)
    assert holds(ceph_cluster, second, 0, 9)
    assert ceph_cluster.rbd("snap", "ls", f"{FAST}/{first}") == ""
    assert fast.pool.remove_volume(first)


async def test_a_volume_of_a_file_that_was_sent_holds_what_that_did(
    fast: Fast, ceph_cluster: CephCluster
) -> None:
    handle = str(uuid4())
    sent = fast.staging.image(handle)
    await asyncio.to_thread(make_file, sent, "raw", "write -P 3 1M 64k")

    assert await fast.disks.make(fast.pool, Recipe(handle, 0, Base(handle, "raw", 64 * MIB), full_copy=True))

    assert holds(ceph_cluster, handle, MIB, 3)


async def test_a_disk_comes_from_a_directory_and_goes_back(
    fast: Fast, pool: PoolDir, ceph_cluster: CephCluster
) -> None:
    handle = str(uuid4())
    open_way(pool.path)
    await fast.files.make(pool, Recipe(handle, 64 * MIB, Base("1111", "qcow2", 64 * MIB)))
    held = Claim(0, Holder("h1", 1), handle, CLUSTER, partial=True)
    fast.states.write(pool.place(handle), b"what the firmware remembers")

    assert await fast.disks.copy(pool.place(handle), fast.pool, held, lambda: True)

    assert holds(ceph_cluster, handle, 0, 7)
    assert fast.claims.read(fast.pool.place(handle)) == held
    assert fast.states.read(fast.pool.place(handle)) == b"what the firmware remembers"
    assert await fast.files.copy(fast.pool.place(handle), pool, held, lambda: True)
    found = fast.files.read(pool.place(handle))
    assert found is not None
    assert (found.capacity_bytes, found.backing) == (64 * MIB, "")
    assert fast.states.read(pool.place(handle)) == b"what the firmware remembers"
    read = ["qemu-io", "-r", "-f", "qcow2", "-c", "read -P 7 0 1M", str(pool.place(handle).data)]
    said = await asyncio.to_thread(lambda: subprocess.check_output(read, text=True))
    assert "verification failed" not in said


async def test_a_volume_in_a_directory_is_made_of_a_snapshot_in_ceph(
    fast: Fast, pool: PoolDir, ceph_cluster: CephCluster
) -> None:
    source, handle, snapshot = str(uuid4()), str(uuid4()), str(uuid4())
    open_way(pool.path)
    await fast.disks.make(fast.pool, Recipe(source, 64 * MIB))
    await asyncio.to_thread(write, ceph_cluster, source, 0, 5)
    await asyncio.to_thread(take_snapshot, fast.pool, source, snapshot)
    await asyncio.to_thread(write, ceph_cluster, source, 0, 6)
    kept = Origin("default/data", source, SnapshotPlace(fast.pool.key, source, snapshot), 64 * MIB)
    recipe = Recipe(handle, 96 * MIB, origin=kept)

    assert await fast.files.made_bytes(pool, recipe) is None
    assert await fast.files.make(pool, recipe)

    found = fast.files.read(pool.place(handle))
    assert found is not None
    assert (found.capacity_bytes, found.backing) == (96 * MIB, "")
    read = ["qemu-io", "-r", "-f", "qcow2", "-c", "read -P 5 0 64k", str(pool.place(handle).data)]
    said = await asyncio.to_thread(lambda: subprocess.check_output(read, text=True))
    assert "verification failed" not in said


async def test_a_disk_grows_and_never_shrinks(fast: Fast) -> None:
    handle = str(uuid4())
    await fast.disks.make(fast.pool, Recipe(handle, 64 * MIB))
    place = fast.pool.place(handle)

    await fast.disks.grow(place, 96 * MIB)
    await fast.disks.grow(place, 32 * MIB)

    found = fast.disks.read(place)
    assert found is not None
    assert found.capacity_bytes == 96 * MIB


async def test_a_volume_goes_with_its_claim_its_state_and_its_data(
    fast: Fast, ceph_cluster: CephCluster
) -> None:
    handle = str(uuid4())
    await fast.disks.make(fast.pool, Recipe(handle, 64 * MIB))
    place = fast.pool.place(handle)
    fast.states.write(place, b"what the firmware remembers")
    assert fast.states.read(place) == b"what the firmware remembers"

    assert fast.disks.remove(fast.pool, handle)

    assert not fast.pool.has_any_of(handle)
    assert handle not in images(ceph_cluster)
    assert handle not in ceph_cluster.run("rados", "-p", FAST, "ls")
    assert not fast.disks.remove(fast.pool, handle)


async def test_a_volume_that_somebody_has_open_is_not_removed(fast: Fast, ceph_cluster: CephCluster) -> None:
    handle = str(uuid4())
    await fast.disks.make(fast.pool, Recipe(handle, 64 * MIB))
    with fast.pool.editing(handle), pytest.raises(TransientError) as used:
        fast.disks.remove(fast.pool, handle)
    assert used.value.reason == "VolumeInUse"
    assert handle in images(ceph_cluster)


async def test_one_that_is_not_wanted_any_more_becomes_no_volume(
    fast: Fast, ceph_cluster: CephCluster
) -> None:
    handle = str(uuid4())

    assert not await fast.disks.make(fast.pool, Recipe(handle, MIB), lambda: False)

    assert not fast.pool.has_any_of(handle)
    assert not {name for name in images(ceph_cluster) if handle in name}


async def test_what_an_earlier_run_left_half_made_goes_and_its_claim_is_gone_on_with(
    fast: Fast, ceph_cluster: CephCluster
) -> None:
    handle = str(uuid4())
    ceph_cluster.rbd("create", "--size", "16M", f"{FAST}/new.h1.{handle}")
    ceph_cluster.rbd("create", "--size", "16M", f"{FAST}/new.h2.{handle}")
    # that run ended between the claim and the name
    fast.claims.create(fast.pool.place(handle), FREE)

    assert fast.pool.sweep_drafts() == 1
    assert await fast.disks.make(fast.pool, Recipe(handle, 32 * MIB))

    assert fast.claims.read(fast.pool.place(handle)) == FREE
    assert {name for name in images(ceph_cluster) if handle in name} == {handle, f"new.h2.{handle}"}


async def test_of_two_hosts_that_make_one_volume_one_does(fast: Fast, clients: CephClients) -> None:
    handle = str(uuid4())
    other = PoolRbd("fast", "h2", clients, fast.staging)

    made = await asyncio.gather(
        fast.disks.make(fast.pool, Recipe(handle, 32 * MIB)),
        fast.disks.make(other, Recipe(handle, 32 * MIB)),
        return_exceptions=True,
    )

    assert any(found is True for found in made)
    assert all(found is True or isinstance(found, TransientError) for found in made), made
    assert fast.claims.read(fast.pool.place(handle)) == FREE


async def test_an_encrypted_volume_is_refused(fast: Fast) -> None:
    with pytest.raises(PermanentError) as refused:
        await fast.disks.make(fast.pool, Recipe(str(uuid4()), MIB, passphrase="secret"))
    assert str(refused.value) == (
        "Pool fast is in Ceph, where volumes cannot be encrypted yet. "
        "Try: leave out spec.encryption, or name a pool with spec.dir."
    )


def test_a_pool_tells_how_much_room_it_has(fast: Fast, ceph_cluster: CephCluster) -> None:
    ceph_cluster.await_capacity()
    space = fast.pool.space()
    assert 10 << 30 < space.available_bytes <= space.capacity_bytes < 20 << 30
    assert fast.pool.health() == ""
