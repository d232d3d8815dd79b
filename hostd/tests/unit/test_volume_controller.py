"""What a host says of the volumes it acts on, and when it lets them grow. Disks and claims are real files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from quantix_api.conditions import reasons_otherwise
from quantix_api.errors import InvariantError, QuantixError, TransientError
from quantix_hostd.claims import VolumePlace, release, take
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.facts.copies import CopyProgress
from quantix_lab.one_volume import KEY, UID, OneVolume


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


async def test_a_volume_of_a_vm_that_libvirt_cannot_tell_of_says_so_and_serves(volume: OneVolume) -> None:
    store, place = LocalClaimStore(), VolumePlace(volume.path, UID)
    found = store.read(place)
    assert found is not None
    store.compare_and_set(place, found, take(found, "h1", 3, "a-vm", "cluster-1"))
    volume.departed.libvirt_is_away = True
    with pytest.raises(TransientError, match="libvirt does not answer"):
        await volume.reconcile()
    assert (volume.ready()["status"], volume.ready()["reason"]) == ("False", "LibvirtDown")
    assert (volume.status["phase"], volume.status["data"]) == ("Available", "Present")


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
    ("runtime", "said"),
    [
        (
            {"domain": "Present", "pendingChanges": [{"path": "spec.disks[files]", "wanted": "attached"}]},
            "It grows to 8Mi at the next start of web-1. Try: qx vm restart web-1.",
        ),
        ({"domain": "Present"}, "It grows to 8Mi once a guest of web-1 has it."),
        ({"domain": "Present", "disks": [{"name": "files", "volumeUID": "OWN"}]}, "It is there."),
        # its host is told of a VM only while it is assigned to it
        (None, "It grows to 8Mi once a guest of web-1 has it."),
    ],
)
async def test_a_volume_that_its_vm_makes_larger_says_when(
    tmp_path: Path, runtime: dict[str, Any] | None, said: str
) -> None:
    volume = OneVolume(tmp_path)
    await volume.reconcile()
    manifest = volume.volumes[KEY]
    uid = manifest["metadata"]["uid"]
    manifest["spec"]["size"] = "8Mi"
    granted = {"type": "SizeGranted", "status": "True", "reason": "Granted", "message": "It is."}
    granted["observedGeneration"] = manifest["metadata"]["generation"]
    manifest["status"]["conditions"] = [granted]
    manifest["status"]["attachedTo"] = [{"uid": "uid-1", "name": "web-1"}]
    volume.put(manifest)
    if runtime is not None:
        disks = [{**disk, "volumeUID": uid} for disk in runtime.get("disks", [])]
        volume.machines["default/web-1"] = {
            "metadata": {"name": "web-1", "namespace": "default", "uid": "uid-1"},
            "spec": {"disks": [{"name": "files", "volume": "data"}]},
            "status": {"assignment": {"host": "h1", "epoch": 1}, "runtime": runtime | {"disks": disks}},
        }
    await volume.reconcile()
    ready = volume.ready()
    assert (ready["status"], ready["reason"], ready["message"]) == ("True", "Available", said)


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


async def test_a_volume_is_made_from_an_image_only_where_its_namespace_may_use_that(tmp_path: Path) -> None:
    volume = OneVolume(tmp_path)
    volume.images["quantix-shared/windows"] = {
        "metadata": {"name": "windows", "namespace": "quantix-shared", "uid": "uid-windows"},
        "spec": {"upload": {}, "allowedNamespaces": {"licence": "windows"}},
        "status": {},
    }
    manifest = volume.volumes[KEY]
    manifest["spec"]["source"] = {"image": "shared/windows"}
    volume.put(manifest)
    await volume.reconcile()
    assert volume.ready()["reason"] == "SourceNotFound"
    volume.namespaces["default"] = {"metadata": {"name": "default", "labels": {"licence": "windows"}}}
    await volume.reconcile()
    assert volume.ready()["reason"] == "ImageDownloading"


async def test_a_volume_is_made_in_a_pool_only_where_its_namespace_may_use_that(tmp_path: Path) -> None:
    volume = OneVolume(tmp_path)
    volume.pool["spec"]["allowedNamespaces"] = {"tier": "gold"}
    await volume.reconcile()
    assert volume.ready()["reason"] == "PoolNotFound"
    assert not volume.directory.exists()
    volume.namespaces["default"] = {"metadata": {"name": "default", "labels": {"tier": "gold"}}}
    await volume.reconcile()
    assert volume.ready()["reason"] == "Available"
    volume.namespaces.clear()
    await volume.reconcile()
    assert volume.ready()["reason"] == "Available", "what is there serves on"


async def test_a_volume_says_from_where_its_image_comes_and_how_far_it_is(tmp_path: Path) -> None:
    made = OneVolume(tmp_path)
    ready = {"type": "Ready", "status": "True", "reason": "Verified"}
    status = {"host": "h2", "data": "Present", "format": "Qcow2", "virtualSize": "1Mi", "conditions": [ready]}
    image = {"name": "tiny", "namespace": "default", "uid": "uid-tiny"}
    made.images["default/tiny"] = {"metadata": image, "spec": {"upload": {}}, "status": status}
    volume = made.volumes[KEY]
    volume["spec"] = {"source": {"image": "tiny"}}
    made.put(volume)
    made.copies.came = CopyProgress(3 << 20, 12 << 20)
    await made.reconcile()
    assert (made.ready()["reason"], made.status["progress"]) == (
        "ImageDownloading",
        {"doneBytes": 3 << 20, "totalBytes": 12 << 20, "percent": 25},
    )
    assert made.ready()["message"].startswith("tiny is being copied from host h2.")
    made.copies.came = None
    await made.reconcile()
    assert "progress" not in made.status
