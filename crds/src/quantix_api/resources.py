"""Where each kind lives in the API: group, version, plural, kind and scope.

Used by the client to build paths and by everybody else to say which kind they mean. Data only.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

GROUP = "quantix.io"
VERSION = "v1alpha1"

NAMESPACE_SYSTEM = "quantix-system"
"""Operator, its leader Lease, credentials, ConfigMap `quantix-cluster`."""
NAMESPACE_HOSTS = "quantix-hosts"
"""One Lease for each host, named after it."""
NAMESPACE_SHARED = "quantix-shared"
"""Images and networks that every namespace may use as `shared/NAME`."""

FINALIZER = "quantix.io/cleanup"
LABEL_VIRTUAL_MACHINE_UID = "quantix.io/virtual-machine-uid"
ANNOTATION_VIRTUAL_MACHINE = "quantix.io/virtual-machine"
LOCAL_PHYSICAL_NETWORK = "qx-local"
"""The way out that every host has, without a word in its spec."""
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "quantix"
LABEL_MAINTENANCE_OF = "quantix.io/maintenance-of"
"""On a VirtualMachineMigration that the operator made: the host that it helps to empty."""
LABEL_BALANCER = "quantix.io/balancer"
"""On one that the balancer made: the reason, such as CPUPressure."""
CLUSTER_CONFIG_MAP = "quantix-cluster"
"""In `quantix-system`; its key `uid` is the UID of the cluster."""
PLATFORM_CONFIG_MAP = "quantix-platform"
"""In `quantix-system`: the addresses of all hosts (`platform_addresses`), for every host."""
CA_CONFIG_MAP = "quantix-ca"
"""In `quantix-shared`; its key `ca.crt` is what certificates between hosts are verified with."""

OPERATOR_USER = "system:serviceaccount:quantix-system:quantix-operator"
HOST_USER_PREFIX = "quantix:host:"
MIGRATION_PREFIX = "quantix:migration:"
"""Of the name in certificates that QEMU shows while guests move; no user of the API is called so."""
HOST_GROUP = "quantix:hosts"
BOOTSTRAP_GROUP = "system:bootstrappers:quantix"
MANAGER_OPERATOR = "quantix-operator"
"""Field manager (server-side apply) of what the operator says of objects."""
MANAGER_NETWORK = "quantix-operator-network"
"""A manager of its own for the hosts' legs: an apply removes what its manager owned and did not send, and the
rest of a Host's status is another controller's."""
MANAGER_SCHEDULER = "quantix-scheduler"
"""The operator, where it says where things are to be."""
MANAGER_HOSTD = "quantix-hostd"
MANAGER_SOURCE = "quantix-hostd-source"
MANAGER_TARGET = "quantix-hostd-target"
"""hostd, where it says how a migration goes on its side."""
MANAGER_SETUP = "quantix-setup"
"""`qx up`."""
SIGNER_CLIENT = "kubernetes.io/kube-apiserver-client"
SIGNER_SERVING = "quantix.io/serving"


@dataclass(frozen=True)
class Resource:
    """One kind as the API serves it; `group` is "" for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """What stands in an object's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def collection_path(self) -> str:
        """The URL path of all objects of the kind, over all namespaces."""
        root = f"/apis/{self.group}" if self.group else "/api"
        return f"{root}/{self.version}/{self.plural}"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """The URL path of a collection, an object or a subresource. Names are quoted, which makes no name
        of what is none: the API server takes `%2F` for a slash, and `quantix_client.api` refuses it.
        """
        if self.namespaced and namespace is not None:
            root = f"/apis/{self.group}" if self.group else "/api"
            base = f"{root}/{self.version}/namespaces/{_segment(namespace)}/{self.plural}"
        else:
            base = self.collection_path
        if name is not None:
            base = f"{base}/{_segment(name)}"
        return f"{base}/{subresource}" if subresource else base


def _segment(name: str) -> str:
    return quote(name, safe=":")


def _quantix(plural: str, kind: str, *, namespaced: bool) -> Resource:
    return Resource(GROUP, VERSION, plural, kind, namespaced)


VIRTUAL_MACHINES = _quantix("virtualmachines", "VirtualMachine", namespaced=True)
VOLUMES = _quantix("volumes", "Volume", namespaced=True)
IMAGES = _quantix("images", "Image", namespaced=True)
NETWORKS = _quantix("networks", "Network", namespaced=True)
SECURITY_GROUPS = _quantix("securitygroups", "SecurityGroup", namespaced=True)
ROUTERS = _quantix("routers", "Router", namespaced=True)
FLOATING_IPS = _quantix("floatingips", "FloatingIP", namespaced=True)
VIRTUAL_MACHINE_MIGRATIONS = _quantix("virtualmachinemigrations", "VirtualMachineMigration", namespaced=True)
VIRTUAL_MACHINE_SNAPSHOTS = _quantix("virtualmachinesnapshots", "VirtualMachineSnapshot", namespaced=True)
VIRTUAL_MACHINE_RESTORES = _quantix("virtualmachinerestores", "VirtualMachineRestore", namespaced=True)
INSTANCE_TYPES = _quantix("instancetypes", "InstanceType", namespaced=False)
STORAGE_POOLS = _quantix("storagepools", "StoragePool", namespaced=False)
HOSTS = _quantix("hosts", "Host", namespaced=False)
HOST_RECOVERIES = _quantix("hostrecoveries", "HostRecovery", namespaced=False)
HA_POLICIES = _quantix("hapolicies", "HAPolicy", namespaced=False)
SCHEDULING_POLICIES = _quantix("schedulingpolicies", "SchedulingPolicy", namespaced=False)

QUANTIX_RESOURCES: tuple[Resource, ...] = (
    VIRTUAL_MACHINES,
    VOLUMES,
    IMAGES,
    NETWORKS,
    SECURITY_GROUPS,
    ROUTERS,
    FLOATING_IPS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINE_RESTORES,
    INSTANCE_TYPES,
    STORAGE_POOLS,
    HOSTS,
    HOST_RECOVERIES,
    HA_POLICIES,
    SCHEDULING_POLICIES,
)
"""All kinds that we define, in the order in which documents list them."""

# Kinds of Kubernetes itself
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
SECRETS = Resource("", "v1", "secrets", "Secret", namespaced=True)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
EVENTS = Resource("events.k8s.io", "v1", "events", "Event", namespaced=True)
CSRS = Resource(
    "certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", namespaced=False
)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", namespaced=True)
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", namespaced=True)
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
CUSTOM_RESOURCE_DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
VALIDATING_POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)
VALIDATING_POLICY_BINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)
MUTATING_POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingadmissionpolicies",
    "MutatingAdmissionPolicy",
    namespaced=False,
)
MUTATING_POLICY_BINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingadmissionpolicybindings",
    "MutatingAdmissionPolicyBinding",
    namespaced=False,
)
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)

KUBERNETES_RESOURCES: tuple[Resource, ...] = (
    NAMESPACES,
    SECRETS,
    CONFIG_MAPS,
    SERVICE_ACCOUNTS,
    LEASES,
    EVENTS,
    CSRS,
    ROLES,
    ROLE_BINDINGS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    CUSTOM_RESOURCE_DEFINITIONS,
    VALIDATING_POLICIES,
    VALIDATING_POLICY_BINDINGS,
    MUTATING_POLICIES,
    MUTATING_POLICY_BINDINGS,
    TOKEN_REVIEWS,
    SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_ACCESS_REVIEWS,
)
"""The kinds of Kubernetes itself that we write, read or ask with."""

ALL_RESOURCES: tuple[Resource, ...] = (*QUANTIX_RESOURCES, *KUBERNETES_RESOURCES)
