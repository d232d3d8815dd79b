"""Whether a VM is protected, and what is left to do of one that goes."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_operator.scheduling.observe import is_absent
from quantix_operator.virtualmachine.deletion import plan_release, still_attached
from quantix_operator.virtualmachine.protection import Standing, protection_facts
from quantix_operator.virtualmachine.volume_plan import VolumeView

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
    assert release.name == "web-1-root"
    assert "ownerReferences" not in release.patch["metadata"]
    assert still_attached(observed().vm, volumes) == ("other",)
