"""Who may ask what would happen, on the real API server: the leader answers, a standby says who leads."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from quantix_api.host_plan import API_VERSION
from quantix_api.layout import Layout
from quantix_api.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, GROUP, HOSTS, NAMESPACE_SHARED
from quantix_client.api import ApiClient
from quantix_client.reviews import whose_token
from quantix_lab.control_plane import ControlPlane
from quantix_lab.operator_process import OperatorProcess
from quantix_lab.waiting import eventually_async

ACCOUNTS = f"/api/v1/namespaces/{NAMESPACE_SHARED}/serviceaccounts"


@pytest.fixture
def root() -> Iterator[Path]:
    """One whose sockets have short enough names."""
    made = Path(tempfile.mkdtemp(prefix="qx-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


async def token_of(admin: ApiClient, name: str, *, may_plan: bool) -> str:
    """Of a new account, once the server knows it."""
    await admin.request("POST", ACCOUNTS, json={"metadata": {"name": name}})
    if may_plan:
        rule = {"apiGroups": [GROUP], "resources": ["hosts/plan"], "verbs": ["get"]}
        await admin.create(CLUSTER_ROLES, {"metadata": {"name": name}, "rules": [rule]})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE_SHARED}
        await admin.create(
            CLUSTER_ROLE_BINDINGS,
            {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]},
        )
    answer = await admin.request("POST", f"{ACCOUNTS}/{name}/token", json={"spec": {}})
    token = str(answer["status"]["token"])

    async def is_known() -> bool:
        return await whose_token(admin, token) is not None

    await eventually_async("the token of the new account to be known", is_known)
    return token


async def ask(operator: OperatorProcess, path: str, token: str = "") -> tuple[int, str]:
    """Over loopback, as the dashboard does."""
    started = await asyncio.to_thread(operator.wait_for_log, "operator started")
    url = f"http://127.0.0.1:{json.loads(started)['metrics_port']}/v1/plan/{path}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def ask_as_root(path: Path, plan: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as http,
        http.get(f"http://operator/v1/plan/{plan}") as answer,
    ):
        return answer.status, await answer.text()


async def test_plans_are_for_root_and_for_tokens_that_may_have_them(
    plane: ControlPlane, admin: ApiClient, root: Path
) -> None:
    await admin.apply(HOSTS, {"metadata": {"name": "h1"}, "spec": {}}, manager="test")
    planner = await token_of(admin, "planner", may_plan=True)
    stranger = await token_of(admin, "stranger", may_plan=False)
    with OperatorProcess(root, plane.operator_kubeconfig) as leader:
        await asyncio.to_thread(leader.wait_for_answer, "/metrics", "quantix_operator_leader 1.0")
        assert (await ask(leader, "maintenance/h1"))[0] == 401
        assert (await ask(leader, "maintenance/h1", "no.token"))[0] == 401
        status, text = await ask(leader, "maintenance/h1", stranger)
        assert (status, "stranger may not get hosts/plan h1" in text) == (403, True)

        status, text = await ask(leader, "maintenance/h1", planner)
        assert (status, json.loads(text)) == (200, document("maintenance"))
        assert (await ask(leader, "maintenance/h9", planner))[0] == 404
        assert (await ask(leader, "balance", stranger))[0] == 403
        status, text = await ask(leader, "balance", planner)
        assert (status, json.loads(text)["kind"]) == (200, "BalancePlan")
        assert json.loads(text)["held"].startswith("Nothing is moved while h1 is ")
        assert (await ask(leader, "earthquake/h1", planner))[0] == 404

        path = Layout(root).operator_socket
        assert path.stat().st_mode & 0o777 == 0o600
        status, text = await ask_as_root(path, "host-loss/h1")
        assert (status, json.loads(text)) == (200, document("host-loss"))

        with OperatorProcess(root / "standby", plane.operator_kubeconfig) as standby:
            await asyncio.to_thread(standby.wait_for_answer, "/readyz", "ok")
            status, text = await ask(standby, "maintenance/h1", planner)
            assert (status, f"The operator on {socket.gethostname()} leads" in text) == (503, True)
            assert (await ask(standby, "maintenance/h1"))[0] == 401


def document(question: str) -> dict[str, Any]:
    """Of a host that has no VMs."""
    empty: dict[str, Any] = {"moves": [], "misfits": []}
    about = {"apiVersion": API_VERSION, "kind": "HostPlan", "question": question, "host": "h1"}
    return {**about, "vms": 0, "seconds": 0, **empty}
