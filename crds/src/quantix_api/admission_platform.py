"""Policies on what the platform's own parts may write: ownership of status, and each host its own things.

Rendered by `quantix_api.generate`. A stolen host key must not be worth more than that host. A policy sees one
object: what takes a second one to judge (is the VM of this volume assigned to this host?) is the operator's
(`volumedata/right.py` there, docs/adr/0009).
"""

from __future__ import annotations

from quantix_api import admission_data, admission_migrations, admission_snapshots
from quantix_api.admission import Check, Match, Policy, where
from quantix_api.resources import (
    FINALIZER,
    GROUP,
    HOST_GROUP,
    HOST_USER_PREFIX,
    NAMESPACE_HOSTS,
    OPERATOR_USER,
    VERSION,
)

IS_OPERATOR = f"request.userInfo.username == '{OPERATOR_USER}'"
_IS_HOST = (
    f"'{HOST_GROUP}' in request.userInfo.groups || request.userInfo.username.startsWith('{HOST_USER_PREFIX}')"
)
_ME = (
    f"request.userInfo.username.startsWith('{HOST_USER_PREFIX}') "
    f"? request.userInfo.username.substring({len(HOST_USER_PREFIX)}) : ''"
)

OWNERSHIP = Policy(
    name="quantix-ownership",
    matches=(
        Match(
            ("UPDATE",),
            (
                "virtualmachines/status",
                "virtualmachinemigrations/status",
                "virtualmachinesnapshots/status",
                "virtualmachinerestores/status",
                "hostrecoveries/status",
            ),
        ),
    ),
    only_if=(("not-the-operator", f"!({IS_OPERATOR})"),),
    checks=(
        Check(
            "request.resource.resource != 'virtualmachines' "
            "|| (object.?status.?assignment == oldObject.?status.?assignment "
            "&& object.?status.?migration == oldObject.?status.?migration "
            "&& object.?status.?restore == oldObject.?status.?restore)",
            "status.assignment, status.migration and status.restore say which host may run the VM: "
            "only Quantix's scheduler writes them.",
        ),
        *admission_migrations.OWNERSHIP_CHECKS,
        *admission_snapshots.OWNERSHIP_CHECKS,
        Check(
            "request.resource.resource != 'hostrecoveries'",
            "The status of a HostRecovery is written only by Quantix's operator. "
            "Try: spec.cancel, or spec.confirmedDead.",
        ),
    ),
)

_OPERATORS_CONDITIONS = {
    "virtualmachines": (
        "Scheduled",
        "VolumesReady",
        "NetworkReady",
        "SizeGranted",
        "Protected",
        "Migratable",
        "PlacementOK",
        "NamespaceKept",
    ),
    "hosts": ("Schedulable", "Drained", "StorageBeat", "StorageFence"),
    "volumes": ("SizeGranted", "MoveGranted", "NamespaceKept"),
    "images": ("NamespaceKept",),
}
_THEIRS = (
    "{"
    + ", ".join(f"'{kind}': {list(types)}" for kind, types in _OPERATORS_CONDITIONS.items())
    + "}[?request.resource.resource].orValue([])"
)
_HOST_WRITES = [
    "hosts",
    "hosts/status",
    "leases",
    "virtualmachines/status",
    "virtualmachinemigrations/status",
    "virtualmachinesnapshots/status",
    "virtualmachinerestores/status",
    "volumes/status",
    "images/status",
]


# The defaults that the schema fills in are all false; the finalizer is added by a policy of ours
_AS_IT_JOINS = (
    "object.spec.all(member, object.spec[member] == false) "
    "&& object.metadata.?labels.orValue({}).size() == 0 "
    "&& object.metadata.?annotations.orValue({}).size() == 0 "
    "&& object.metadata.?ownerReferences.orValue([]).size() == 0 "
    f"&& object.metadata.?finalizers.orValue([]).all(name, name == '{FINALIZER}')"
)
_HOST_CHECKS = (
    Check("variables.me != ''", f"A member of {HOST_GROUP} needs a user name {HOST_USER_PREFIX}NAME."),
    Check("request.operation != 'DELETE'", "A host deletes nothing in the API."),
    Check(
        f"variables.kind in {_HOST_WRITES}",
        message_cel="'A host does not write ' + variables.kind + '.'",
    ),
    Check(
        where("hosts hosts/status leases", "object.metadata.name == variables.me"),
        message_cel="'Host ' + variables.me + ' writes only its own Host and Lease.'",
    ),
    Check(
        where("hosts", "request.operation == 'CREATE'"),
        "The spec, labels and annotations of a Host belong to the administrators.",
    ),
    Check(
        where("hosts", _AS_IT_JOINS),
        "A host joins with an empty spec, no labels, no annotations and no owners: those belong to the "
        "administrators.",
    ),
    Check(
        where("leases", f"request.namespace == '{NAMESPACE_HOSTS}'"),
        f"The Lease of a host is in namespace {NAMESPACE_HOSTS}.",
    ),
    Check(
        where("virtualmachines/status", "oldObject.?status.?assignment.?host.orValue('') == variables.me"),
        message_cel="'This VM is not assigned to host ' + variables.me + '.'",
    ),
    Check(
        where(
            "virtualmachines/status",
            "!object.?status.?runtime.hasValue() || object.?status.?runtime.?observedEpoch.orValue(0) "
            "== oldObject.?status.?assignment.?epoch.orValue(0)",
        ),
        "status.runtime.observedEpoch is not the epoch of the VM's assignment.",
    ),
    Check(
        where(
            "virtualmachines/status",
            "object.?status.?resolved == oldObject.?status.?resolved "
            "&& object.?status.?nics == oldObject.?status.?nics",
        ),
        "status.resolved and status.nics are written only by Quantix's operator.",
    ),
    Check(
        "variables.now.filter(c, c.type in variables.theirs) "
        "== variables.was.filter(c, c.type in variables.theirs)",
        message_cel="'Only the operator writes the conditions ' + variables.theirs.join(', ') + '.'",
    ),
    Check(
        where(
            "hosts/status",
            "object.?status.?hostLeg == oldObject.?status.?hostLeg "
            "&& object.?status.?allocated == oldObject.?status.?allocated "
            "&& object.?status.?virtualMachines == oldObject.?status.?virtualMachines",
        ),
        "hostLeg, allocated and virtualMachines of a Host are written only by Quantix's operator.",
    ),
    *admission_migrations.HOST_CHECKS,
    *admission_snapshots.HOST_CHECKS,
    *admission_data.HOST_CHECKS,
)

HOSTS = Policy(
    name="quantix-hostd",
    matches=(
        Match(("CREATE", "UPDATE", "DELETE"), ("*", "*/status")),
        Match(("CREATE", "UPDATE", "DELETE"), ("leases",), "coordination.k8s.io"),
    ),
    only_if=(("a-host", _IS_HOST),),
    variables=(
        ("me", _ME),
        (
            "kind",
            "request.resource.resource "
            "+ (request.?subResource.orValue('') == '' ? '' : '/' + request.subResource)",
        ),
        ("theirs", _THEIRS),
        ("was", "oldObject.?status.?conditions.orValue([])"),
        ("now", "object.?status.?conditions.orValue([])"),
    ),
    checks=_HOST_CHECKS,
)

_REPORTED_ON = [
    "Host",
    "VirtualMachine",
    "Volume",
    "Image",
    "VirtualMachineMigration",
    "VirtualMachineSnapshot",
    "VirtualMachineRestore",
]

EVENTS = Policy(
    name="quantix-events",
    matches=(Match(("CREATE", "UPDATE"), ("events",), "events.k8s.io"),),
    only_if=(("a-host", _IS_HOST),),
    variables=(("me", _ME),),
    checks=(
        Check(
            "object.?reportingInstance.orValue('') == variables.me "
            "&& object.?reportingController.orValue('') == 'quantix.io/hostd'",
            "An event of a host names that host as reportingInstance and quantix.io/hostd as "
            "reportingController.",
        ),
        Check(
            f"object.?regarding.?apiVersion.orValue('') == '{GROUP}/{VERSION}' "
            f"&& object.?regarding.?kind.orValue('') in {_REPORTED_ON}",
            f"An event of a host is about one of {', '.join(_REPORTED_ON)}.",
        ),
        Check(
            "object.?regarding.?kind.orValue('') != 'Host' "
            "|| object.?regarding.?name.orValue('') == variables.me",
            message_cel="'Host ' + variables.me + ' tells events of itself, not of another host.'",
        ),
        Check(
            "!object.?related.hasValue()",
            "An event of a host is about one object.",
        ),
    ),
)
"""Not checked, since a policy sees no second object: that the VM, Volume or Image is one that this host acts
on, and that what the note says is true. What is read of an event always names its host.
"""

OPERATOR_ROLES = Policy(
    name="quantix-operator-roles",
    matches=(Match(("CREATE", "UPDATE", "DELETE"), ("roles", "rolebindings"), "rbac.authorization.k8s.io"),),
    only_if=(("the-operator", IS_OPERATOR),),
    checks=(
        Check(
            "request.name.startsWith('quantix-host-')",
            "The operator writes only the roles quantix-host-NAME, by which hosts read their VMs' Secrets.",
        ),
    ),
)

PLATFORM_POLICIES: tuple[Policy, ...] = (OWNERSHIP, HOSTS, EVENTS, OPERATOR_ROLES)
