"""A control plane with Quantix' API installed, for the tests of this folder only: they may stop it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from quantix_client.api import ApiClient
from quantix_lab.api_installation import installed_plane
from quantix_lab.control_plane import ControlPlane


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with installed_plane(tmp_path_factory.mktemp("controlplane")) as plane:
        yield plane


@pytest.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(plane.admin_kubeconfig, user_agent="test") as client:
        yield client
