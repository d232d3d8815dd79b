"""Whether a Volume waits because no host takes its VM, and which news of a VM its Volumes hear."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    LABEL_VIRTUAL_MACHINE_UID,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.service import WATCHED
from quantix_operator.volume.controller import VolumeController
from quantix_operator.volume.observe import observe

REFUSED = {"type": "Scheduled", "status": "False", "reason": "NoHostFits", "message": "No host fits."}

# what is said while no host was looked for yet
AFTER_ANOTHER = {**REFUSED, "status": "Unknown", "reason": "WaitingForDependency", "message": "db first."}


@pytest.mark.parametrize(
    ("spec", "status", "stranded", "off"),
    [
        ({}, {"conditions": [REFUSED]}, "web-1", ""),
        ({}, {"conditions": [REFUSED], "assignment": {"epoch": 2}}, "web-1", ""),
        ({}, {"conditions": [AFTER_ANOTHER]}, "web-1", ""),
        ({}, {"conditions": [{**REFUSED, "status": "True", "reason": "Assigned"}]}, "", ""),
        ({}, {"conditions": [REFUSED], "assignment": {"epoch": 1, "host": "h1"}}, "", ""),
        ({"powerState": "Stopped"}, {"conditions": [{**REFUSED, "reason": "NotWanted"}]}, "", "web-1"),
        ({"powerState": "Stopped"}, {"assignment": {"epoch": 1, "host": "h1"}}, "", ""),
        ({}, {}, "", ""),
    ],
)
def test_a_volume_of_a_vm_that_no_host_takes_waits_for_that(
    spec: dict[str, Any], status: dict[str, Any], stranded: str, off: str
) -> None:
    cache = Cache(WATCHED)
    vm = {"metadata": {"name": "web-1", "namespace": "default", "uid": "uid-vm", "resourceVersion": "1"}}
    cache.put(VIRTUAL_MACHINES, {**vm, "spec": spec, "status": status})
    made_for = {
        "labels": {LABEL_VIRTUAL_MACHINE_UID: "uid-vm"},
        "annotations": {ANNOTATION_VIRTUAL_MACHINE: "web-1"},
    }
    metadata = {
        "name": "web-1-root",
        "namespace": "default",
        "uid": "uid-v",
        "resourceVersion": "2",
        **made_for,
    }
    cache.put(VOLUMES, {"metadata": metadata, "spec": {"size": "1Gi"}})
    volume = Objects(cache).get(Volume, "default/web-1-root")
    assert volume is not None
    seen = observe(Objects(cache), volume)
    assert (seen.stranded, seen.off) == (stranded, off)


def volume(name: str, host: str = "") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {}, "status": {"host": host} if host else {}}


@pytest.mark.parametrize(
    ("spec", "status", "heard"),
    [
        ({"disks": [{"name": "data", "volume": "safe"}]}, {}, {"safe"}),
        ({}, {"resolved": {"disks": [{"name": "data", "volume": "safe"}]}}, {"safe"}),
        ({}, {"runtime": {"disks": [{"name": "data", "volumeUID": "uid-safe"}]}}, {"safe"}),
        ({}, {"runtime": {"disks": [{"name": "data", "volumeUID": "uid-gone"}]}}, set()),
        ({"disks": [{"name": "root"}]}, {}, {"web-1-root"}),
        ({"disks": [{"name": "root"}]}, {"assignment": {"epoch": 1, "host": "h1"}}, set()),
        ({"disks": [{"name": "kept"}]}, {"assignment": {"epoch": 1, "host": "h1"}}, set()),
        ({"disks": [{"name": "kept"}]}, {"assignment": {"epoch": 1, "host": "h2"}}, {"web-1-kept"}),
    ],
)
def test_news_of_a_vm_reach_the_volumes_that_they_are_about(
    spec: dict[str, Any], status: dict[str, Any], heard: set[str]
) -> None:
    cache = Cache(WATCHED)
    for made in (volume("safe", "h1"), volume("web-1-root"), volume("web-1-kept", "h1")):
        cache.put(VOLUMES, made)
    vm = {"metadata": {"name": "web-1", "namespace": "default"}, "spec": spec, "status": status}
    keys = VolumeController.watches[VIRTUAL_MACHINES](vm, cache)
    assert set(keys) == {f"default/{name}" for name in heard}
