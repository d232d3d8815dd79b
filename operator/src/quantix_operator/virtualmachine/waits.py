"""Which wait of a VM is worth an event: one that somebody has to end, told once.

Pure; called by the controller after it wrote a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantix_api.conditions import reasons_otherwise

# They pass by themselves
_PASSING = frozenset({"Creating", "Copying", "Moving", "Programming", "ImageDownloading", "Verifying"})
_TOLD = (
    frozenset({"InstanceTypeNotFound", "SecretNotFound", "IdentityConflict", "ConfigRefused"})
    | frozenset(reasons_otherwise("VirtualMachine", "VolumesReady"))
    | frozenset(reasons_otherwise("VirtualMachine", "NetworkReady"))
) - _PASSING


def begun_wait(before: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[str, str] | None:
    """Reason and message of the wait that begins when `status` is written over the manifest `before`."""
    ready = _ready(status)
    if ready.get("status") != "False" or ready.get("reason") not in _TOLD:
        return None
    if _ready(before.get("status") or {}).get("reason") == ready["reason"]:
        return None
    return str(ready["reason"]), str(ready["message"])


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = status.get("conditions") or []
    return next((item for item in conditions if item.get("type") == "Ready"), {})
