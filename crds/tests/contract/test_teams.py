"""examples/team.yaml on the real API server: a team works in its namespace, within its quota."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_lab.api_as import Answer, ApiAs, User
from quantix_lab.api_objects import RESOURCES, SIZED, manifest, may
from quantix_lab.control_plane import ControlPlane
from quantix_lab.waiting import eventually

EXAMPLE = Path(__file__).parents[3] / "examples/team.yaml"


@pytest.fixture
def team(quantix_server: ControlPlane, api: ApiAs, namespace: str) -> str:
    """The namespace of a team that may have one VM."""
    text = EXAMPLE.read_text().replace("team-blue", namespace)
    text = text.replace('virtualmachines.quantix.io: "20"', 'virtualmachines.quantix.io: "1"')
    quantix_server.kubectl("apply", "-f", "-", stdin=text)
    asked = {"verb": "create", "group": "quantix.io", "resource": "virtualmachines", "namespace": namespace}
    eventually("its rights", lambda: may(api, pipeline(namespace), asked))
    return namespace


def pipeline(namespace: str) -> User:
    groups = (f"system:serviceaccounts:{namespace}", "system:serviceaccounts", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:pipeline", groups)


def create_vm(api: ApiAs, namespace: str, name: str, user: User) -> Answer:
    return api.create(
        RESOURCES["VirtualMachine"].path(namespace), manifest("VirtualMachine", name, spec=SIZED), user=user
    )


def test_a_team_has_what_its_quota_gives_and_no_more(
    quantix_server: ControlPlane, api: ApiAs, team: str
) -> None:
    user = pipeline(team)
    # until its controller has counted, a quota refuses everything
    eventually("its quota counts", lambda: create_vm(api, team, "web-1", user).code == 201)
    refused = create_vm(api, team, "web-2", user)
    assert refused.code == 403
    assert "exceeded quota" in refused.message
    assert (
        "used: count/virtualmachines.quantix.io=1, limited: count/virtualmachines.quantix.io=1"
        in refused.message
    )


@pytest.mark.parametrize(
    ("verb", "resource", "where", "allowed"),
    [
        ("create", "virtualmachines.quantix.io", "team", True),
        ("create", "secrets", "team", True),
        ("update", "resourcequotas", "team", False),
        ("get", "virtualmachines.quantix.io", "default", False),
        ("create", "images.quantix.io", "quantix-shared", False),
        ("update", "hosts.quantix.io", "", False),
    ],
)
def test_a_team_works_in_its_namespace_and_nowhere_else(
    api: ApiAs, team: str, verb: str, resource: str, where: str, allowed: bool
) -> None:
    name, _, group = resource.partition(".")
    asked = {"verb": verb, "resource": name, "group": group, "namespace": team if where == "team" else where}
    assert may(api, pipeline(team), asked) is allowed
