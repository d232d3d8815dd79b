"""Which wait of a VM is worth an event: one that somebody has to end, told once.

Pure; called by the controller after it wrote a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantix_api.conditions import PASSING_REASONS, condition_in, condition_of, reasons_otherwise

# that libvirt is away its Host says, once for all VMs; it is started again by itself
_TOLD = (
    frozenset({"InstanceTypeNotFound", "SecretNotFound", "IdentityConflict", "ConfigRefused"})
    | frozenset(reasons_otherwise("VirtualMachine", "VolumesReady"))
    | frozenset(reasons_otherwise("VirtualMachine", "NetworkReady"))
) - (PASSING_REASONS | {"LibvirtDown"})


def begun_wait(before: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[str, str] | None:
    """Reason and message of the wait that begins when `status` is written over the manifest `before`."""
    ready = condition_in(status)
    if ready.get("status") != "False" or ready.get("reason") not in _TOLD:
        return None
    if condition_of(before).get("reason") == ready["reason"]:
        return None
    return str(ready["reason"]), str(ready["message"])
