"""When the copy that a volume is made by ends before it is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quantix_lab.one_volume import KEY, MIB, UID, OneVolume
from quantix_lab.waiting import eventually_async


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
