"""What is in a namespace that is deleted says whether it keeps that from it, or goes with it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from quantix_api import Image, VirtualMachine, Volume
from quantix_api.resources import (
    IMAGES,
    LABEL_VIRTUAL_MACHINE_UID,
    NAMESPACES,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_operator.cache import Cache
from quantix_operator.image.controller import ImageController, _status
from quantix_operator.image.plan import Observed as SeenImage
from quantix_operator.image.plan import plan_image
from quantix_operator.objects import Objects
from quantix_operator.service import WATCHED
from quantix_operator.status_writer import StatusWriter
from quantix_operator.staying import Protectable, staying_fact, unsay
from quantix_operator.virtualmachine.controller import VirtualMachineController
from quantix_operator.volume.controller import VolumeController
from quantix_operator.volume.observe import observe as observe_volume
from quantix_operator.volume.plan import plan_volume

from .virtualmachine.seen_vm import RUNNING, conditions, observed, said

GOING = {"deletionTimestamp": "2026-11-29T10:00:00Z"}
OF_A_VM = {"labels": {LABEL_VIRTUAL_MACHINE_UID: "uid-vm"}}
PROTECTED = {"deletionProtection": True}
KINDS = {VirtualMachine: VIRTUAL_MACHINES, Volume: VOLUMES, Image: IMAGES}
WATCHES = {
    VIRTUAL_MACHINES: VirtualMachineController.watches,
    VOLUMES: VolumeController.watches,
    IMAGES: ImageController.watches,
}


class Writer:
    """Owns a status, and notes what is written."""

    def __init__(self, status: dict[str, Any]) -> None:
        self.status = status
        self.written: list[dict[str, Any]] = []

    def owned(self, _live: dict[str, Any]) -> dict[str, Any]:
        return self.status

    async def write(self, *given: Any, on_version: bool, leave_ready: bool) -> bool:
        assert on_version
        assert leave_ready
        self.status = given[-1]
        self.written.append(self.status)
        return True


def world(resource: Resource, namespace: dict[str, str], spec: dict[str, Any], **marks: Any) -> Cache:
    cache = Cache(WATCHED)
    cache.put(NAMESPACES, team(namespace))
    about = {"name": "web", "namespace": "team", "uid": "uid-web", "resourceVersion": "2", "generation": 1}
    url = {"url": "https://example.org/web"} if resource == IMAGES else {}
    resolved = {"status": {"resolved": {"uuid": "u", "cores": 1}}} if resource == VIRTUAL_MACHINES else {}
    cache.put(resource, {"metadata": about | marks, "spec": url | spec, **resolved})
    return cache


def team(marks: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": "team", "uid": "uid-team", "resourceVersion": "1", **marks}}


@pytest.mark.parametrize(("kind", "noun"), [(VirtualMachine, "vm"), (Volume, "volume"), (Image, "image")])
def test_what_is_protected_tells_of_its_namespace(kind: type[Protectable], noun: str) -> None:
    objects = Objects(world(KINDS[kind], GOING, PROTECTED))
    told = staying_fact(objects, objects.list(kind)[0])
    assert told is not None
    assert (told.type, told.status, told.reason) == ("NamespaceKept", "False", "NamespaceDeleting")
    assert "Namespace team is being deleted" in told.message
    assert f"qx {noun} set web -n team --no-protect" in told.message


@pytest.mark.parametrize(("kind", "noun"), [(VirtualMachine, "vm"), (Volume, "volume"), (Image, "image")])
def test_what_is_not_protected_tells_that_it_goes(kind: type[Protectable], noun: str) -> None:
    objects = Objects(world(KINDS[kind], GOING, {}))
    told = staying_fact(objects, objects.list(kind)[0])
    assert told is not None
    assert (told.type, told.status, told.reason) == ("NamespaceKept", "False", "GoesWithNamespace")
    assert "Namespace team is being deleted, which nothing calls back; web goes with it" in told.message
    assert f"qx {noun} set web -n team --protect" in told.message


@pytest.mark.parametrize(
    ("namespace", "spec", "marks"),
    [({}, PROTECTED, {}), ({}, {}, {}), (GOING, PROTECTED, GOING), (GOING, {}, GOING), (GOING, {}, OF_A_VM)],
    ids=["nothing goes", "nor this", "it goes itself", "and so does this", "its VM tells of it"],
)
def test_nothing_else_tells_of_it(
    namespace: dict[str, str], spec: dict[str, Any], marks: dict[str, Any]
) -> None:
    objects = Objects(world(VOLUMES, namespace, spec, **marks))
    assert staying_fact(objects, objects.list(Volume)[0]) is None


@pytest.mark.parametrize("resource", WATCHES, ids=lambda resource: resource.plural)
def test_the_end_of_a_namespace_wakes_once_what_is_in_it(resource: Resource) -> None:
    wakes = WATCHES[resource][NAMESPACES]
    protected, other, leaving = (
        world(resource, {}, PROTECTED),
        world(resource, {}, {}),
        world(resource, {}, {}, **GOING),
    )
    assert list(wakes(team(GOING), protected)) == list(wakes(team(GOING), other)) == ["team/web"]
    assert list(wakes(team({}), protected)) == list(wakes(team(GOING), leaving)) == []
    [live] = protected.list(resource)
    said = {
        "status": {**live.get("status", {}), "conditions": [{"type": "NamespaceKept", "status": "False"}]}
    }
    protected.put(resource, {**live, **said, "metadata": {**live["metadata"], "resourceVersion": "3"}})
    assert list(wakes(team(GOING), protected)) == []


async def test_what_goes_itself_takes_it_back_and_nothing_else() -> None:
    cache = world(VIRTUAL_MACHINES, GOING, PROTECTED, **GOING)
    [live] = cache.list(VIRTUAL_MACHINES)
    kept, network = ({"type": kind, "status": "False", "reason": kind} for kind in ("NamespaceKept", "Other"))
    handed_over = {"type": "Ready", "observedGeneration": 1}
    status = {"phase": "Running", "resolved": {"uuid": "u"}, "conditions": [handed_over, kept, network]}
    writer = Writer(status)
    await unsay(cast("StatusWriter", writer), VIRTUAL_MACHINES, live)
    assert writer.written == [{"resolved": {"uuid": "u"}, "conditions": [network]}]
    await unsay(cast("StatusWriter", writer), VIRTUAL_MACHINES, live)
    assert len(writer.written) == 1


def test_a_vm_says_it_beside_what_it_says_else() -> None:
    objects = Objects(world(VIRTUAL_MACHINES, GOING, PROTECTED))
    told = staying_fact(objects, objects.list(VirtualMachine)[0])
    assert conditions(said(observed(RUNNING, staying=told)))["NamespaceKept"] == (
        "False",
        "NamespaceDeleting",
    )
    assert "NamespaceKept" not in conditions(said(observed(RUNNING)))


def test_a_volume_and_an_image_say_it_though_hosts_say_the_rest() -> None:
    objects = Objects(world(VOLUMES, GOING, PROTECTED))
    told = plan_volume(observe_volume(objects, objects.list(Volume)[0])).staying
    assert told is not None
    cache = world(IMAGES, GOING, PROTECTED)
    image = Objects(cache).list(Image)[0]
    live = cache.get(IMAGES, "team/web")
    assert live is not None
    seen = SeenImage(image, pool="local", place="h1", staying=staying_fact(Objects(cache), image))
    status = _status(plan_image(seen), live)
    assert [item["type"] for item in status["conditions"]] == ["NamespaceKept"]
    assert "phase" not in status
