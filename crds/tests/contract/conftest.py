"""A control plane with everything that `quantix_api.installation` ships, shared by the tests of the API."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from quantix_lab.api_as import ApiAs
from quantix_lab.api_installation import installed_plane
from quantix_lab.api_objects import make_namespace
from quantix_lab.control_plane import ControlPlane


@pytest.fixture(scope="session")
def quantix_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A ready control plane that knows our kinds, roles and policies; no other test's objects are in it."""
    with installed_plane(tmp_path_factory.mktemp("quantix-server")) as running:
        with ApiAs(running.admin_kubeconfig) as admin:
            wait_for_policies(admin)
        yield running


@pytest.fixture
def api(quantix_server: ControlPlane) -> Iterator[ApiAs]:
    """Requests to it, as anybody."""
    with ApiAs(quantix_server.admin_kubeconfig) as caller:
        yield caller


@pytest.fixture
def namespace(api: ApiAs) -> str:
    """A new one."""
    return make_namespace(api)


def wait_for_policies(admin: ApiAs) -> None:
    """Policies count some hundred milliseconds after they were written: ask until each kind of them does."""
    probe = {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "HostRecovery",
        "metadata": {"name": "probe"},
        "spec": {
            "host": "h",
            "cause": "Manual",
            "confirmedDead": {"by": "nobody", "at": "2026-01-01T00:00:00Z", "reason": "probe"},
        },
    }
    image = {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "Image",
        "metadata": {"name": "probe", "namespace": "default"},
        "spec": {"upload": {}},
    }
    root = "/apis/quantix.io/v1alpha1"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        refused = admin.create(f"{root}/hostrecoveries", probe, parameters=("dryRun=All",)).code == 403
        made = admin.create(f"{root}/namespaces/default/images", image, parameters=("dryRun=All",))
        if refused and made.body.get("metadata", {}).get("finalizers"):
            return
        time.sleep(0.1)
    raise AssertionError("the admission policies did not come into force within 30 s")
