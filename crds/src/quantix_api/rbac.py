"""Who may do what: the roles of hosts, of the operator, of joining hosts and of users, with the namespaces.

Rendered by `quantix_api.generate`. Each role names exactly what its holder needs; the admission policies
narrow what a role cannot say.
"""

from __future__ import annotations

from typing import Any

from quantix_api.resources import (
    BOOTSTRAP_GROUP,
    CA_CONFIG_MAP,
    CLUSTER_CONFIG_MAP,
    GROUP,
    HOST_GROUP,
    NAMESPACE_HOSTS,
    NAMESPACE_SHARED,
    NAMESPACE_SYSTEM,
    PLATFORM_CONFIG_MAP,
    QUANTIX_RESOURCES,
    SIGNER_CLIENT,
    SIGNER_SERVING,
)

Manifest = dict[str, Any]
RBAC_GROUP = "rbac.authorization.k8s.io"
OPERATOR_ACCOUNT = "quantix-operator"
READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete")
_LABELS = {"app.kubernetes.io/part-of": "quantix"}

ALL_KINDS = tuple(resource.plural for resource in QUANTIX_RESOURCES)
TENANT_KINDS = tuple(resource.plural for resource in QUANTIX_RESOURCES if resource.namespaced)
_TOLD_BY_HOSTS = (
    "hosts",
    "virtualmachines",
    "virtualmachinemigrations",
    "virtualmachinesnapshots",
    "virtualmachinerestores",
    "volumes",
    "images",
)
_OPERATOR: Manifest = {"kind": "ServiceAccount", "name": OPERATOR_ACCOUNT, "namespace": NAMESPACE_SYSTEM}


def rule(
    group: str, resources: tuple[str, ...], verbs: tuple[str, ...], names: tuple[str, ...] = ()
) -> Manifest:
    """One PolicyRule; `names` limits it to these objects."""
    found: Manifest = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return {**found, "resourceNames": list(names)} if names else found


def group_subject(name: str) -> Manifest:
    """The subject for all members of a group."""
    return {"kind": "Group", "name": name, "apiGroup": RBAC_GROUP}


def cluster_role(name: str, *rules: Manifest, labels: dict[str, str] | None = None) -> Manifest:
    """A role for the whole cluster."""
    metadata = {"name": name, "labels": {**_LABELS, **(labels or {})}}
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": metadata,
        "rules": list(rules),
    }


def cluster_binding(name: str, *subjects: Manifest) -> Manifest:
    """Gives the ClusterRole of that name to the subjects, everywhere."""
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": dict(_LABELS)},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": name},
        "subjects": list(subjects),
    }


def bound_role(name: str, namespace: str, subject: Manifest, *rules: Manifest) -> tuple[Manifest, Manifest]:
    """A role in one namespace, and its binding to the subject."""
    metadata = {"name": name, "namespace": namespace, "labels": dict(_LABELS)}
    role = {"apiVersion": f"{RBAC_GROUP}/v1", "kind": "Role", "metadata": metadata, "rules": list(rules)}
    binding = {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "Role", "name": name},
        "subjects": [subject],
    }
    return role, binding


def namespaces() -> tuple[Manifest, ...]:
    """The fixed namespaces."""
    return tuple(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(_LABELS)}}
        for name in (NAMESPACE_SYSTEM, NAMESPACE_HOSTS, NAMESPACE_SHARED)
    )


def host_roles() -> tuple[Manifest, ...]:
    """What every host may do; the policy `quantix-hostd` limits each to its own objects."""
    hosts = group_subject(HOST_GROUP)
    return (
        cluster_role(
            "quantix:hosts",
            rule(GROUP, ALL_KINDS, READ),
            rule(GROUP, ("images/content",), ("get",)),
            # their labels say who may use a shared image or a pool
            rule("", ("namespaces",), READ),
            rule(GROUP, ("hosts",), ("create",)),
            rule(GROUP, tuple(f"{plural}/status" for plural in _TOLD_BY_HOSTS), ("patch",)),
            rule("events.k8s.io", ("events",), ("create", "patch")),
            rule("authentication.k8s.io", ("tokenreviews",), ("create",)),
            rule("authorization.k8s.io", ("subjectaccessreviews",), ("create",)),
            rule("certificates.k8s.io", ("certificatesigningrequests",), ("create", *READ)),
        ),
        cluster_binding("quantix:hosts", hosts),
        *bound_role(
            "quantix:hosts",
            NAMESPACE_HOSTS,
            hosts,
            rule("coordination.k8s.io", ("leases",), ("get", "create", "patch", "update")),
        ),
        *bound_role(
            "quantix:hosts",
            NAMESPACE_SYSTEM,
            hosts,
            rule("", ("configmaps",), ("get",), (CLUSTER_CONFIG_MAP,)),
            rule("", ("configmaps",), READ, (PLATFORM_CONFIG_MAP,)),
        ),
        *bound_role(
            "quantix:hosts",
            "kube-system",
            hosts,
            rule("", ("configmaps",), READ, ("extension-apiserver-authentication",)),
        ),
        cluster_role(
            "quantix:bootstrap",
            rule("certificates.k8s.io", ("certificatesigningrequests",), ("create", "get")),
        ),
        cluster_binding("quantix:bootstrap", group_subject(BOOTSTRAP_GROUP)),
    )


def operator_roles() -> tuple[Manifest, ...]:
    """What the operator may do.

    It has no `bind` and no `escalate`: the API server lets it hand out only what it may do itself, which for
    Secrets is to read one whose name it knows.
    """
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": OPERATOR_ACCOUNT, "namespace": NAMESPACE_SYSTEM, "labels": dict(_LABELS)},
        "automountServiceAccountToken": False,
    }
    return (account, *_operator_everywhere(), *_operator_in_namespaces())


def _operator_everywhere() -> tuple[Manifest, ...]:
    statuses = tuple(f"{plural}/status" for plural in ALL_KINDS)
    return (
        cluster_role(
            OPERATOR_ACCOUNT,
            rule(GROUP, ALL_KINDS, (*READ, *WRITE)),
            rule(GROUP, statuses, ("get", "update", "patch")),
            rule("", ("namespaces",), READ),
            rule("", ("secrets",), ("get",)),
            rule("events.k8s.io", ("events",), ("create", "patch")),
            rule(RBAC_GROUP, ("roles", "rolebindings"), (*READ, *WRITE)),
            rule("certificates.k8s.io", ("certificatesigningrequests",), (*READ, "delete")),
            rule("certificates.k8s.io", ("certificatesigningrequests/approval",), ("update", "patch")),
            rule("certificates.k8s.io", ("certificatesigningrequests/status",), ("update", "patch")),
            rule("certificates.k8s.io", ("signers",), ("approve",), (SIGNER_CLIENT, SIGNER_SERVING)),
            rule("certificates.k8s.io", ("signers",), ("sign",), (SIGNER_SERVING,)),
            # whoever asks what would happen (hosts/plan) is asked about
            rule("authentication.k8s.io", ("tokenreviews",), ("create",)),
            rule("authorization.k8s.io", ("subjectaccessreviews",), ("create",)),
        ),
        cluster_binding(OPERATOR_ACCOUNT, _OPERATOR),
    )


def _operator_in_namespaces() -> tuple[Manifest, ...]:
    return (
        *bound_role(
            OPERATOR_ACCOUNT,
            NAMESPACE_SYSTEM,
            _OPERATOR,
            rule("", ("secrets",), (*READ, *WRITE)),
            rule("", ("configmaps",), ("create",)),
            rule("", ("configmaps",), (*READ, "update", "patch"), (CLUSTER_CONFIG_MAP, PLATFORM_CONFIG_MAP)),
            rule("", ("serviceaccounts/token",), ("create",), (OPERATOR_ACCOUNT,)),
            rule("coordination.k8s.io", ("leases",), (*READ, "create", "update", "patch")),
        ),
        *bound_role(
            OPERATOR_ACCOUNT,
            NAMESPACE_HOSTS,
            _OPERATOR,
            rule("coordination.k8s.io", ("leases",), (*READ, "delete")),
        ),
        *bound_role(
            OPERATOR_ACCOUNT,
            NAMESPACE_SHARED,
            _OPERATOR,
            rule("", ("configmaps",), ("create",)),
            rule("", ("configmaps",), ("get", "update", "patch"), (CA_CONFIG_MAP,)),
        ),
        *bound_role(
            OPERATOR_ACCOUNT,
            "kube-system",
            _OPERATOR,
            rule("", ("secrets",), (*READ, "delete")),
        ),
    )


def monitoring_roles() -> tuple[Manifest, ...]:
    """What a program that collects metrics may do; bound to nobody here.

    The metrics of a host name its VMs, in all namespaces.
    """
    urls: Manifest = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    return (cluster_role("quantix:monitoring", rule(GROUP, ("hosts/metrics",), ("get",)), urls),)


def user_roles() -> tuple[Manifest, ...]:
    """Roles for people: aggregated into Kubernetes' own view, edit and admin."""

    def aggregated(name: str, into: str, *rules: Manifest) -> Manifest:
        return cluster_role(name, *rules, labels={f"{RBAC_GROUP}/aggregate-to-{into}": "true"})

    reads = ("explain", "metrics", "log", "screenshot")
    everyone = group_subject("system:authenticated")
    return (
        aggregated(
            "quantix-view",
            "view",
            rule(GROUP, TENANT_KINDS, READ),
            rule(GROUP, tuple(f"virtualmachines/{part}" for part in reads), ("get",)),
        ),
        aggregated("quantix-power", "edit", rule(GROUP, ("virtualmachines",), (*READ, "patch"))),
        aggregated(
            "quantix-edit",
            "edit",
            rule(GROUP, TENANT_KINDS, (*READ, *WRITE, "deletecollection")),
            rule(GROUP, tuple(f"virtualmachines/{part}" for part in reads), ("get",)),
            rule(
                GROUP,
                tuple(f"virtualmachines/{part}" for part in ("console", "vnc", "portforward")),
                ("create",),
            ),
            rule(GROUP, ("images/upload", "volumes/upload", "volumes/export"), ("create",)),
            rule(GROUP, ("images/content",), ("get",)),
        ),
        aggregated(
            "quantix-admin",
            "admin",
            rule(GROUP, tuple(f"virtualmachines/{part}" for part in ("exec", "files")), ("create",)),
        ),
        cluster_role("quantix:catalog", rule(GROUP, ("instancetypes", "storagepools"), READ)),
        cluster_binding("quantix:catalog", everyone),
        *bound_role(
            "quantix:shared",
            NAMESPACE_SHARED,
            everyone,
            rule(GROUP, TENANT_KINDS, READ),
            rule("", ("configmaps",), ("get",), (CA_CONFIG_MAP,)),
        ),
    )
