"""Where a VM is another than a snapshot knew it."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.virtual_machine_restore import MAX_DIFFERENCES, MAX_PATH
from quantix_operator.restore.differences import differences, unlike_memory


@pytest.mark.parametrize(
    ("before", "now", "paths"),
    [
        ({"cpu": {"cores": 1}}, {"cpu": {"cores": 1}}, ()),
        ({"powerState": "Running"}, {"powerState": "Stopped", "restart": {"at": "x"}}, ()),
        ({"cpu": {"cores": 1}}, {"cpu": {"cores": 2, "model": "Auto"}}, ("spec.cpu.cores", "spec.cpu.model")),
        ({"os": "Linux"}, {}, ("spec.os",)),
        (
            {"disks": [{"name": "root", "size": "1Gi"}]},
            {"disks": [{"name": "root", "size": "2Gi"}, {"name": "data"}]},
            ("spec.disks[data]", "spec.disks[root].size"),
        ),
        (
            {"disks": [{"name": "a"}, {"name": "b"}]},
            {"disks": [{"name": "b"}, {"name": "a"}]},
            ("spec.disks",),
        ),
        (
            {"nics": [{"name": "eth0", "addresses": ["10.0.0.1"]}]},
            {"nics": [{"name": "eth0", "addresses": ["10.0.0.2"]}]},
            ("spec.nics[eth0].addresses",),
        ),
    ],
)
def test_the_paths_that_differ(before: dict[str, Any], now: dict[str, Any], paths: tuple[str, ...]) -> None:
    assert differences(before, now) == paths


def test_as_many_as_a_status_holds() -> None:
    many = {f"field{number:03}": number for number in range(MAX_DIFFERENCES + 9)}
    assert len(differences(many, {})) == MAX_DIFFERENCES


def test_what_has_no_path_that_a_status_holds_is_named_by_what_it_is_in_once() -> None:
    before = {"placement": {"hostSelector": {"k" * 300: "v", "l" * 300: "v", "rack": "a"}}}
    assert differences(before, {"placement": {"hostSelector": {}}}) == (
        "spec.placement.hostSelector",
        "spec.placement.hostSelector.rack",
    )
    disks = {"disks": [{"name": "d" * MAX_PATH, "size": "1Gi"}]}
    assert differences(disks, {"disks": []}) == ("spec.disks",)


def test_what_a_guest_sees_of_its_machine_keeps_memory_from_going_on() -> None:
    seen = (
        "spec.cpu.cores",
        "spec.memory.size",
        "spec.firmware.type",
        "spec.disks[root].bus",
        "spec.nics[a]",
    )
    unseen = (
        "spec.disks[root].size",
        "spec.nics[eth0].securityGroups",
        "spec.cpu.weight",
        "spec.ha.priority",
    )
    assert unlike_memory((*seen, *unseen)) == seen
