"""Policies on what the platform's own parts may write: ownership of status, and each host its own things.

Rendered by `quantix_api.generate`. A stolen host key must not be worth more than that host.
"""

from __future__ import annotations

from quantix_api.admission import Check, Match, Policy
from quantix_api.resources import HOST_GROUP, HOST_USER_PREFIX, NAMESPACE_HOSTS, OPERATOR_USER

_IS_OPERATOR = f"request.userInfo.username == '{OPERATOR_USER}'"
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
            ("virtualmachines/status", "virtualmachinemigrations/status", "hostrecoveries/status"),
        ),
    ),
    only_if=(("not-the-operator", f"!({_IS_OPERATOR})"),),
    checks=(
        Check(
            "request.resource.resource != 'virtualmachines' "
            "|| (object.?status.?assignment == oldObject.?status.?assignment "
            "&& object.?status.?migration == oldObject.?status.?migration)",
            "status.assignment and status.migration say which host may run the VM: "
            "only Quantix's scheduler writes them.",
        ),
        Check(
            "request.resource.resource != 'virtualmachinemigrations' "
            "|| (object.?status.?sourceHost == oldObject.?status.?sourceHost "
            "&& object.?status.?targetHost == oldObject.?status.?targetHost)",
            "status.sourceHost and status.targetHost of a migration are written only by Quantix's scheduler.",
        ),
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
        "Protected",
        "Migratable",
        "PlacementOK",
    ),
    "hosts": ("Schedulable", "Drained", "StorageBeat", "StorageFence"),
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
    "volumes/status",
    "images/status",
]


def _for(kinds: str, cel: str) -> str:
    """The expression, where the request is about one of these kinds."""
    return f"!(variables.kind in {kinds.split()}) || ({cel})"


_HOST_CHECKS = (
    Check("variables.me != ''", f"A member of {HOST_GROUP} needs a user name {HOST_USER_PREFIX}NAME."),
    Check("request.operation != 'DELETE'", "A host deletes nothing in the API."),
    Check(
        f"variables.kind in {_HOST_WRITES}",
        message_cel="'A host does not write ' + variables.kind + '.'",
    ),
    Check(
        _for("hosts hosts/status leases", "object.metadata.name == variables.me"),
        message_cel="'Host ' + variables.me + ' writes only its own Host and Lease.'",
    ),
    Check(
        _for("hosts", "request.operation == 'CREATE'"),
        "The spec, labels and annotations of a Host belong to the administrators.",
    ),
    Check(
        _for("leases", f"request.namespace == '{NAMESPACE_HOSTS}'"),
        f"The Lease of a host is in namespace {NAMESPACE_HOSTS}.",
    ),
    Check(
        _for("virtualmachines/status", "oldObject.?status.?assignment.?host.orValue('') == variables.me"),
        message_cel="'This VM is not assigned to host ' + variables.me + '.'",
    ),
    Check(
        _for(
            "virtualmachines/status",
            "!object.?status.?runtime.hasValue() || object.?status.?runtime.?observedEpoch.orValue(0) "
            "== oldObject.?status.?assignment.?epoch.orValue(0)",
        ),
        "status.runtime.observedEpoch is not the epoch of the VM's assignment.",
    ),
    Check(
        _for(
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
        _for(
            "hosts/status",
            "object.?status.?hostLeg == oldObject.?status.?hostLeg "
            "&& object.?status.?allocated == oldObject.?status.?allocated "
            "&& object.?status.?virtualMachines == oldObject.?status.?virtualMachines",
        ),
        "hostLeg, allocated and virtualMachines of a Host are written only by Quantix's operator.",
    ),
    Check(
        _for(
            "virtualmachinemigrations/status",
            "variables.me in [oldObject.?status.?sourceHost.orValue(''), "
            "oldObject.?status.?targetHost.orValue('')]",
        ),
        message_cel="'This migration does not concern host ' + variables.me + '.'",
    ),
    Check(
        _for(
            "volumes/status images/status",
            "oldObject.?status.?host.orValue(variables.me) == variables.me "
            "&& object.?status.?host.orValue('') == variables.me",
        ),
        message_cel="'Host ' + oldObject.?status.?host.orValue('?') + ' acts on this object, not host ' "
        "+ variables.me + '.'",
    ),
    Check(
        _for(
            "volumes/status images/status",
            "object.?status.?attachedTo == oldObject.?status.?attachedTo "
            "&& object.?status.?users == oldObject.?status.?users "
            "&& object.?status.?usedBy == oldObject.?status.?usedBy",
        ),
        "Who uses a volume or an image is written only by Quantix's operator.",
    ),
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

EVENTS = Policy(
    name="quantix-events",
    matches=(Match(("CREATE", "UPDATE"), ("events",), "events.k8s.io"),),
    only_if=(("a-host", _IS_HOST),),
    checks=(
        Check(
            f"object.?reportingInstance.orValue('') == ({_ME}) "
            "&& object.?reportingController.orValue('') == 'quantix.io/hostd'",
            "An event of a host names that host as reportingInstance and quantix.io/hostd as "
            "reportingController.",
        ),
    ),
)

OPERATOR_ROLES = Policy(
    name="quantix-operator-roles",
    matches=(Match(("CREATE", "UPDATE", "DELETE"), ("roles", "rolebindings"), "rbac.authorization.k8s.io"),),
    only_if=(("the-operator", _IS_OPERATOR),),
    checks=(
        Check(
            "request.name.startsWith('quantix-host-')",
            "The operator writes only the roles quantix-host-NAME, by which hosts read their VMs' Secrets.",
        ),
    ),
)

PLATFORM_POLICIES: tuple[Policy, ...] = (OWNERSHIP, HOSTS, EVENTS, OPERATOR_ROLES)
