"""Our kinds' objects in an API server, made and reported on as whoever does that: for contract tests.

Used with `ApiAs`. Each function is one request.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from quantix_api import KINDS
from quantix_api.resources import HOST_GROUP, HOST_USER_PREFIX, OPERATOR_USER, Resource
from quantix_lab.api_as import Answer, ApiAs, User

RESOURCES: dict[str, Resource] = {kind.__name__: kind.DEFINITION.resource for kind in KINDS}
OPERATOR = User(
    OPERATOR_USER, ("system:serviceaccounts", "system:serviceaccounts:quantix-system", "system:authenticated")
)
SIZED: dict[str, Any] = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}}
"""The least that a VM's spec must say."""


def host_user(name: str) -> User:
    """The daemon of the host with this name."""
    return User(f"{HOST_USER_PREFIX}{name}", (HOST_GROUP, "system:authenticated"))


def manifest(kind: str, name: str, **parts: Any) -> dict[str, Any]:
    """An object with these parts (`spec`, `status`)."""
    return {"apiVersion": RESOURCES[kind].api_version, "kind": kind, "metadata": {"name": name}, **parts}


def make_namespace(api: ApiAs) -> str:
    """A new namespace of the caller's own."""
    name = f"crds-{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    answer = api.call("POST", "/api/v1/namespaces", body)
    assert answer.code == 201, answer.message
    return name


def make(api: ApiAs, kind: str, namespace: str, name: str, spec: dict[str, Any]) -> str:
    """Makes the object and gives its path."""
    answer = api.create(RESOURCES[kind].path(namespace), manifest(kind, name, spec=spec))
    assert answer.code == 201, answer.message
    return RESOURCES[kind].path(namespace, name)


def report(api: ApiAs, path: str, kind: str, user: User, manager: str, status: dict[str, Any]) -> Answer:
    """A forced apply of the status of the object at this path."""
    name = path.rsplit("/", 1)[1]
    return api.apply(f"{path}/status", manifest(kind, name, status=status), manager, user=user)


def decide(api: ApiAs, path: str, kind: str, status: dict[str, Any]) -> Answer:
    """A forced apply of status by the operator."""
    return report(api, path, kind, OPERATOR, "quantix-operator", status)


def bind(api: ApiAs, namespace: str, role: str, user: User, verb: str) -> None:
    """Gives the user a ClusterRole in the namespace, and returns once `verb` on VMs is allowed there.

    Authorization reads roles from a cache, so a binding counts some moments after it was written.
    """
    group = "rbac.authorization.k8s.io"
    body = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{role}-{user.name}"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": user.name, "apiGroup": group}],
    }
    answer = api.call("POST", f"/apis/{group}/v1/namespaces/{namespace}/rolebindings", body)
    assert answer.code == 201, answer.message
    asked = {"verb": verb, "group": "quantix.io", "resource": "virtualmachines", "namespace": namespace}
    deadline = time.monotonic() + 15
    while not may(api, user, asked):
        assert time.monotonic() < deadline, f"{role} gives {user.name} no {verb}"
        time.sleep(0.05)


def may(api: ApiAs, user: User, asked: dict[str, str]) -> bool:
    """What a SubjectAccessReview says about these resource attributes."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user.name, "groups": list(user.groups), "resourceAttributes": asked},
    }
    answer = api.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer.body["status"]["allowed"])
