"""Policies on what users may do: deletion, power, confirmation of a dead host, unfiltered ports, marks.

Rendered by `quantix_api.generate`. What a user reads when refused comes from the table of messages where it
has a reason there.
"""

from __future__ import annotations

from quantix_api.admission import Check, Manifest, Match, Policy, message_expression, mutating
from quantix_api.admission_platform import IS_OPERATOR
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    FINALIZER,
    HOSTS,
    IMAGES,
    LABEL_VIRTUAL_MACHINE_UID,
    NAMESPACE_HOSTS,
    NAMESPACE_SHARED,
    NAMESPACE_SYSTEM,
    NETWORKS,
    ROUTERS,
    SECURITY_GROUPS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
    VOLUMES,
)

_NAME = "oldObject.metadata.name"
_KIND = "oldObject.kind"
_NAMESPACE_GOES = "has(namespaceObject.metadata.deletionTimestamp)"


def _counted(number: str, word: str) -> str:
    """A CEL expression of a number with its word, such as `1 port` or `2 ports`."""
    return f"string({number}) + ({number} == 1 ? ' {word}' : ' {word}s')"


def _where(plural: str, cel: str) -> str:
    return f"request.resource.resource != '{plural}' || {cel}"


_VM_LABEL = f"oldObject.metadata.?labels[?'{LABEL_VIRTUAL_MACHINE_UID}']"
_VM_NAME = f"oldObject.metadata.?annotations[?'{ANNOTATION_VIRTUAL_MACHINE}'].orValue('a VM')"
_ATTACHED = "oldObject.?status.?attachedTo.orValue([])"
# everybody may read a shared image, so its status counts the users of other namespaces only
_OF_OTHERS = f"'all in other namespaces (qx image explain shared/' + {_NAME} + ' names them)'"
_USED_BY = "oldObject.?status.?usedBy.orValue([])"
_RECOVERING = "oldObject.?status.?phase.orValue('') in ['Fencing', 'Fenced', 'Clean']"

DELETION = Policy(
    name="quantix-deletion",
    matches=(
        Match(("DELETE",), ("virtualmachines", "volumes", "images", "networks", "hosts", "storagepools")),
    ),
    checks=(
        Check(
            "!oldObject.?spec.?deletionProtection.orValue(false)",
            message_cel=message_expression("Protected", kind=_KIND, name=_NAME),
        ),
        Check(
            _where("images", f"oldObject.?status.?users.orValue(0) == 0 || {_NAMESPACE_GOES}"),
            message_cel=message_expression(
                "InUse",
                kind=_KIND,
                name=_NAME,
                count=_counted("oldObject.?status.?users.orValue(0)", "user"),
                users=f"({_USED_BY}.size() == 0 ? {_OF_OTHERS} : {_USED_BY}.join(', '))",
            ),
        ),
        Check(
            _where("volumes", f"({_ATTACHED}.size() == 0 && !{_VM_LABEL}.hasValue()) || {_NAMESPACE_GOES}"),
            message_cel=message_expression(
                "InUse",
                volume=_NAME,
                users=f"({_ATTACHED}.size() == 0 ? {_VM_NAME} : {_ATTACHED}.map(a, a.name).join(', '))",
            ),
        ),
        Check(
            _where("networks", f"oldObject.?status.?ports.orValue(0) == 0 || {_NAMESPACE_GOES}"),
            message_cel=message_expression(
                "InUse", network=_NAME, ports=_counted("oldObject.?status.?ports.orValue(0)", "port")
            ),
        ),
        Check(
            _where("hosts", "oldObject.?status.?virtualMachines.orValue(0) == 0"),
            message_cel=message_expression(
                "InUse", host=_NAME, count=_counted("oldObject.?status.?virtualMachines.orValue(0)", "VM")
            ),
        ),
        Check(_where("hosts", f"!({_RECOVERING})"), message_cel=message_expression("InUse", host=_NAME)),
        Check(
            _where("storagepools", "oldObject.?status.?allocated.orValue('0') == '0'"),
            message_cel=message_expression(
                "InUse", pool=_NAME, allocated="oldObject.?status.?allocated.orValue('0')"
            ),
        ),
    ),
)

_SAME_METADATA = " && ".join(
    f"object.metadata.?{part} == oldObject.metadata.?{part}"
    for part in ("labels", "annotations", "finalizers", "ownerReferences")
)
_SAME_SPEC = (
    "object.spec.all(k, k in ['powerState', 'restart'] "
    "|| (k in oldObject.spec && object.spec[k] == oldObject.spec[k])) "
    "&& oldObject.spec.all(k, k in ['powerState', 'restart'] || k in object.spec)"
)

POWER = Policy(
    name="quantix-power",
    matches=(Match(("UPDATE",), ("virtualmachines",)),),
    only_if=(
        (
            "may-not-update",
            "!authorizer.group('quantix.io').resource('virtualmachines').namespace(request.namespace)"
            ".name(request.name).check('update').allowed()",
        ),
    ),
    checks=(
        Check(
            f"{_SAME_METADATA} && {_SAME_SPEC}",
            message_cel=message_expression(
                "NotAllowed",
                user="request.userInfo.username",
                verb='"change more than spec.powerState and spec.restart of"',
                what="'VM ' + request.name",
                role='"quantix-edit"',
            ),
        ),
    ),
)

CONFIRMATION = Policy(
    name="quantix-confirmation",
    matches=(Match(("CREATE", "UPDATE"), ("hostrecoveries",)),),
    checks=(
        Check(
            "!has(object.spec.confirmedDead) "
            "|| (request.operation == 'UPDATE' && has(oldObject.spec.confirmedDead)) "
            "|| object.spec.confirmedDead.by == request.userInfo.username",
            message_cel="'confirmedDead.by is the user who confirms: set it to ' "
            "+ request.userInfo.username + '.'",
        ),
    ),
)

_UNFILTERED = "n.?portSecurity.orValue('') == 'Disabled'"
_WAS_UNFILTERED = (
    "request.operation == 'UPDATE' && oldObject.spec.?nics.orValue([]).exists(o, "
    "o.name == n.name && o.network == n.network && o.?portSecurity.orValue('') == 'Disabled')"
)

UNFILTERED = Policy(
    name="quantix-unfiltered",
    matches=(Match(("CREATE", "UPDATE"), ("virtualmachines",)),),
    checks=(
        Check(
            f"!object.spec.?nics.orValue([]).exists(n, {_UNFILTERED} && !({_WAS_UNFILTERED})) "
            "|| authorizer.group('quantix.io').resource('networks').subresource('unfiltered')"
            ".namespace(request.namespace).check('use').allowed()",
            "portSecurity Disabled lets a guest pose as another, so it needs the verb use on "
            "networks/unfiltered. Try: ask an administrator.",
        ),
    ),
)

PHYSICAL = Policy(
    name="quantix-physical",
    matches=(Match(("CREATE", "UPDATE"), ("networks",)),),
    checks=(
        Check(
            "!has(object.spec.physical) || (request.operation == 'UPDATE' && has(oldObject.spec.physical)) "
            "|| authorizer.group('quantix.io').resource('networks').subresource('physical')"
            ".namespace(request.namespace).check('use').allowed()",
            "A network on a wire can take addresses that others use there, so spec.physical needs the verb "
            "use on networks/physical. Try: ask an administrator, or leave spec.physical out.",
        ),
    ),
)


def _below(size: str, other: str) -> str:
    return f"quantity({size}).compareTo(quantity({other})) < 0"


_CAPACITY = "oldObject.?status.?capacity.orValue('1k')"
_LOWERED = (
    "oldObject.spec.?disks.orValue([]).filter(o, has(o.size) && object.spec.?disks.orValue([]).exists(n, "
    f"n.name == o.name && (!has(n.size) || {_below('n.size', 'o.size')})))"
)
# nothing of such a wish was granted, so it can be taken back
_NO_ROOM = (
    "oldObject.?status.?conditions.orValue([]).exists(c, "
    "c.type == 'VolumesReady' && c.status == 'False' && c.reason == 'PoolFull')"
)

SIZES = Policy(
    name="quantix-sizes",
    matches=(Match(("UPDATE",), ("virtualmachines", "volumes")),),
    variables=(("lowered", f"request.resource.resource == 'virtualmachines' ? {_LOWERED} : []"),),
    checks=(
        Check(
            _where(
                "volumes",
                "!oldObject.spec.?size.hasValue() || (object.spec.?size.hasValue() "
                f"&& (!({_below('object.spec.size', 'oldObject.spec.size')}) "
                f"|| !({_below('object.spec.size', _CAPACITY)})))",
            ),
            message_cel=message_expression("OnlyGrows", what="'Volume ' + request.name", size=_CAPACITY),
        ),
        Check(
            f"variables.lowered.size() == 0 || {_NO_ROOM}",
            message_cel=message_expression(
                "OnlyGrows",
                what="'Disk ' + variables.lowered[0].name",
                size="string(variables.lowered[0].size)",
            ),
        ),
    ),
)

SUBNETS = Policy(
    name="quantix-subnets",
    matches=(Match(("UPDATE",), ("networks",)),),
    checks=(
        Check(
            "oldObject.?status.?ports.orValue(0) == 0 || oldObject.spec.?subnets.orValue([]).all(o, "
            "object.spec.?subnets.orValue([]).exists(n, n.cidr == o.cidr))",
            message_cel=message_expression(
                "SubnetInUse",
                network="request.name",
                ports=_counted("oldObject.?status.?ports.orValue(0)", "port"),
            ),
        ),
    ),
)


def _same_mark(part: str, name: str) -> str:
    return f"object.metadata.?{part}[?'{name}'] == oldObject.?metadata.?{part}[?'{name}']"


MARKS = Policy(
    name="quantix-marks",
    matches=(Match(("CREATE", "UPDATE"), ("volumes",)),),
    only_if=(("not-the-operator", f"!({IS_OPERATOR})"),),
    checks=(
        Check(
            f"{_same_mark('labels', LABEL_VIRTUAL_MACHINE_UID)} "
            f"&& {_same_mark('annotations', ANNOTATION_VIRTUAL_MACHINE)}",
            f"Label {LABEL_VIRTUAL_MACHINE_UID} and annotation {ANNOTATION_VIRTUAL_MACHINE} say which VM a "
            "volume was made for: only Quantix's operator writes them. Try: leave them as they are; in a new "
            "volume, leave them out.",
        ),
        # Its host grows it unasked: the operator asked the pool before it wrote the size
        Check(
            f"request.operation != 'UPDATE' || !{_VM_LABEL}.hasValue() "
            "|| object.spec.?size == oldObject.spec.?size",
            message_cel=message_expression("SizeFollowsDisk", volume=_NAME, vm=_VM_NAME),
        ),
    ),
)

WITH_FINALIZER = (
    VIRTUAL_MACHINES,
    VOLUMES,
    IMAGES,
    NETWORKS,
    SECURITY_GROUPS,
    ROUTERS,
    HOSTS,
    VIRTUAL_MACHINE_MIGRATIONS,
)
"""Kinds that carry the finalizer from their creation on."""
_FINALIZED = tuple(resource.plural for resource in WITH_FINALIZER)

CLEANUP = Policy(
    name="quantix-cleanup",
    matches=(Match(("UPDATE",), _FINALIZED),),
    only_if=(
        ("not-the-operator", f"!({IS_OPERATOR})"),
        ("on-its-way-out", "has(object.metadata.deletionTimestamp)"),
    ),
    checks=(
        Check(
            f"!('{FINALIZER}' in oldObject.metadata.?finalizers.orValue([])) "
            f"|| '{FINALIZER}' in object.metadata.?finalizers.orValue([])",
            message_cel=message_expression("CleanupPending", kind=_KIND, name=_NAME),
        ),
    ),
)

# A namespace that is on its way out never comes back: what is left in it waits for an operator that can no
# longer write there, and no later start can make it again
NAMESPACE_DELETION = Policy(
    name="quantix-namespaces",
    matches=(Match(("DELETE",), ("namespaces",), ""),),
    checks=(
        Check(
            f"!(request.name in {[NAMESPACE_HOSTS, NAMESPACE_SHARED, NAMESPACE_SYSTEM]})",
            message_cel=message_expression(
                "PlatformNamespace", namespace="request.name", policy="'quantix-namespaces'"
            ),
        ),
    ),
)

USER_POLICIES: tuple[Policy, ...] = (
    DELETION,
    NAMESPACE_DELETION,
    POWER,
    CONFIRMATION,
    UNFILTERED,
    PHYSICAL,
    SIZES,
    SUBNETS,
    MARKS,
    CLEANUP,
)


def finalizer_policy() -> tuple[Manifest, Manifest]:
    """Adds the finalizer at creation: no write of ours, no field owner, no drift for GitOps. Who replaces an
    object with a manifest that has none keeps it, too.

    Servers before Kubernetes 1.36 have no such policy; there the operator adds the finalizer.
    """
    value = f"'{FINALIZER}'"
    append = f"[JSONPatch{{op: 'add', path: '/metadata/finalizers/-', value: {value}}}]"
    begin = f"[JSONPatch{{op: 'add', path: '/metadata/finalizers', value: [{value}]}}]"
    return mutating(
        "quantix-finalizer",
        {
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [Match(("CREATE", "UPDATE"), _FINALIZED).manifest()]},
            "matchConditions": [
                {"name": "missing", "expression": f"!({value} in object.metadata.?finalizers.orValue([]))"},
                {"name": "stays", "expression": "!has(object.metadata.deletionTimestamp)"},
            ],
            "mutations": [
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {"expression": f"has(object.metadata.finalizers) ? {append} : {begin}"},
                }
            ],
        },
    )
