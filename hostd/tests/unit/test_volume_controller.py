"""What a host says of the volumes it acts on, and when it lets them grow. Disks and claims are real files."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api import Image
from quantix_api.conditions import reasons_otherwise
from quantix_api.errors import InvariantError, QuantixError, TransientError
from quantix_api.layout import Layout
from quantix_client.api import ApiClient
from quantix_hostd.claims import VolumePlace, release, take
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.pools import HostPools
from quantix_hostd.transfer.room import Room
from quantix_hostd.volume.controller import VolumeController, VolumeTools
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_lab.fake_status_api import FakeStatusApi
from quantix_lab.told_events import ToldEvents
from quantix_lab.waiting import eventually_async

UID = "6c1e0000-0000-4000-8000-000000000001"
KEY = "default/data"
MIB = 1 << 20


class NoCopies:
    """For volumes that are made from nothing."""

    async def ensure_copy(self, image: Image, pool: PoolDir) -> None:
        raise AssertionError(image)


class SlowQemuImg(QemuImg):
    """Begins copies that never end."""

    def __init__(self) -> None:
        super().__init__(None)
        self.copying: list[Path] = []

    async def copy(self, source: Path, source_format: str, path: Path) -> None:
        self.copying.append(path)
        try:
            await asyncio.Event().wait()
        finally:
            self.copying.remove(path)


class Departed:
    """Knows which VMs are gone from the host."""

    def __init__(self) -> None:
        self.uids: set[str] = set()

    async def is_gone(self, vm_uid: str, epoch: int) -> bool:
        return vm_uid in self.uids


class OneVolume:
    """A host `h1` with one Volume that the scheduler gave to it."""

    def __init__(self, root: Path) -> None:
        self.api = FakeStatusApi()
        self.volumes: dict[str, dict[str, Any]] = {}
        self.images: dict[str, dict[str, Any]] = {}
        self.machines: dict[str, dict[str, Any]] = {}
        self.path = root / "pool"
        pool = {"metadata": {"name": "local"}, "spec": {"dir": {"path": str(self.path)}, "default": True}}
        self.path.mkdir()
        claims = LocalClaimStore()
        self.qemu_img = SlowQemuImg()
        self.departed = Departed()
        self.woken: list[str] = []
        self.events = ToldEvents()
        self.controller = VolumeController(
            VolumeTools(
                api=cast(ApiClient, self.api),
                volumes=self.volumes,
                images=self.images,
                machines=self.machines,
                pools=HostPools({"local": pool}, {}, "h1", Layout(root), FileOwner.current()),
                copies=NoCopies(),
                maker=DiskFileMaker(self.qemu_img, claims, "cluster-1"),
                room=Room(),
                claims=claims,
                guests=self.departed,
                events=self.events,
                cluster_uid="cluster-1",
                host="h1",
            ),
            self.woken.append,
        )
        metadata = {"name": "data", "namespace": "default", "uid": UID, "generation": 1}
        self.put({"metadata": metadata, "spec": {"size": "1Mi"}, "status": {"host": "h1"}})

    @property
    def directory(self) -> Path:
        return self.path / "volumes" / UID

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.api.objects[UID]["status"]
        return status

    def put(self, manifest: dict[str, Any]) -> None:
        self.volumes[KEY] = self.api.put(manifest)

    def ask_for(self, size: str) -> None:
        volume = self.volumes[KEY]
        volume["spec"]["size"] = size
        volume["metadata"]["generation"] += 1
        self.put(volume)

    def answer(self, status: str, reason: str, message: str = "") -> None:
        """The operator says whether the pool has room for the size."""
        volume = self.volumes[KEY]
        generation = volume["metadata"]["generation"]
        said = {"type": "SizeGranted", "status": status, "reason": reason, "message": message}
        kept = [item for item in volume["status"]["conditions"] if item["type"] != "SizeGranted"]
        volume["status"]["conditions"] = [*kept, {**said, "observedGeneration": generation}]
        self.put(volume)

    async def reconcile(self) -> None:
        try:
            await self.controller.reconcile(KEY)
        finally:
            self.volumes[KEY] = self.api.objects[UID]

    def ready(self) -> dict[str, Any]:
        return next(item for item in self.status["conditions"] if item["type"] == "Ready")


@pytest.fixture
async def volume(tmp_path: Path) -> OneVolume:
    made = OneVolume(tmp_path)
    await made.reconcile()
    assert (made.ready()["reason"], made.status["capacity"]) == ("Available", "1Mi")
    return made


async def test_a_volume_grows_once_its_pool_has_promised_the_room(volume: OneVolume) -> None:
    volume.ask_for("2Mi")
    await volume.reconcile()
    assert (volume.ready()["reason"], volume.status["capacity"]) == ("Resizing", "1Mi")
    volume.answer("True", "Granted")
    assert volume.events.texts == []
    await volume.reconcile()
    assert (volume.ready()["reason"], volume.status["capacity"]) == ("Available", "2Mi")
    await volume.reconcile()
    assert volume.events.texts == ["It grew from 1Mi to 2Mi."]


async def test_a_volume_whose_pool_is_full_says_so_and_keeps_its_data(volume: OneVolume) -> None:
    volume.ask_for("2Mi")
    volume.answer("False", "PoolFull", "Pool local has 1 MiB free; 2 MiB are needed.")
    await volume.reconcile()
    assert volume.ready()["reason"] == "PoolFull"
    assert volume.ready()["message"].startswith("Pool local has 1 MiB free")
    assert (volume.status["phase"], volume.status["data"]) == ("Available", "Present")
    assert volume.status["capacity"] == "1Mi"


async def test_a_promise_of_an_earlier_size_lets_nothing_grow(volume: OneVolume) -> None:
    volume.ask_for("2Mi")
    volume.answer("True", "Granted")
    volume.ask_for("1Gi")
    await volume.reconcile()
    assert volume.status["capacity"] == "1Mi"


async def test_a_volume_replaced_by_a_link_is_reported_and_tried_again(volume: OneVolume) -> None:
    moved = volume.path / "moved"
    volume.directory.rename(moved)
    volume.directory.symlink_to(moved)
    with pytest.raises(TransientError):
        await volume.reconcile()
    assert volume.ready()["reason"] == "DataDamaged"
    assert str(volume.directory) in volume.ready()["message"]
    assert (volume.status["data"], volume.status["capacity"]) == ("Present", "1Mi")
    assert "DataDamaged" in reasons_otherwise("Volume", "Ready")


async def test_a_claim_that_a_hostd_held_when_it_died_at_its_work_is_freed(volume: OneVolume) -> None:
    store, place = LocalClaimStore(), VolumePlace(volume.path, UID)
    found = store.read(place)
    assert found is not None
    store.compare_and_set(place, found, take(found, "h1", 1, UID, "cluster-1"))
    await volume.reconcile()
    assert volume.ready()["reason"] == "Available"
    assert (freed := store.read(place)) is not None
    assert (freed.holder, freed.floor) == (None, 1)


@pytest.mark.parametrize("deleted", [False, True])
async def test_what_a_vm_left_held_that_is_gone_is_freed_and_of_another_is_waited_for(
    volume: OneVolume, deleted: bool
) -> None:
    store, place = LocalClaimStore(), VolumePlace(volume.path, UID)
    found = store.read(place)
    assert found is not None
    held = take(found, "h1", 3, "a-vm", "cluster-1")
    store.compare_and_set(place, found, held)
    if deleted:
        manifest = volume.volumes[KEY]
        manifest["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
        volume.put(manifest)
    await volume.reconcile()
    assert store.read(place) == held
    volume.departed.uids.add("a-vm")
    await volume.reconcile()
    if deleted:
        assert not place.data.parent.exists()
    else:
        assert store.read(place) == release(held, "h1", 3)


async def test_a_damaged_claim_keeps_a_deleted_volumes_data_and_says_why(volume: OneVolume) -> None:
    (volume.directory / "claim").write_text("{}")
    deleted = volume.volumes[KEY]
    deleted["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    volume.put(deleted)
    with pytest.raises(InvariantError):
        await volume.reconcile()
    assert volume.ready()["reason"] == "DataDamaged"
    assert volume.status["data"] == "Present"


async def test_a_volume_without_a_claim_is_removed_by_whoever_knows_that_nobody_has_it(
    volume: OneVolume,
) -> None:
    (volume.directory / "claim").unlink()
    deleted = volume.volumes[KEY]
    deleted["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    volume.put(deleted)
    with pytest.raises(TransientError):
        await volume.reconcile()
    assert (volume.ready()["reason"], volume.status["data"]) == ("DataDamaged", "Present")
    assert f"{volume.directory} has lost its claim" in volume.ready()["message"]
    shutil.rmtree(volume.directory)
    await volume.reconcile()
    assert volume.status["data"] == "Absent"


async def test_a_pool_that_cannot_be_read_is_reported(volume: OneVolume) -> None:
    (volume.path / "volumes").rename(volume.path / "away")
    (volume.path / "volumes").write_text("")
    with pytest.raises(QuantixError):
        await volume.reconcile()
    assert volume.ready()["reason"] in reasons_otherwise("Volume", "Ready")
    assert volume.status["data"] == "Present"


@pytest.mark.parametrize("owner", ["uid-1", "uid-of-another"])
async def test_a_host_makes_only_what_belongs_to_a_vm_of_its_own(tmp_path: Path, owner: str) -> None:
    volume = OneVolume(tmp_path)
    manifest = volume.volumes[KEY]
    manifest["status"] = {"attachedTo": [{"uid": owner, "name": "web-1"}]}
    volume.put(manifest)
    volume.machines["default/web-1"] = {
        "metadata": {"name": "web-1", "namespace": "default", "uid": "uid-1"},
        "spec": {"disks": [{"name": "data", "volume": "data"}]},
        "status": {"assignment": {"host": "h1", "epoch": 1}},
    }
    await volume.reconcile()
    assert volume.directory.exists() is (owner == "uid-1")


@pytest.mark.parametrize(
    ("reason", "phase"),
    [
        ("ImageUnreachable", "Pending"),
        ("ChecksumMismatch", "Failed"),
        ("AddressRefused", "Failed"),
        ("ImageRefused", "Failed"),
        ("WaitingForUpload", "Pending"),
        ("Verifying", "Creating"),
        ("PoolFull", "Pending"),
        ("InternalError", "Pending"),
    ],
)
async def test_a_volume_waits_for_its_image_in_the_images_words(
    tmp_path: Path, reason: str, phase: str
) -> None:
    volume = OneVolume(tmp_path)
    said = {"type": "Ready", "status": "False", "reason": reason, "message": "Its own words. Try: this."}
    volume.images["default/debian"] = {
        "metadata": {"name": "debian", "namespace": "default", "uid": "uid-debian"},
        "spec": {"upload": {}},
        "status": {"conditions": [said]},
    }
    manifest = volume.volumes[KEY]
    manifest["spec"]["source"] = {"image": "debian"}
    volume.put(manifest)
    await volume.reconcile()
    assert (volume.ready()["reason"], volume.ready()["message"]) == (reason, "Its own words. Try: this.")
    assert volume.status["phase"] == phase
    assert reason in reasons_otherwise("VirtualMachine", "VolumesReady")


async def test_a_volume_whose_image_nobody_took_up_yet_waits_for_it(tmp_path: Path) -> None:
    volume = OneVolume(tmp_path)
    metadata = {"name": "debian", "namespace": "default", "uid": "uid-debian"}
    volume.images["default/debian"] = {"metadata": metadata, "spec": {"upload": {}}, "status": {}}
    manifest = volume.volumes[KEY]
    manifest["spec"]["source"] = {"image": "debian"}
    volume.put(manifest)
    await volume.reconcile()
    assert volume.ready()["reason"] == "ImageDownloading"


@pytest.fixture
async def copied(tmp_path: Path) -> AsyncIterator[OneVolume]:
    """A volume of which a full copy is being made."""
    volume = OneVolume(tmp_path)
    (volume.path / "images").mkdir()
    (volume.path / "images" / "uid-debian").write_bytes(bytes(MIB))
    verified = {"type": "Ready", "status": "True", "reason": "Verified", "message": ""}
    volume.images["default/debian"] = {
        "metadata": {"name": "debian", "namespace": "default", "uid": "uid-debian"},
        "spec": {"upload": {}},
        "status": {"format": "Raw", "conditions": [verified]},
    }
    manifest = volume.volumes[KEY]
    manifest["spec"].update(source={"image": "debian"}, copyMode="Full")
    volume.put(manifest)
    await volume.reconcile()
    await eventually_async("the copy", lambda: len(volume.qemu_img.copying) == 1)
    assert volume.ready()["reason"] == "Copying"
    yield volume
    await volume.controller.stop()


async def test_a_copy_ends_whose_volume_is_gone_without_its_deletion_having_been_seen(
    copied: OneVolume,
) -> None:
    del copied.volumes[KEY]
    await copied.controller.reconcile(KEY)
    assert copied.qemu_img.copying == list((copied.path / "volumes").iterdir()) == []


async def test_a_copy_ends_whose_volume_was_given_to_another_host(copied: OneVolume) -> None:
    manifest = copied.volumes[KEY]
    manifest["status"]["host"] = "h2"
    copied.put(manifest)
    await copied.reconcile()
    assert copied.qemu_img.copying == list((copied.path / "volumes").iterdir()) == []


async def test_a_copy_of_a_volume_that_was_made_anew_begins_anew(copied: OneVolume) -> None:
    manifest = copied.volumes[KEY]
    manifest["metadata"] = {**manifest["metadata"], "uid": UID.replace("1", "2")}
    copied.volumes[KEY] = copied.api.put(manifest)
    await copied.controller.reconcile(KEY)
    await eventually_async("the copy", lambda: len(copied.qemu_img.copying) == 1)
    assert UID.replace("1", "2") in str(copied.qemu_img.copying[0])
