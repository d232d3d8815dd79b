"""Which host keeps the disks in Ceph of a VM that has moved (docs/adr/0009)."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import STORAGE_POOLS

from .moving_world import MovingWorld

HANDED = {"mode": "PreCopy", "outcome": "HandedOver", "epoch": 2}
RUNNING = {"prepared": True, "outcome": "Running", "epoch": 2}
CEPH = {"rbd": {"monitors": ["10.0.0.1"], "pool": "quantix"}, "default": True}


@pytest.mark.parametrize(
    ("said", "opened", "expected"),
    [
        ({}, True, ("h2", "h2")),
        ({}, False, ("h1", "h1")),
        ({"host": "h3"}, False, ("h3", None)),
        ({"host": None}, False, (None, None)),
    ],
    ids=["its guest has it", "it waits to be plugged in", "a host says so that never had the VM", "nobody"],
)
async def test_before_the_cut_over_it_is_told_who_keeps_a_disk_in_ceph(
    said: dict[str, Any], opened: bool, expected: tuple[str | None, str | None]
) -> None:
    world = MovingWorld()
    world.vm("web")
    world.put(STORAGE_POOLS, "local", spec=CEPH, namespace=None)
    world.says("web-root", **said)
    disks = [{"name": "root", "volumeUID": "uid-web-root"}] if opened else []
    world.says("web", runtime={"observedEpoch": 1, "domain": "Present", "disks": disks})
    world.ask("move")
    await world.look()
    world.says("move", source=HANDED, target=RUNNING)
    await world.look()
    assert world.assignment() == {"epoch": 2, "host": "h2"}
    volume = world.live("web-root")["status"]
    assert (volume.get("host"), volume.get("confirmedHost")) == expected
