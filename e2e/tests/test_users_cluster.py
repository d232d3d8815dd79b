"""`qx up` with a cluster of the user's own: no control plane is started, everything else is as ever."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_lab.control_plane import build_control_plane
from quantix_lab.machine import QX, Machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


@pytest.fixture
def kubeconfig(machine: Machine) -> Iterator[Path]:
    """That of a Kubernetes API server which Quantix knows nothing of."""
    theirs = machine.root / "theirs"
    places = [f"--{name}-dir={theirs / name}" for name in ("data", "config", "run", "log")]
    server = machine.start(str(build_control_plane()), "serve", *places, "--address=127.0.0.1", "--port=7443")
    path = theirs / "config/admin.kubeconfig"
    machine.run("sh", "-c", f"timeout 60 sh -c 'until [ -s {path} ]; do sleep 0.1; done'", timeout_s=90)
    yield path
    server.terminate()
    server.communicate(timeout=60)


def test_a_vm_runs_in_a_cluster_of_the_users_own(machine: Machine, kubeconfig: Path) -> None:
    own = {"QUANTIX_KUBECONFIG": str(kubeconfig)}
    first = machine.run(str(QX), "up", environment=own, timeout_s=400).stdout
    assert re.search(rf"^Ready in .* web-1 is Running at \S+\. kubeconfig: {kubeconfig}$", first, re.M), first
    assert not machine.layout.admin_kubeconfig.exists()
    assert not machine.layout.control_plane_data.exists()
    second = machine.run(str(QX), "up", environment=own, timeout_s=400).stdout
    assert "nothing to change" in second
    said = machine.run(str(QX), "down", environment=own, timeout_s=300).stdout
    assert "1 VM was shut down (web-1)" in said
