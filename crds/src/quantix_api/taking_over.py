"""Which Volumes a VM takes over as its own: those that an earlier VM of its name has left. Pure.

The operator goes by it, and qx says so before a VM is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Source = Mapping[str, Any] | None


def may_take_over(wanted: Source, made_from: Source, *, has_user: bool) -> bool:
    """Whether a disk that is made from `wanted` gets a Volume of its name that is there: made from the same
    (`spec.source`; None or {}: from nothing), and no VM's.
    """
    return not has_user and dict(made_from or {}) == dict(wanted or {})


def conflict_fields(volume: str, made_from: Source, *, has_user: bool) -> dict[str, str]:
    """What the message VolumeConflict says of a Volume that may not be taken over."""
    told = " ".join(f"{kind} {name}" for kind, name in dict(made_from or {}).items()) or "nothing"
    return {"volume": volume, "source": f"{told}, and another VM has it" if has_user else told}
