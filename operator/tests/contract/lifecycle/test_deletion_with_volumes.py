"""`qx vm delete --volumes` takes what would stay, too, whether anybody waits for it or not."""

from __future__ import annotations

import asyncio

import pytest

from quantix_api.resources import VIRTUAL_MACHINES, VOLUMES
from quantix_lab.operator_world import OperatorWorld
from quantix_lab.qx_process import Qx

from .small_vm import BLANK, SMALL

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), ["VM web-1 deleted.", "volume web-1-data deleted."]),
        (("--no-wait",), ["VM web-1 is being deleted.", "Volume web-1-data goes with it."]),
    ],
    ids=["waits", "does not wait"],
)
async def test_what_would_stay_goes_with_the_vm(
    world: OperatorWorld, namespace: str, more: tuple[str, ...], told: list[str]
) -> None:
    disks = [BLANK, {"name": "data", "size": "2Gi"}]
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"disks": disks}, namespace)
    await world.until_ready("web-1", namespace)

    words = ("vm", "delete", "web-1", "--volumes", "--yes", *more, "-n", namespace)
    deleted = await asyncio.to_thread(Qx(world.control_plane), *words)
    assert (deleted.returncode, deleted.stderr.splitlines()[1:]) == (0, told)
    await world.until_gone(VIRTUAL_MACHINES, "web-1", namespace)
    for name in ("web-1-root", "web-1-data"):
        await world.until_gone(VOLUMES, name, namespace)
