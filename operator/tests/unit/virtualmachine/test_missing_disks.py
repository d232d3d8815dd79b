"""What VolumesReady says of a VM several of whose disks cannot be had."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_api.resources import IMAGES, NAMESPACES, QUANTIX_RESOURCES, STORAGE_POOLS, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.virtualmachine.disks import disk_wishes, missing_sources
from quantix_operator.virtualmachine.volume_model import Missing, Owner, Surroundings
from quantix_operator.virtualmachine.volume_plan import plan_volumes
from quantix_operator.virtualmachine.volumes_ready import missing_fact

POOL = {
    "metadata": {"name": "local", "uid": "uid-local", "resourceVersion": "1"},
    "spec": {"dir": {"path": "/srv/local"}, "default": True},
}


def conflict(disk: str) -> Missing:
    return Missing(disk, "VolumeConflict", {"volume": f"web-1-{disk}", "source": "image other"})


IN_USE = Missing("data", "VolumeInUse", {"volume": "web-1-data", "user": "web-2"})


@pytest.mark.parametrize(
    ("lacks", "reason", "told"),
    [
        ((conflict("root"), IN_USE), "VolumeConflict", ("web-1-root",)),
        ((IN_USE, conflict("data2")), "VolumeConflict", ("web-1-data2",)),
        ((conflict("root"), IN_USE, conflict("data2")), "VolumeConflict", ("web-1-root", "web-1-data2")),
        ((IN_USE, replace(IN_USE, disk="data2")), "VolumeInUse", ("web-1-data",)),
        (tuple(conflict(f"d{n}") for n in range(9)), "VolumeConflict", ("web-1-d0", "web-1-d1")),
    ],
    ids=["a wait beside", "a wait before", "both kinds", "waits alone", "more than there is room for"],
)
def test_all_disks_that_only_a_user_can_help_are_told(
    lacks: tuple[Missing, ...], reason: str, told: tuple[str, ...]
) -> None:
    fact = missing_fact(lacks)
    assert (fact.reason, len(fact.message) <= 300) == (reason, True)
    sentences, _, hint = fact.message.partition(" Try: ")
    assert re.findall(r"web-1-\w+", sentences) == list(told)
    assert hint


@pytest.mark.parametrize(
    ("reason", "data", "made"),
    [
        ("ImageRefused", "Absent", False),
        ("ChecksumMismatch", "Absent", False),
        ("ImageUnreachable", "Absent", True),
        ("ImageDownloading", "Absent", True),
        # it was kept before, and cannot be looked at now
        ("ImageRefused", "Present", True),
    ],
)
def test_nothing_is_promised_for_an_image_that_was_found_to_be_wrong(
    reason: str, data: str, made: bool
) -> None:
    cache = Cache((*QUANTIX_RESOURCES, NAMESPACES))
    told = "The file is a VMDK disk. Try: convert it."
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": told}
    image = {
        "metadata": {"name": "tiny", "namespace": "a", "uid": "uid-tiny", "resourceVersion": "1"},
        "spec": {"upload": {}},
        "status": {"host": "h1", "data": data, "conditions": [ready]},
    }
    cache.put(IMAGES, image)
    cache.put(STORAGE_POOLS, POOL)
    disks = [{"name": "root", "image": "tiny", "size": "10Gi"}]
    metadata = {"name": "web", "namespace": "a", "uid": "uid-web", "resourceVersion": "1"}
    vm = VirtualMachine.model_validate({"metadata": metadata, "spec": {"disks": disks}})
    sources = missing_sources(Objects(cache), vm)
    lack = Missing("root", reason, message=told)
    assert sources == {"root": None if made else lack}
    owner, around = Owner("a", "web", "uid-web"), Surroundings(sources, "local")
    plan = plan_volumes(owner, disk_wishes(vm), {}, around)
    assert (len(plan.actions), plan.missing) == ((1, ()) if made else (0, (lack,)))
    if not made:
        assert (missing_fact(plan.missing).reason, missing_fact(plan.missing).message) == (reason, told)


@pytest.mark.parametrize(
    ("status", "volume", "told"),
    [
        ({}, {}, {}),
        ({}, {"host": "h1"}, {"disk": "root"}),
        ({"assignment": {"host": "h1", "epoch": 1}}, None, {"disk": "root"}),
    ],
    ids=["it never ran", "a disk that was there before", "it has run"],
)
def test_only_a_vm_without_data_is_said_to_be_deleted_for_a_wrong_image(
    status: dict[str, Any], volume: dict[str, Any] | None, told: dict[str, str]
) -> None:
    cache = Cache((*QUANTIX_RESOURCES, NAMESPACES))
    metadata = {"namespace": "a", "resourceVersion": "1"}
    shared = {**metadata, "name": "debian", "namespace": "quantix-shared", "uid": "i"}
    cache.put(IMAGES, {"metadata": shared, "spec": {"upload": {}}})
    if volume is not None:
        kept = {**metadata, "name": "web-data", "uid": "v"}
        cache.put(VOLUMES, {"metadata": kept, "spec": {"size": "1Gi"}, "status": volume})
    disks = [{"name": "root", "image": "debian"}, {"name": "data", "size": "1Gi"}]
    whole = {"metadata": {**metadata, "name": "web", "uid": "u"}, "spec": {"disks": disks}, "status": status}
    vm = VirtualMachine.model_validate(whole)
    fields = {"image": "debian", "near": "shared/debian", "name": "web"}
    assert missing_sources(Objects(cache), vm)["root"] == Missing("root", "ImageNotFound", fields | told)
