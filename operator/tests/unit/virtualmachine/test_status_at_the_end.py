"""Whether a VM is protected, and what is left to do of one that goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quantix_api import VirtualMachine, Volume
from quantix_api.resources import STORAGE_POOLS, VIRTUAL_MACHINES, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.scheduling.observe import is_absent
from quantix_operator.virtualmachine.deletion import plan_release, still_attached
from quantix_operator.virtualmachine.disks import view_of
from quantix_operator.virtualmachine.protection import Standing, protection_facts
from quantix_operator.virtualmachine.volume_model import DeleteVolume, PatchVolume, VolumeView

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
    created = datetime(2026, 1, 1, tzinfo=UTC)

    def made(status: dict[str, Any]) -> VirtualMachine:
        vm = observed(status).vm
        dated = vm.metadata.model_copy(update={"creation_timestamp": created})
        return vm.model_copy(update={"metadata": dated})

    vm, placed = made({}), made(ASSIGNED)
    blank = replace(THERE, host="", blank_since=created)
    assert [type(item) for item in plan_release(vm, {"web-1-root": blank})] == [PatchVolume, DeleteVolume]
    kept = {
        "has data": replace(THERE, blank_since=None),
        "was there before": replace(blank, blank_since=created - timedelta(seconds=1)),
        "of another VM": replace(blank, vm_uid="uid-web-2"),
    }
    for why, volume in kept.items():
        assert not [item for item in plan_release(vm, {"v": volume}) if isinstance(item, DeleteVolume)], why
    assert len(plan_release(placed, {"web-1-root": blank})) == 1, "its host may have begun with it"


OURS = {"app.kubernetes.io/managed-by": "quantix"}


@pytest.mark.parametrize(
    ("labels", "spec", "status", "blank"),
    [
        (OURS, {}, {}, True),
        ({}, {}, {}, False),
        (OURS, {"deletionProtection": True}, {}, False),
        (OURS, {}, {"host": "h1"}, False),
        (OURS, {}, {"data": "Present"}, False),
    ],
)
def test_a_volume_is_blank_while_it_is_ours_and_no_host_has_made_it(
    labels: dict[str, str], spec: dict[str, Any], status: dict[str, Any], blank: bool
) -> None:
    named = {"name": "v", "namespace": "default", "uid": "u", "labels": labels}
    metadata = named | {"creationTimestamp": "2026-01-01T00:00:00Z"}
    volume = Volume.model_validate({"metadata": metadata, "spec": {"size": "1Gi", **spec}, "status": status})
    seen = view_of(Objects(Cache((VOLUMES, VIRTUAL_MACHINES, STORAGE_POOLS))), volume)
    assert (seen.blank_since is not None) is blank
