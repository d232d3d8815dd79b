"""A condition that operator and hostd have a part in goes when hostd gives it up, on the real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from quantix_api.resources import MANAGER_HOSTD, MANAGER_OPERATOR, VIRTUAL_MACHINE_RESTORES
from quantix_client.api import ApiClient
from quantix_client.apply import apply_if_changed
from quantix_client.errors import Conflict, Unprocessable
from quantix_lab.api_as import ApiAs
from quantix_lab.api_objects import decide, host_user
from quantix_lab.control_plane import ControlPlane

READY = {"type": "Ready", "status": "True", "reason": "Restored"}


@pytest.fixture
async def client(quantix_server: ControlPlane) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(quantix_server.admin_kubeconfig, user_agent="test") as client:
        yield client


@pytest.fixture
async def shared(client: ApiClient, namespace: str) -> dict[str, Any]:
    """A restore of which hostd took Reconciling over but for its status, which both say alike."""
    metadata = {"name": "back", "namespace": namespace}
    spec = {"virtualMachine": "web-1", "snapshot": "snap"}
    await client.create(VIRTUAL_MACHINE_RESTORES, {"metadata": metadata, "spec": spec})
    for manager, reason in ((MANAGER_OPERATOR, "Pending"), (MANAGER_HOSTD, "Restoring")):
        said = {"type": "Reconciling", "status": "True", "reason": reason}
        body = {"metadata": metadata, "status": {"conditions": [said]}}
        live = await client.apply(VIRTUAL_MACHINE_RESTORES, body, manager=manager, subresource="status")
    return live


async def test_an_apply_alone_would_leave_half_of_it(client: ApiClient, shared: dict[str, Any]) -> None:
    metadata = {name: shared["metadata"][name] for name in ("name", "namespace")}
    body = {"metadata": metadata, "status": {"conditions": [READY]}}
    with pytest.raises(Unprocessable, match="reason: Required value"):
        await client.apply(VIRTUAL_MACHINE_RESTORES, body, manager=MANAGER_HOSTD, subresource="status")


@pytest.mark.parametrize("on_version", [False, True])
async def test_it_goes_as_a_whole(client: ApiClient, shared: dict[str, Any], *, on_version: bool) -> None:
    about = (client, VIRTUAL_MACHINE_RESTORES, shared, {"status": {"conditions": [READY]}})
    written = await apply_if_changed(*about, manager=MANAGER_HOSTD, on_version=on_version)
    assert written is not None
    (left,) = written["status"]["conditions"]
    assert (left["type"], left["reason"]) == ("Ready", "Restored")


async def test_a_host_may_take_it_out(
    client: ApiClient, api: ApiAs, shared: dict[str, Any], namespace: str
) -> None:
    path = VIRTUAL_MACHINE_RESTORES.path(namespace, "back")
    assert decide(api, path, "VirtualMachineRestore", {"host": "h1"}).code == 200
    patch = {"status": {"conditions": [READY]}}
    assert api.merge(f"{path}/status", patch, user=host_user("h1")).code == 200
    assert api.merge(f"{path}/status", patch, user=host_user("h2")).code == 403


async def test_not_against_what_is_no_longer_so(client: ApiClient, shared: dict[str, Any]) -> None:
    patch = {"metadata": {"labels": {"a": "b"}}}
    name, namespace = shared["metadata"]["name"], shared["metadata"]["namespace"]
    await client.patch(VIRTUAL_MACHINE_RESTORES, name, patch, namespace)
    with pytest.raises(Conflict):
        await apply_if_changed(
            client,
            VIRTUAL_MACHINE_RESTORES,
            shared,
            {"status": {"conditions": [READY]}},
            manager=MANAGER_HOSTD,
        )
