"""Policies on what users may do: power, confirmation of a dead host, unfiltered ports, marks.

Rendered by `quantix_api.generate`. What a user reads when refused comes from the table of messages where it
has a reason there.
"""

from __future__ import annotations

from quantix_api.admission import Check, Manifest, Match, Policy, message_expression, mutating
from quantix_api.admission_objects import OLD_KIND, OLD_NAME, VM_LABEL, VM_NAME
from quantix_api.admission_platform import IS_OPERATOR
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    FINALIZER,
    FLOATING_IPS,
    HOSTS,
    IMAGES,
    LABEL_BALANCER,
    LABEL_MAINTENANCE_OF,
    LABEL_VIRTUAL_MACHINE_UID,
    NETWORKS,
    ROUTERS,
    SECURITY_GROUPS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
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
            f"request.operation != 'UPDATE' || !{VM_LABEL}.hasValue() "
            "|| object.spec.?size == oldObject.spec.?size",
            message_cel=message_expression("SizeFollowsDisk", volume=OLD_NAME, vm=VM_NAME),
        ),
    ),
)

MIGRATION_MARKS = Policy(
    name="quantix-migration-marks",
    matches=(Match(("CREATE", "UPDATE"), (VIRTUAL_MACHINE_MIGRATIONS.plural,)),),
    only_if=(("not-the-operator", f"!({IS_OPERATOR})"),),
    checks=(
        Check(
            " && ".join(_same_mark("labels", name) for name in (LABEL_BALANCER, LABEL_MAINTENANCE_OF)),
            f"Labels {LABEL_BALANCER} and {LABEL_MAINTENANCE_OF} say of a migration that nobody asked for "
            "it: only Quantix's operator writes them, and cancels what has them. Try: leave them as they "
            "are; in a new migration, leave them out.",
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
    FLOATING_IPS,
    HOSTS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINE_RESTORES,
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
            message_cel=message_expression("CleanupPending", kind=OLD_KIND, name=OLD_NAME),
        ),
    ),
)

USER_POLICIES: tuple[Policy, ...] = (
    POWER,
    CONFIRMATION,
    UNFILTERED,
    PHYSICAL,
    MARKS,
    MIGRATION_MARKS,
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
