"""How far the rights of the operator and of hosts reach on the real API server."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_lab.api_as import ApiAs, User
from quantix_lab.api_objects import (
    OPERATOR,
    host_user,
    may,
)

ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles"


def test_the_operator_hands_out_one_secret_and_no_more(api: ApiAs, namespace: str) -> None:
    def role(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
        return {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": name},
            "rules": list(rules),
        }

    one = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["web"]}
    path = ROLES.format(namespace)
    assert api.create(path, role("quantix-host-h1", one), user=OPERATOR).code == 201
    elsewhere = api.create(path, role("backdoor", one), user=OPERATOR)
    assert elsewhere.code == 403
    assert "quantix-host-NAME" in elsewhere.message
    more = api.create(path, role("quantix-host-h2", {**one, "verbs": ["*"]}), user=OPERATOR)
    assert more.code == 403


@pytest.mark.parametrize(
    ("user", "verb", "resource", "where", "allowed"),
    [
        (OPERATOR, "list", "secrets", "quantix-system", True),
        (OPERATOR, "list", "secrets", "default", False),
        (OPERATOR, "get", "secrets", "default", True),
        (OPERATOR, "delete", "secrets", "kube-system", True),
        (OPERATOR, "create", "configmaps", "default", False),
        (OPERATOR, "escalate", "roles.rbac.authorization.k8s.io", "default", False),
        (OPERATOR, "bind", "roles.rbac.authorization.k8s.io", "default", False),
        (host_user("h1"), "get", "secrets", "default", False),
        (host_user("h1"), "list", "virtualmachines.quantix.io", "", True),
        (host_user("h1"), "delete", "virtualmachines.quantix.io", "default", False),
        (host_user("h1"), "watch", "namespaces", "", True),
        (host_user("h1"), "update", "namespaces", "", False),
        (host_user("h1"), "get", "configmaps/extension-apiserver-authentication", "kube-system", True),
        (host_user("h1"), "create", "subjectaccessreviews.authorization.k8s.io", "", True),
        (host_user("h1"), "create", "certificatesigningrequests.certificates.k8s.io", "", True),
        (
            User("system:bootstrap:abc", ("system:bootstrappers:quantix",)),
            "create",
            "certificatesigningrequests.certificates.k8s.io",
            "",
            True,
        ),
        (
            User("system:bootstrap:abc", ("system:bootstrappers:quantix",)),
            "list",
            "hosts.quantix.io",
            "",
            False,
        ),
    ],
)
def test_rights_are_no_wider_than_the_work(
    api: ApiAs, user: User, verb: str, resource: str, where: str, allowed: bool
) -> None:
    kind, _, name = resource.partition("/")
    plural, _, group = kind.partition(".")
    asked = {"verb": verb, "group": group, "resource": plural, "name": name, "namespace": where}
    assert may(api, user, asked) is allowed
