"""A control plane with Quantix' API installed, for the tests of this folder only: they may stop it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import pytest
import yaml

from quantix_api.installation import all_manifests
from quantix_client.api import ApiClient
from quantix_lab.control_plane import ControlPlane, ControlPlaneError


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("controlplane")) as plane:
        plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(all_manifests()))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        wait_until_served(plane)
        yield plane


def wait_until_served(plane: ControlPlane) -> None:
    """A policy that changes objects knows a new kind some seconds after it is Established; until then the
    server answers 503.
    """
    probe = {"apiVersion": "quantix.io/v1alpha1", "kind": "Host", "metadata": {"name": "probe"}, "spec": {}}
    deadline = time.monotonic() + 30
    while True:
        try:
            plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(probe))
        except ControlPlaneError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


@pytest.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(plane.admin_kubeconfig, user_agent="test") as client:
        yield client
