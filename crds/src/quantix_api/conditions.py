"""The closed table of conditions: which kind has which condition, and the reasons it may give.

Used by whoever writes, reads or checks a condition, and by the documentation. A reason that is not here is a
bug: `checked` says so before it reaches a user.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from quantix_api.condition_table import INTERNAL_ERROR as INTERNAL_ERROR
from quantix_api.condition_table import TABLE as TABLE
from quantix_api.condition_table import ConditionRow
from quantix_api.errors import InvariantError


class Said(Protocol):
    """Anything that says a condition: one of an object, or a `facts.Fact` that is to become one."""

    @property
    def type(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...


_Said = TypeVar("_Said", bound=Said)


READY_OF_EVERY_KIND = ("Pending", "Deleting", "InUse", INTERNAL_ERROR)
"""Reasons that Ready of any kind may give while it is not True."""

KSTATUS_TYPES = ("Reconciling", "Stalled")
"""Conditions that exist only while True, and then repeat the reason of Ready."""

STALLED_REASONS = frozenset(
    {
        "GuestShutdown",
        "ConfigRefused",
        "IdentityConflict",
        "VolumeConflict",
        "ChecksumMismatch",
        "ImageRefused",
        "AddressRefused",
        "DirectoryMissing",
        "PathRefused",
        "PathShared",
        "PathBarred",
        "AddressOutsideSubnet",
        "AddressReserved",
    }
)
"""Reasons of Ready under which nothing changes without a user."""

PASSING_REASONS = frozenset(
    {
        "Pending",
        "Creating",
        "Copying",
        "Moving",
        "Resizing",
        "SecretNotGranted",
        "Programming",
        "ImageDownloading",
        "Verifying",
        "Taking",
        "Restoring",
    }
)
"""Reasons of Ready that pass by themselves: somebody works on it."""

LOST_REASONS = frozenset({"Suspect", "Isolated", "StorageLost", "Failed", "Unreachable", "Fencing", "Fenced"})
"""Reasons of a Host's Ready that only the operator writes, about one that it does not hear."""

_BY_PLACE = {(row.kind, row.type): row for row in TABLE}


def reasons_true(kind: str, condition_type: str) -> frozenset[str]:
    """The reasons that this condition may give while True; InvariantError when the kind has no such one."""
    return frozenset(_row_of(kind, condition_type).true)


def reasons_otherwise(kind: str, condition_type: str) -> frozenset[str]:
    """The reasons that this condition may give while False or Unknown; InvariantError as above."""
    row = _row_of(kind, condition_type)
    extra = READY_OF_EVERY_KIND if condition_type == "Ready" else ()
    return frozenset((*row.otherwise, *extra))


def ready_reason(kind: str, reason: str) -> str:
    """`reason`, of an error from anywhere, as Ready may give it while not True: one that the table does not
    know for this kind is InternalError. The error's own words say the rest.
    """
    return reason if reason in reasons_otherwise(kind, "Ready") else INTERNAL_ERROR


def checked(kind: str, conditions: Iterable[_Said]) -> tuple[_Said, ...]:
    """The same conditions, in a stable order; InvariantError for one that the table does not know."""
    found = tuple(sorted(conditions, key=lambda c: c.type))
    for condition in found:
        if condition.type in KSTATUS_TYPES:
            allowed = reasons_otherwise(kind, "Ready")
        elif condition.status == "True":
            allowed = reasons_true(kind, condition.type)
        else:
            allowed = reasons_otherwise(kind, condition.type)
        if condition.reason not in allowed:
            raise InvariantError(
                "ConditionUnknown",
                f"{kind} has no {condition.type}={condition.status} with reason {condition.reason}.",
            )
    return found


def condition_of(obj: Mapping[str, Any], condition_type: str = "Ready") -> dict[str, Any]:
    """The condition of this type of an object as the API has it, {} when it has none."""
    return condition_in(obj.get("status") or {}, condition_type)


def condition_in(status: Mapping[str, Any], condition_type: str = "Ready") -> dict[str, Any]:
    """The same of a status alone."""
    found = (item for item in status.get("conditions") or () if item.get("type") == condition_type)
    condition: dict[str, Any] = next(found, {})
    return condition


def is_current(condition: Mapping[str, Any], generation: int) -> bool:
    """Whether a condition was said of that generation of a spec, or of a later one."""
    return bool(condition.get("observedGeneration", 0) >= generation)


def _row_of(kind: str, condition_type: str) -> ConditionRow:
    try:
        return _BY_PLACE[kind, condition_type]
    except KeyError:
        raise InvariantError("ConditionUnknown", f"{kind} has no condition {condition_type}.") from None
