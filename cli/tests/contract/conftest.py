"""What the tests of `qx` on a real API server share."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from quantix_lab.api_installation import installed_plane
from quantix_lab.control_plane import ControlPlane
from quantix_lab.qx_process import NAMESPACE, Qx, say_ready, virtual_machine
from quantix_lab.warm_qx import warm_qx


@pytest.fixture(scope="session")
def qx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qx]:
    """`qx` and one VM that waits for memory, one that runs nowhere yet."""
    with installed_plane(tmp_path_factory.mktemp("qx"), stages=("namespaces", "crds")) as control_plane:
        _fill(control_plane)
        with warm_qx(control_plane) as started:
            yield started


def _fill(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "namespace", NAMESPACE)
    for name in ("web-1", "web-2", "db-1"):
        control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(virtual_machine(name)))
    say_ready(
        control_plane,
        "db-1",
        "False",
        "NotEnoughMemory",
        "No host has 64 GiB free: h1 41 GiB. Try: lower memory, or add a host.",
    )
