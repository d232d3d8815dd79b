"""Whether a VM is protected, and what is left to do of one that goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quantix_api.resources import QUANTIX_RESOURCES, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.scheduling.observe import is_absent
from quantix_operator.virtualmachine.deletion import plan_release, still_attached
from quantix_operator.virtualmachine.disks import made_in_vain
from quantix_operator.virtualmachine.protection import Standing, protection_facts
from quantix_operator.virtualmachine.volume_model import PatchVolume, VolumeView

from .seen_vm import (
    ASSIGNED,
    RUNNING,
    STANDING,
    THERE,
    observed,
)

PROTECTION_CASES: dict[str, tuple[dict[str, Any], Standing, tuple[str, str, str]]] = {
    "one host": ({}, STANDING, ("NoOtherHost", "NoOtherHost", "AsAsked")),
    "a disk on this host only": (
        {},
        Standing("h1", other_hosts=1, local_disk="root"),
        ("LocalStorage", "Migratable", "AsAsked"),
    ),
    "a setting": (
        {"ha": {"restart": "Never"}, "migration": {"onMaintenance": "Block"}},
        Standing("h1", other_hosts=1),
        ("PolicyNever", "PolicyBlock", "AsAsked"),
    ),
    "a medium and a passed-through CPU": (
        {"cpu": {"model": "HostPassthrough"}},
        Standing("h1", other_hosts=1, local_medium="install", selector_broken=True),
        ("NoFencing", "CPUPassthrough", "SelectorBroken"),
    ),
    "a neighbour": (
        {},
        Standing("h1", other_hosts=1, local_medium="install", broken_anti_affinity=("web-2",)),
        ("NoFencing", "LocalMedium", "AntiAffinityBroken"),
    ),
    "a device of the host, and no friend beside it": (
        {"hostDevices": [{"name": "gpu0", "class": "a16"}]},
        Standing("h1", other_hosts=1, broken_affinity=("db-1",)),
        ("HostDevice", "HostDevice", "AffinityBroken"),
    ),
}


@pytest.mark.parametrize("case", PROTECTION_CASES, ids=str)
def test_protection(case: str) -> None:
    spec, standing, reasons = PROTECTION_CASES[case]
    assert tuple(item.reason for item in protection_facts(observed({}, spec).vm, standing)) == reasons


ABSENT_CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "never assigned": ({}, True),
    "without a host": ({"assignment": {"epoch": 5}}, True),
    "on a host that has not said": (ASSIGNED, False),
    "running": (RUNNING, False),
    "released under this assignment": (
        {**ASSIGNED, "runtime": {"observedEpoch": 4, "domain": "Absent"}},
        True,
    ),
    "off, and being set back": ({"restore": {"uid": "r", "name": "back"}}, False),
    "released under an older assignment": (
        {**ASSIGNED, "runtime": {"observedEpoch": 3, "domain": "Absent"}},
        False,
    ),
}


@pytest.mark.parametrize("case", ABSENT_CASES, ids=str)
def test_nothing_is_left_of_a_vm(case: str) -> None:
    status, absent = ABSENT_CASES[case]
    assert is_absent(observed(status).vm) is absent


def test_a_deletion_lets_go_of_its_volumes_but_leaves_the_owner_reference() -> None:
    foreign = VolumeView("other", "uid-other", "1", {}, attached_to=frozenset({"uid-web-1"}))
    volumes = {"web-1-root": THERE, "other": foreign}
    (release,) = plan_release(observed().vm, volumes)
    assert isinstance(release, PatchVolume)
    assert release.name == "web-1-root"
    assert "ownerReferences" not in release.patch["metadata"]
    assert still_attached(observed().vm, volumes) == ("other",)


def test_a_protected_volume_stays_for_good_when_its_vm_goes() -> None:
    other, own = {"uid": "uid-other"}, {"uid": "uid-web-1"}
    owned = replace(THERE, spec={"deletionProtection": True}, owner_references=(other, own))
    (release,) = plan_release(observed().vm, {"web-1-root": owned})
    assert isinstance(release, PatchVolume)
    # else it went, without a word, as soon as somebody took the protection off
    assert release.patch["metadata"]["ownerReferences"] == [other]


def test_what_was_made_for_a_vm_that_never_had_a_host_goes_with_it() -> None:
    vm, volumes = observed().vm, {"web-1-root": THERE}
    (release,) = plan_release(vm, volumes, in_vain={"uid-volume"})
    (owner,) = release.patch["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("VirtualMachine", "uid-web-1")
    (release,) = plan_release(vm, volumes)
    assert "ownerReferences" not in release.patch["metadata"]
    another = {"web-1-root": replace(THERE, vm_uid="uid-web-2")}
    assert plan_release(vm, another, in_vain={"uid-volume"}) == ()


def test_what_was_made_in_vain_is_read_from_what_the_api_has() -> None:
    cache = Cache(QUANTIX_RESOURCES)
    since = {"namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "1"}
    marks = {"app.kubernetes.io/managed-by": "quantix", "quantix.io/virtual-machine-uid": "uid-web-1"}
    for name, status in (("empty", {}), ("full", {"data": "Present"})):
        metadata = {"name": name, "uid": f"uid-{name}", "labels": marks, **since}
        cache.put(VOLUMES, {"metadata": metadata, "spec": {"size": "1Gi"}, "status": status})
    vm = {"metadata": {"name": "web-1", "uid": "uid-web-1", **since}, "spec": {}}
    assert made_in_vain(Objects(cache), vm) == {"uid-empty"}
    placed = vm | {"status": {"assignment": {"host": "h1", "epoch": 1}}}
    assert made_in_vain(Objects(cache), placed) == frozenset()
