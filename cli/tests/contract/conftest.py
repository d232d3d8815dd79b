"""What the tests of `qx` on a real API server share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import quantix_api
from quantix_lab.control_plane import ControlPlane
from quantix_lab.qx_process import NAMESPACE, Qx, say_ready, virtual_machine

MANIFESTS = Path(quantix_api.__file__).parent / "manifests"


@pytest.fixture(scope="session")
def qx(control_plane: ControlPlane) -> Iterator[Qx]:
    """`qx` and one VM that waits for memory, one that runs nowhere yet."""
    for part in ("namespaces", "crds"):
        control_plane.kubectl("apply", "--server-side", "-f", str(MANIFESTS / part))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
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
    yield Qx(control_plane)
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
