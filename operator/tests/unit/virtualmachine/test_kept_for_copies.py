"""A VM whose disk is still an earlier VM's Volume, which is kept for a copy, says whom it waits for."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_api.resources import QUANTIX_RESOURCES, VIRTUAL_MACHINES, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.virtualmachine.disks import disk_wishes, volume_views
from quantix_operator.virtualmachine.volume_model import Owner, Surroundings
from quantix_operator.virtualmachine.volume_plan import plan_volumes
from quantix_operator.virtualmachine.volumes_ready import missing_fact

Manifest = dict[str, Any]


def volume(name: str, why: str = "", **parts: Any) -> Manifest:
    metadata = {"name": name, "namespace": "a", "uid": f"uid-{name}", "resourceVersion": "1"}
    ready = [{"type": "Ready", "status": "False", "reason": why, "message": "Said."}] if why else []
    status = {"conditions": ready, **parts.pop("status", {})}
    spec = {"pool": "local", "size": "1Gi", **parts.pop("spec", {})}
    return {"metadata": {**metadata, **parts}, "spec": spec, "status": status}


def copy(name: str, why: str, *, vm: str = "", source: str = "web-root", **parts: Any) -> Manifest:
    marks = {"annotations": {"quantix.io/virtual-machine": vm}} if vm else {}
    return volume(name, why, spec={"source": {"volume": source}}, **marks, **parts)


KEPT = volume(
    "web-root", "InUse", status={"host": "h1", "data": "Present"}, deletionTimestamp="2026-11-29T10:00:00Z"
)


def told(*copies: Manifest, kept: Manifest = KEPT, opened: frozenset[str] = frozenset()) -> tuple[str, str]:
    """Reason and message of VolumesReady, while the disk's Volume, most often an earlier VM's, is deleted."""
    cache = Cache(QUANTIX_RESOURCES)
    metadata = {"name": "web", "namespace": "a", "uid": "uid-new", "resourceVersion": "1"}
    cache.put(VIRTUAL_MACHINES, {"metadata": metadata, "spec": {"disks": [{"name": "root", "size": "1Gi"}]}})
    for item in (kept, *copies):
        cache.put(VOLUMES, item)
    objects = Objects(cache)
    vm = objects.list(VirtualMachine)[0]
    owner = Owner("a", "web", "uid-new")
    plan = plan_volumes(owner, disk_wishes(vm), volume_views(objects, vm), Surroundings(open_uids=opened))
    fact = missing_fact(plan.missing)
    return fact.reason, fact.message


@pytest.mark.parametrize(
    ("copies", "said"),
    [
        (
            (copy("twin-root", "WaitingForHost", vm="twin"),),
            "Volume web-root is deleted, but kept until it is copied for VM twin; then a new one is "
            "made. Try: qx vm start twin, or qx vm delete twin --volumes, after which it goes on within "
            "4 min.",
        ),
        (
            (copy("files", "WaitingForHost"), copy("zoo", "WaitingForHost", vm="zoo")),
            "Volume web-root is deleted, but kept until volume files is made from it; then a new one is "
            "made. Try: use files in a VM, or qx volume delete files, after which it goes on within 4 min.",
        ),
    ],
    ids=["of a VM", "that no VM uses"],
)
def test_whom_the_copy_waits_for_is_told(copies: tuple[Manifest, ...], said: str) -> None:
    assert told(*copies) == ("VolumeInUse", said)


@pytest.mark.parametrize(
    "copies",
    [
        (),
        (copy("twin-root", "Copying", vm="twin"),),
        (copy("twin-root", "", vm="twin"),),
        (copy("twin-root", "WaitingForHost", vm="twin", source="other"),),
        (copy("twin-root", "WaitingForHost", deletionTimestamp="2026-11-29T10:00:00Z"),),
        (copy("twin-root", "Stopped", status={"data": "Present"}),),
    ],
    ids=["no copy", "it is being made", "nobody has looked", "of another volume", "deleted", "made"],
)
def test_what_comes_about_by_itself_needs_nobody(copies: tuple[Manifest, ...]) -> None:
    reason, message = told(*copies)
    assert reason == "Creating"
    assert message.startswith("Volume web-root is still being deleted")


@pytest.mark.parametrize("copies", [(), (copy("twin-root", "WaitingForHost", vm="twin"),)])
def test_of_the_disk_of_its_guest_it_says_what_is_lost_when_the_guest_stops(
    copies: tuple[Manifest, ...],
) -> None:
    own = {**KEPT, "metadata": {**KEPT["metadata"], "labels": {"quantix.io/virtual-machine-uid": "uid-new"}}}
    assert told(*copies, kept=own, opened=frozenset({"uid-web-root"})) == (
        "VolumeInUse",
        "Volume web-root is being deleted, which cannot be undone: its data goes once the guest stops. Try: "
        "copy what is needed out of the guest before it is stopped or started again.",
    )
