"""Policies on what may become of objects by what is there already: deletion, sizes, subnets.

Rendered by `quantix_api.generate`. What a user reads when refused comes from the table of messages.
"""

from __future__ import annotations

from quantix_api.admission import Check, Match, Policy, message_expression
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    LABEL_VIRTUAL_MACHINE_UID,
    NAMESPACE_HOSTS,
    NAMESPACE_SHARED,
    NAMESPACE_SYSTEM,
)

OLD_NAME = "oldObject.metadata.name"
OLD_KIND = "oldObject.kind"
_NAMESPACE_GOES = "has(namespaceObject.metadata.deletionTimestamp)"


def _counted(number: str, word: str) -> str:
    """A CEL expression of a number with its word, such as `1 port` or `2 ports`."""
    return f"string({number}) + ({number} == 1 ? ' {word}' : ' {word}s')"


def _where(plural: str, cel: str) -> str:
    return f"request.resource.resource != '{plural}' || {cel}"


VM_LABEL = f"oldObject.metadata.?labels[?'{LABEL_VIRTUAL_MACHINE_UID}']"
VM_NAME = f"oldObject.metadata.?annotations[?'{ANNOTATION_VIRTUAL_MACHINE}'].orValue('a VM')"
_ATTACHED = "oldObject.?status.?attachedTo.orValue([])"
# everybody may read a shared image, so its status counts the users of other namespaces only
_OF_OTHERS = f"'all in other namespaces (qx image explain shared/' + {OLD_NAME} + ' names them)'"
_USED_BY = "oldObject.?status.?usedBy.orValue([])"
# what `qx` calls a kind that can be protected
_NOUN = (
    "(oldObject.kind == 'VirtualMachine' ? 'vm' : oldObject.kind.lowerAscii().replace('virtualmachine', ''))"
)
_RECOVERING = "oldObject.?status.?phase.orValue('') in ['Fencing', 'Fenced', 'Clean']"

DELETION = Policy(
    name="quantix-deletion",
    matches=(
        Match(
            ("DELETE",),
            (
                "virtualmachines",
                "virtualmachinesnapshots",
                "volumes",
                "images",
                "networks",
                "hosts",
                "storagepools",
            ),
        ),
    ),
    checks=(
        Check(
            "!oldObject.?spec.?deletionProtection.orValue(false)",
            message_cel=message_expression("Protected", kind=OLD_KIND, name=OLD_NAME, noun=_NOUN),
        ),
        Check(
            _where("images", f"oldObject.?status.?users.orValue(0) == 0 || {_NAMESPACE_GOES}"),
            message_cel=message_expression(
                "InUse",
                kind=OLD_KIND,
                name=OLD_NAME,
                count=_counted("oldObject.?status.?users.orValue(0)", "user"),
                users=f"({_USED_BY}.size() == 0 ? {_OF_OTHERS} : {_USED_BY}.join(', '))",
            ),
        ),
        # also where the namespace goes: they go with its VMs, and a protected one stays (docs/adr/0040)
        Check(
            _where("volumes", f"{_ATTACHED}.size() == 0 && !{VM_LABEL}.hasValue()"),
            message_cel=message_expression(
                "InUse",
                volume=OLD_NAME,
                users=f"({_ATTACHED}.size() == 0 ? {VM_NAME} : {_ATTACHED}.map(a, a.name).join(', '))",
            ),
        ),
        Check(
            _where("networks", f"oldObject.?status.?ports.orValue(0) == 0 || {_NAMESPACE_GOES}"),
            message_cel=message_expression(
                "InUse", network=OLD_NAME, ports=_counted("oldObject.?status.?ports.orValue(0)", "port")
            ),
        ),
        Check(
            _where("hosts", "oldObject.?status.?virtualMachines.orValue(0) == 0"),
            message_cel=message_expression(
                "InUse", host=OLD_NAME, count=_counted("oldObject.?status.?virtualMachines.orValue(0)", "VM")
            ),
        ),
        Check(_where("hosts", f"!({_RECOVERING})"), message_cel=message_expression("InUse", host=OLD_NAME)),
        Check(
            _where("storagepools", "oldObject.?status.?allocated.orValue('0') == '0'"),
            message_cel=message_expression(
                "InUse", pool=OLD_NAME, allocated="oldObject.?status.?allocated.orValue('0')"
            ),
        ),
        Check(
            _where("storagepools", "oldObject.?status.?virtualMachines.orValue(0) == 0"),
            message_cel=message_expression(
                "InUse",
                pool=OLD_NAME,
                count=_counted("oldObject.?status.?virtualMachines.orValue(0)", "VM"),
            ),
        ),
        Check(
            _where("storagepools", "oldObject.?status.?snapshots.orValue(0) == 0"),
            message_cel=message_expression(
                "InUse",
                pool=OLD_NAME,
                snapshots=_counted("oldObject.?status.?snapshots.orValue(0)", "snapshot"),
            ),
        ),
    ),
)


def _below(size: str, other: str) -> str:
    return f"quantity({size}).compareTo(quantity({other})) < 0"


_CAPACITY = "oldObject.?status.?capacity.orValue('1k')"
_HAS = "oldObject.?status.?capacity.orValue(oldObject.spec.size)"
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
            message_cel=message_expression("OnlyGrows", what="'Volume ' + request.name", size=_HAS),
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

OBJECT_POLICIES: tuple[Policy, ...] = (DELETION, NAMESPACE_DELETION, SIZES, SUBNETS)
