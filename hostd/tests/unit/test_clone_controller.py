"""A host makes a volume from another one: through a kill in the middle, a source that starts, a deletion.
Disks and claims are real files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quantix_client.errors import ServerFault
from quantix_hostd.claims import Holder, release, take
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_lab.two_volumes import CLUSTER, TwoVolumes
from quantix_lab.waiting import eventually_async

_GOING = "2026-01-01T00:00:00Z"


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[TwoVolumes]:
    made = TwoVolumes(tmp_path)
    yield made
    for controller in made.controllers:
        await controller.stop()


async def test_a_clone_is_made_from_a_source_that_nobody_can_start_meanwhile(two: TwoVolumes) -> None:
    await two.until_copying()
    assert two.claim.holder == Holder("h1", 0)
    assert await two.reconcile("source") == "Available"
    assert two.claim.holder == Holder("h1", 0)
    assert await two.finish() == "Available"
    assert two.claim.holder is None


async def test_a_hostd_that_is_killed_while_it_copies_leaves_nothing_and_begins_anew(two: TwoVolumes) -> None:
    await two.until_copying()
    two.start()
    pool = PoolDir("local", two.path, FileOwner.current(), "h1", FileOwner.current())
    assert pool.sweep_drafts() == 1
    await two.until_copying()
    assert await two.finish() == "Available"
    assert (two.there(), two.claim.holder) == ({"uid-source", "uid-copy"}, None)


async def test_a_source_that_a_vm_has_is_waited_for_by_the_vms_name(two: TwoVolumes) -> None:
    await two.reconcile("source")
    two.machines["default/web-1"] = {
        "metadata": {"name": "web-1", "namespace": "default", "uid": "uid-of-web-1"},
        "spec": {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}},
    }
    two.move(take(two.claim, "h1", 5, "uid-of-web-1", CLUSTER))
    assert await two.reconcile("copy") == "VolumeInUse"
    said = two.volumes["default/copy"]["status"]["conditions"]
    assert any("once VM web-1 is off" in item["message"] for item in said)
    two.move(release(two.claim, "h1", 5))
    await two.until_copying()
    assert await two.finish() == "Available"


async def test_a_source_that_a_vm_of_another_host_has_is_waited_for_by_its_name_too(two: TwoVolumes) -> None:
    await two.reconcile("source")
    two.move(take(two.claim, "h2", 5, "uid-of-web-1", CLUSTER))
    two.volumes["default/source"]["status"]["attachedTo"] = [{"uid": "uid-of-web-1", "name": "web-1"}]
    assert await two.reconcile("copy") == "VolumeInUse"
    assert "once VM web-1 is off" in two.said("copy")


async def test_what_waits_for_its_source_asks_for_no_secret(two: TwoVolumes) -> None:
    await two.reconcile("source")
    key = {"encryption": {"secretRef": {"name": "k"}}}
    two.put("copy", {"source": {"volume": "source"}, "copyMode": "Full", **key})
    two.move(take(two.claim, "h1", 5, "uid-of-web-1", CLUSTER))
    assert await two.reconcile("copy") == "VolumeInUse"
    assert two.secrets.asked == []
    two.move(release(two.claim, "h1", 5))
    assert await two.reconcile("copy") == "SecretNotFound"
    assert two.secrets.asked == ["k"]


async def test_a_source_is_deleted_once_its_copy_is_made(two: TwoVolumes) -> None:
    await two.until_copying()
    two.put("source", {"size": "1Mi"}, deletionTimestamp=_GOING)
    assert await two.reconcile("source") == "InUse"
    assert await two.finish() == "Available"
    assert await two.reconcile("source") == "Deleting"
    assert two.there() == {"uid-copy"}


async def test_a_source_that_is_deleted_is_kept_for_a_clone_that_no_host_has_yet(two: TwoVolumes) -> None:
    await two.reconcile("source")
    hidden = two.volumes.pop("default/copy")
    two.api.put(hidden | {"status": {}})
    two.put("source", {"size": "1Mi"}, deletionTimestamp=_GOING)
    assert await two.reconcile("source") == "InUse"
    assert "still to be made from it is made: copy." in two.said("source")
    status = two.volumes["default/source"]["status"]
    assert (status["data"], status["phase"], status["capacity"]) == ("Present", "Available", "1Mi")
    # its VM is started
    two.volumes["default/copy"] = two.api.put(hidden)
    await two.reconcile("copy")
    assert await two.reconcile("copy") == "Copying"
    assert await two.finish() == "Available"
    assert await two.reconcile("source") == "Deleting"
    assert two.there() == {"uid-copy"}


@pytest.mark.parametrize(
    "clone", [{"metadata": {"deletionTimestamp": _GOING}}, {"status": {"data": "Present"}}]
)
async def test_a_source_goes_where_its_clone_needs_it_no_more(two: TwoVolumes, clone: dict[str, Any]) -> None:
    await two.reconcile("source")
    manifest = two.volumes["default/copy"]
    two.api.put({**manifest, **clone, "metadata": manifest["metadata"] | clone.get("metadata", {})})
    two.put("source", {"size": "1Mi"}, deletionTimestamp=_GOING)
    assert await two.reconcile("source") == "Deleting"


async def test_in_a_namespace_that_goes_nothing_is_kept(two: TwoVolumes) -> None:
    await two.reconcile("source")
    two.namespaces["default"] = {"metadata": {"name": "default", "deletionTimestamp": _GOING}}
    two.put("source", {"size": "1Mi"}, deletionTimestamp=_GOING)
    assert await two.reconcile("source") == "Deleting"


async def test_what_the_api_does_not_tell_is_waited_for(two: TwoVolumes) -> None:
    await two.reconcile("source")
    two.put("source", {"size": "1Mi"}, deletionTimestamp=_GOING)
    two.api.list_failure = ServerFault("It has lost its store.")
    assert await two.reconcile("source") == "Deleting"
    assert "did not tell yet" in two.said("source")
    assert "uid-source" in two.there()
    two.api.list_failure = None
    assert await two.reconcile("source") == "InUse"


async def test_a_clone_of_a_source_whose_data_are_gone_says_so(two: TwoVolumes) -> None:
    await two.reconcile("source")
    two.api.put({**two.volumes["default/copy"], "spec": {"size": "1Mi"}})
    two.put("source", {"size": "1Mi"}, deletionTimestamp=_GOING)
    assert await two.reconcile("source") == "Deleting"
    assert await two.reconcile("copy") == "SourceNotFound"


async def test_a_clone_that_is_deleted_while_it_is_made_gives_its_source_back(two: TwoVolumes) -> None:
    await two.until_copying()
    clone = {"source": {"volume": "source"}, "copyMode": "Full"}
    two.put("copy", clone, deletionTimestamp=_GOING)
    assert await two.reconcile("copy") == "Deleting"
    assert (two.there(), two.claim.holder) == ({"uid-source"}, None)


async def test_a_source_goes_to_another_pool_once_its_clone_is_made(two: TwoVolumes) -> None:
    await two.until_copying()
    two.want_source_in("fast")
    assert await two.reconcile("source") == "Moving"
    assert "goes to pool fast once volume copy has been made from it" in two.said("source")
    assert (two.claim.holder, two.claim.moving_to) == (Holder("h1", 0), ""), "it is left as it is"
    assert await two.finish() == "Available"
    await two.settle()
    assert two.volumes["default/source"]["status"]["pool"] == "fast"
    assert two.volumes["default/copy"]["status"]["pool"] == "local"


async def test_a_clone_is_made_once_its_source_is_in_its_pool(two: TwoVolumes) -> None:
    await two.reconcile("source")
    two.want_source_in("fast")
    assert await two.reconcile("source") == "Moving"
    await eventually_async("the move", lambda: two.qemu_img.copying == 1)
    assert await two.reconcile("copy") == "VolumeInUse"
    assert "once it is in pool fast" in two.said("copy")
    two.qemu_img.may_copy.set()
    await two.settle()
    assert two.volumes["default/source"]["status"]["pool"] == "fast"
    assert (two.fast / "volumes" / "uid-source" / "data").exists()
    assert "uid-copy" in two.there()
