"""Whether a Volume was made for a VM that never came to a host. Pure, on the API's manifests.

The operator deletes it with that VM, whatever its reclaimPolicy: there is no data to retain; qx tells of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantix_api.resources import LABEL_MANAGED_BY, LABEL_VIRTUAL_MACHINE_UID, MANAGED_BY

Manifest = Mapping[str, Any]


def was_made_for_nothing(volume: Manifest, vm: Manifest) -> bool:
    """Whether the operator made `volume` for `vm`, no host ever any data of it, and nobody wants it to stay.

    One that was there before the VM is somebody's, or a plan's; of a VM that has a host, that may have begun.
    """
    labels = volume["metadata"].get("labels") or {}
    if labels.get(LABEL_VIRTUAL_MACHINE_UID) != vm["metadata"]["uid"]:
        return False
    protected = (volume.get("spec") or {}).get("deletionProtection")
    if labels.get(LABEL_MANAGED_BY) != MANAGED_BY or protected:
        return False
    if _said(volume, "host") or _said(volume, "data") or _said(vm, "assignment"):
        return False
    # times as the API writes them, which sort as they pass
    made, since = volume["metadata"].get("creationTimestamp"), vm["metadata"].get("creationTimestamp")
    return bool(made and since and made >= since)


def _said(obj: Manifest, field: str) -> bool:
    return (obj.get("status") or {}).get(field) is not None
