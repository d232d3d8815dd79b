"""What a host may write of a migration: its own part, and no more once it has given its last word.

Parts of the policies of `admission_platform`. Whose word ends what is docs/adr/0044.
"""

from __future__ import annotations

from quantix_api.admission import Check
from quantix_api.resources import HOST_GROUP

_SUBRESOURCE = "virtualmachinemigrations/status"
_OTHERS = (
    "phase",
    "observedGeneration",
    "conditions",
    "virtualMachineUID",
    "sourceHost",
    "targetHost",
    "startedAt",
    "finishedAt",
)
"""What the operator alone says of a migration."""


def _same(*members: str) -> str:
    return " && ".join(f"object.?status.?{name} == oldObject.?status.?{name}" for name in members)


def _of_migrations(cel: str) -> str:
    return f"variables.kind != '{_SUBRESOURCE}' || ({cel})"


_IS_SOURCE = "oldObject.?status.?sourceHost.orValue('') == variables.me"
_IS_TARGET = "oldObject.?status.?targetHost.orValue('') == variables.me"
_SOURCE_WORD = "oldObject.?status.?source.?outcome"
_TARGET_WORD = "oldObject.?status.?target.?outcome.orValue('')"

OWNERSHIP_CHECKS = (
    Check(
        f"request.resource.resource != 'virtualmachinemigrations' || ({_same('sourceHost', 'targetHost')})",
        "status.sourceHost and status.targetHost of a migration are written only by Quantix's scheduler.",
    ),
    Check(
        "request.resource.resource != 'virtualmachinemigrations' || request.userInfo.groups.exists(group, "
        f"group == '{HOST_GROUP}') || ({_same('source', 'target', 'virtualMachineUID', 'startedAt')})",
        "status.source and status.target of a migration are the words of its hosts.",
    ),
)

HOST_CHECKS = (
    Check(
        _of_migrations(f"{_IS_SOURCE} || {_IS_TARGET}"),
        message_cel="'This migration does not concern host ' + variables.me + '.'",
    ),
    Check(
        _of_migrations(_same(*_OTHERS)),
        "A host writes only source, target and progress of a migration.",
    ),
    Check(
        _of_migrations(f"({_IS_SOURCE}) || ({_same('source', 'progress')})"),
        message_cel="'Host ' + variables.me + ' is not the source of this migration.'",
    ),
    Check(
        _of_migrations(f"({_IS_TARGET}) || ({_same('target')})"),
        message_cel="'Host ' + variables.me + ' is not the target of this migration.'",
    ),
    Check(
        _of_migrations(f"!{_SOURCE_WORD}.hasValue() || ({_same('source')})"),
        "status.source.outcome is the last word of the source: nothing of it changes afterwards.",
    ),
    Check(
        _of_migrations(
            f"{_TARGET_WORD} == '' || ({_same('target')}) "
            f"|| ({_TARGET_WORD} == 'Refused' && object.?status.?target.?outcome.orValue('') == 'Gone')"
        ),
        "status.target.outcome is the last word of the target; only Refused may become Gone.",
    ),
)
