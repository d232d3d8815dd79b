"""What VolumesReady says of a VM several of whose disks cannot be had."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from quantix_operator.virtualmachine.status import missing_fact
from quantix_operator.virtualmachine.volume_plan import Missing


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
